//! What merging and restoring take of memory.

use super::{owner, take};
use crate::snapshot::run::FILE_BYTES;
use crate::snapshot::{Vault, Writer};
use flow::snapshot::{Changes, Entry, Error, Notes, State};
use flow::state::Pointer;
use registry::store::Store;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// Bytes that this thread has taken and not given back, and the most of it so far.
    static HELD: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

/// Counts what each thread takes.
struct Counting;

fn count(bytes: isize) {
    let (held, most) = HELD.get();
    HELD.set((held + bytes, most.max(held + bytes)));
}

// SAFETY: everything is passed on to the system's allocator as it came; counting touches no memory of its own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promises are those that the system asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the pointer came from the system's allocator above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Most bytes that this thread held beyond what it had before.
fn most<R>(work: impl FnOnce() -> R) -> (isize, R) {
    let before = HELD.get().0;
    HELD.set((before, before));
    let result = work();
    (HELD.get().1 - before, result)
}

/// A state that is too large for memory: it counts its entries, and knows what changed.
#[derive(Default)]
struct Large {
    notes: Notes,
    loaded: u64,
}

impl State for Large {
    fn layout(&self) -> String {
        "large".to_owned()
    }

    fn track(&mut self) {}

    fn noted_bytes(&self) -> usize {
        self.notes.bytes()
    }

    fn cut(&mut self) -> String {
        self.notes.cut();
        "7".to_owned()
    }

    fn collect(&mut self, _: usize) -> Option<Changes> {
        Some(self.notes.take())
    }

    fn load(&mut self, _: &Entry<'_>) -> Result<(), Error> {
        self.loaded += 1;
        Ok(())
    }

    fn resume(&mut self, blob: &str) -> Result<i64, Error> {
        blob.parse().map_err(|_| Error::Blob(blob.to_owned()))
    }

    fn hash(&self) -> u128 {
        0
    }
}

#[test]
fn merging_and_restoring_hold_a_file_of_each_run_however_many_entries_there_are() {
    const ENTRIES: u64 = 24_000;
    const PER_CUT: u64 = 1_000;
    const VALUE: [u8; 200] = [7; 200];
    let dir = tempfile::tempdir().unwrap();
    let vault = Vault::new(Store::local(dir.path()).unwrap());
    let writer = Writer::in_turn(vault.clone());
    let mut large = Large::default();
    let (writing, pointer) = most(|| {
        let mut last: Option<Pointer> = None;
        for cut in 0..ENTRIES / PER_CUT {
            for number in cut * PER_CUT..(cut + 1) * PER_CUT {
                // Spread, so that every run has keys of everywhere.
                let key = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
                large.notes.note(&Entry { part: 1, key: &key, value: Some(&VALUE) }, 0);
            }
            last = Some(take(&writer, &mut large, cut as i64));
        }
        last.unwrap()
    });
    let loaded = vault.load(&owner(), &(&pointer).into()).unwrap();
    let (bytes, runs) = (loaded.manifest.bytes() as isize, loaded.manifest.runs().len() as isize);
    assert!(loaded.manifest.files.len() > 100 && runs < 16, "{} files", loaded.manifest.files.len());
    let (restoring, large) = most(|| {
        let mut large = Large::default();
        assert_eq!(loaded.restore(&mut large).unwrap(), 7);
        large
    });
    assert_eq!(large.loaded, ENTRIES);
    // A file is there once as it was read, and once more while its digest is taken or its place is changed.
    let file = FILE_BYTES as isize;
    assert!(restoring < (2 * runs + 2) * file && restoring < bytes / 3, "{restoring} of {bytes} bytes, {runs} runs");
    assert!(writing < bytes / 2, "{writing} of {bytes} bytes to write and merge");
}
