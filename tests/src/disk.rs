//! A small disk: a file system in memory, mounted on a folder, that can be filled and emptied again.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::part::{Part, required};
use crate::process::say;

/// What fills it.
const BALLAST: &str = "ballast";
/// It is written in steps of this many bytes.
const STEP_BYTES: usize = 4_096;

/// A mounted disk. It is gone when dropped, with everything on it.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts it on a folder, which is made. `None` where mounting is not allowed: any user may who runs the tests under
    /// `unshare --map-root-user --mount`.
    pub fn mount(folder: &Path, bytes: usize) -> Option<Self> {
        fs::create_dir_all(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let text = |text: &[u8]| CString::new(text).unwrap_or_else(|error| panic!("{error}"));
        let (kind, target, size) =
            (text(b"tmpfs"), text(folder.as_os_str().as_bytes()), text(format!("size={bytes}").as_bytes()));
        // SAFETY: all pointers are to C strings that outlive the call.
        let mounted = unsafe { libc::mount(kind.as_ptr(), target.as_ptr(), kind.as_ptr(), 0, size.as_ptr().cast()) };
        let why = || io::Error::last_os_error().to_string();
        let disk = (mounted == 0).then(|| SmallDisk { folder: folder.to_owned() }).ok_or_else(why);
        required(Part::Disk, disk)
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Fills it to the last page.
    pub fn fill(&self) {
        let path = self.folder.join(BALLAST);
        let mut ballast = File::create(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        while ballast.write_all(&[1; STEP_BYTES]).is_ok() {}
    }

    /// Fills what has become free since.
    pub fn refill(&self) {
        let path = self.folder.join(BALLAST);
        let options = File::options().append(true).open(&path);
        let mut ballast = options.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        while ballast.write_all(&[1; STEP_BYTES]).is_ok() {}
    }

    /// Makes room for so many bytes on a disk that was filled.
    pub fn leave(&self, bytes: u64) {
        let path = self.folder.join(BALLAST);
        let ballast = File::options().write(true).open(&path).unwrap_or_else(|error| panic!("{error}"));
        let len = ballast.metadata().map_or(0, |metadata| metadata.len());
        ballast.set_len(len.saturating_sub(bytes)).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Makes all the room there is.
    pub fn empty(&self) {
        fs::remove_file(self.folder.join(BALLAST)).unwrap_or_else(|error| panic!("{error}"));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let Ok(target) = CString::new(self.folder.as_os_str().as_bytes()) else { return };
        // SAFETY: the pointer is to a C string that outlives the call.
        if unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) } != 0 {
            say(&format!("{} stays mounted: {}", self.folder.display(), io::Error::last_os_error()));
        }
    }
}
