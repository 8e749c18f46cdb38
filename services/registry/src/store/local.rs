//! The store in a local directory, durable and safe between processes.
//!
//! `object_store` never flushes to disk, so this is our own: the bytes go to a file of another name, are flushed, and
//! appear under their key in one step (a hard link, which fails if the key exists, or a rename); then the directory
//! is flushed, or the name itself could be gone after a power cut.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use super::{Error, Result};

/// Where unfinished files lie. Keys cannot start with a dot, so it collides with none.
const PARTIAL_DIR: &str = ".partial";

/// Age after which an unfinished file is nobody's.
const PARTIAL_AGE_MAX_S: u64 = 86_400;

#[derive(Debug)]
pub(super) struct Local {
    root: PathBuf,
    /// Directories whose whole chain of names up to the root was flushed by this process.
    durable_dirs: Mutex<BTreeSet<PathBuf>>,
    /// Names this handle among all that write to the directory.
    writer: String,
    partials: AtomicU64,
}

impl Local {
    pub(super) fn open(dir: &Path) -> Result<Self> {
        let refused = |e: io::Error| Error::Directory { path: dir.to_owned(), detail: e.to_string() };
        fs::create_dir_all(dir.join(PARTIAL_DIR)).map_err(refused)?;
        let root = dir.canonicalize().map_err(refused)?;
        sync_dir(&root).map_err(refused)?;
        if let Some(parent) = root.parent() {
            // The parent may belong to somebody else and be unreadable; the root's own name is then theirs to keep.
            let _ = sync_dir(parent);
        }
        let local = Self {
            root,
            durable_dirs: Mutex::new(BTreeSet::new()),
            writer: unique_name(),
            partials: AtomicU64::new(0),
        };
        // Another process may be sweeping the same leftovers; they cost only space.
        let _ = local.sweep();
        Ok(local)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn place(&self) -> String {
        self.root.display().to_string()
    }

    pub(super) fn find(&self, key: &str) -> Result<Option<Bytes>> {
        match fs::read(self.path(key)) {
            Ok(bytes) => Ok(Some(Bytes::from(bytes))),
            Err(e) if is_absent(&e) => Ok(None),
            Err(e) => Err(self.unavailable("read", key, &e)),
        }
    }

    pub(super) fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(self.path(key))?;
            file.seek(SeekFrom::Start(range.start))?;
            let length = range.end.saturating_sub(range.start);
            let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
            file.read_exact(&mut bytes)?;
            Ok(bytes)
        };
        read().map(Bytes::from).map_err(|e| self.failed("read", key, &e))
    }

    pub(super) fn size(&self, key: &str) -> Result<u64> {
        let metadata = fs::metadata(self.path(key)).map_err(|e| self.failed("look up", key, &e))?;
        Ok(metadata.len())
    }

    pub(super) fn put_create(&self, key: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path(key);
        if path.exists() {
            self.settle(key)?;
            return Err(self.already_exists(key));
        }
        self.place_file(key, bytes, |partial| match fs::hard_link(partial, &path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            other => other.map(|()| true),
        })
        .and_then(|created| match created {
            true => Ok(()),
            false => Err(self.already_exists(key)),
        })
    }

    pub(super) fn put(&self, key: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path(key);
        self.place_file(key, bytes, |partial| fs::rename(partial, &path).map(|()| true)).map(|_| ())
    }

    pub(super) fn settle(&self, key: &str) -> Result<()> {
        let path = self.path(key);
        let dir = path.parent().unwrap_or(&self.root);
        self.make_dirs(dir).and_then(|()| sync_dir(dir)).map_err(|e| self.unavailable("settle", key, &e))
    }

    pub(super) fn list(&self, prefix: &str) -> Result<Vec<String>> {
        let mut keys = Vec::new();
        let mut pending = vec![prefix.to_owned()];
        while let Some(at) = pending.pop() {
            for (name, is_dir) in self.entries(&at)? {
                let key = join(&at, &name);
                match is_dir {
                    true => pending.push(key),
                    false => keys.push(key),
                }
            }
        }
        Ok(keys)
    }

    pub(super) fn children(&self, prefix: &str) -> Result<Vec<String>> {
        let entries = self.entries(prefix)?;
        Ok(entries.into_iter().map(|(name, _)| name).collect())
    }

    pub(super) fn delete(&self, key: &str) -> Result<()> {
        let path = self.path(key);
        match fs::remove_file(&path) {
            Ok(()) => self.settle(key),
            Err(e) if is_absent(&e) => Ok(()),
            Err(e) => Err(self.unavailable("delete", key, &e)),
        }
    }

    /// Names under a prefix and whether each is a directory. Names that cannot be keys are somebody else's files.
    fn entries(&self, prefix: &str) -> Result<Vec<(String, bool)>> {
        let failed = |e: &io::Error| self.unavailable("list", prefix, e);
        let listing = match fs::read_dir(self.root.join(prefix)) {
            Ok(listing) => listing,
            Err(e) if is_absent(&e) => return Ok(Vec::new()),
            Err(e) => return Err(failed(&e)),
        };
        let mut entries = Vec::new();
        for entry in listing {
            let entry = entry.map_err(|e| failed(&e))?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if super::key::check(&name).is_err() {
                continue;
            }
            let kind = entry.file_type().map_err(|e| failed(&e))?;
            entries.push((name, kind.is_dir()));
        }
        Ok(entries)
    }

    /// Writes the bytes aside, flushes them, lets `place` give them their name, and flushes the name.
    fn place_file(&self, key: &str, bytes: &[u8], place: impl Fn(&Path) -> io::Result<bool>) -> Result<bool> {
        let path = self.path(key);
        let dir = path.parent().unwrap_or(&self.root);
        let partial = self.partial_path();
        let run = || -> io::Result<bool> {
            self.make_dirs(dir)?;
            let mut file = File::create_new(&partial)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            let placed = place(&partial)?;
            // A loser flushes too: it will act on the winner's bytes, whose name may not be on disk yet.
            sync_dir(dir)?;
            Ok(placed)
        };
        let outcome = run();
        // After a rename there is nothing left to remove; a leftover costs only space.
        let _ = fs::remove_file(&partial);
        outcome.map_err(|e| self.unavailable("write", key, &e))
    }

    /// Creates a directory and flushes every name between it and the root, once per process.
    fn make_dirs(&self, dir: &Path) -> io::Result<()> {
        let mut durable = self.durable_dirs.lock().unwrap_or_else(PoisonError::into_inner);
        if dir == self.root || (durable.contains(dir) && dir.exists()) {
            return Ok(());
        }
        fs::create_dir_all(dir)?;
        let mut at = dir;
        while at != self.root {
            let Some(parent) = at.parent() else { break };
            sync_dir(parent)?;
            durable.insert(at.to_owned());
            at = parent;
        }
        Ok(())
    }

    /// A name nobody else uses. It must be new: a leftover of a crash may be a second name of a finished object, and
    /// process ids repeat between containers that share the directory.
    fn partial_path(&self) -> PathBuf {
        let number = self.partials.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number}", self.writer);
        self.root.join(PARTIAL_DIR).join(name)
    }

    /// Removes what crashed writers left, once it is too old to belong to a write in progress.
    fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.root.join(PARTIAL_DIR))? {
            let entry = entry?;
            let age = entry.metadata()?.modified()?.elapsed().unwrap_or_default();
            if age.as_secs() > PARTIAL_AGE_MAX_S {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn path(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }

    fn already_exists(&self, key: &str) -> Error {
        Error::AlreadyExists { key: key.to_owned(), place: self.place() }
    }

    fn failed(&self, action: &'static str, key: &str, e: &io::Error) -> Error {
        match is_absent(e) {
            true => Error::NotFound { key: key.to_owned(), place: self.place() },
            false => self.unavailable(action, key, e),
        }
    }

    fn unavailable(&self, action: &'static str, key: &str, e: &io::Error) -> Error {
        let (key, place, detail) = (key.to_owned(), self.place(), e.to_string());
        match e.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Error::Full { action, key, place, detail }
            }
            _ => Error::Unavailable { action, key, place, detail },
        }
    }
}

/// A key below a file, like a key that is a directory, names nothing.
fn is_absent(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory)
}

/// Random in the process and in the handle: the standard library seeds each hasher state anew from the system.
fn unique_name() -> String {
    let random = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", random(), random())
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn join(prefix: &str, name: &str) -> String {
    match prefix {
        "" => name.to_owned(),
        _ => format!("{prefix}/{name}"),
    }
}
