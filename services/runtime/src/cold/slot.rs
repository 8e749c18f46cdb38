//! A folder that one process has, under a lock that the kernel drops with it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// What locks are called behind the folder's number.
const LOCK: &str = "lock";

/// A folder of this process alone; removed with what is in it when this is dropped.
pub(super) struct Slot {
    folder: PathBuf,
    _lock: File,
}

impl Slot {
    /// Takes the first one that nobody has, empty.
    pub fn take(within: &Path) -> io::Result<Slot> {
        fs::create_dir_all(within)?;
        let mut number = 0_u32;
        loop {
            if let Some(slot) = Slot::lock(within, number)? {
                slot.clear()?;
                return Ok(slot);
            }
            number += 1;
        }
    }

    /// Takes one if nobody has it.
    fn lock(within: &Path, number: u32) -> io::Result<Option<Slot>> {
        let path = within.join(format!("{number}.{LOCK}"));
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Slot { folder: within.join(number.to_string()), _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn clear(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let _ = self.clear();
    }
}

/// Removes what processes left that are gone. What cannot be removed stays, and whoever takes it says why.
pub(super) fn clean(within: &Path) {
    let Ok(entries) = fs::read_dir(within) else { return };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let numbers = names.filter_map(|name| name.strip_suffix(LOCK)?.strip_suffix('.')?.parse().ok());
    for number in numbers.collect::<Vec<u32>>() {
        drop(Slot::lock(within, number));
    }
}
