//! Which keys have changed since the last cut, for snapshots that cost what changed.
//!
//! A head carries the number of the cut before which it was changed last. A cut takes nothing but the list of these
//! keys; they are written afterwards, a few at a time, and whoever is about to change one that is not yet written writes
//! it first. So all are written as they were at the cut.

use flow::snapshot::{Changes, Entry, Notes, entry_hash};

use super::limit::Share;
use super::restore::Error;
use super::snapshot::{layout, read_name};
use super::{Engine, Key};

/// Number of the engine's part among the entries of a task.
pub const PART: u8 = 1;
/// What a changed key is counted for before it is written.
const CHANGED_BYTES: usize = 128;

/// What is changed, what is being written, and what is saved.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    notes: Notes,
    /// Number of the cut to come; none has the number 0.
    epoch: u32,
    /// Changed since the last cut. A number may stand here twice, and may belong to another key by now.
    changed: Vec<u32>,
    /// How many of them are still to be written.
    unwritten: usize,
    /// Changed before the last cut and not yet written.
    pending: Vec<u32>,
    /// Hashes of the saved entries by number of the key; 0 where nothing is saved.
    saved: Vec<u64>,
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Tracker {
    pub fn saved(&mut self, id: u32) -> &mut u64 {
        let at = id as usize;
        if self.saved.len() <= at {
            self.saved.resize(at + 1, 0);
        }
        &mut self.saved[at]
    }

    /// Notes that a key went whose saved entry had this hash.
    pub fn note_gone(&mut self, name: &[u8], before: u64) {
        if self.notes.on() {
            self.notes.note(&Entry { part: PART, key: name, value: None }, before);
        }
    }
}

impl Engine {
    /// Identifies windows, columns and retention, as hexadecimal digits.
    pub fn layout(&self) -> String {
        layout(&self.plan).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// From now on takes note of what changes.
    pub fn track(&mut self) {
        self.tracker.notes.track();
        self.tracker.epoch = self.tracker.epoch.max(1);
    }

    /// About how many bytes of changes wait for the next cut.
    pub fn noted_bytes(&self) -> usize {
        self.tracker.notes.bytes() + self.tracker.unwritten * CHANGED_BYTES
    }

    /// Cuts: what changed up to now belongs together.
    pub fn cut(&mut self) {
        let tracker = &mut self.tracker;
        tracker.notes.cut();
        tracker.pending = std::mem::take(&mut tracker.changed);
        tracker.unwritten = 0;
        tracker.epoch += 1;
    }

    /// Writes up to so many keys as they were at the cut; gives all changes once there is none left.
    pub fn collect(&mut self, keys_max: usize) -> Option<Changes> {
        for _ in 0..keys_max {
            let Some(id) = self.tracker.pending.pop() else { return Some(self.tracker.notes.take()) };
            if self.is_pending(id) {
                self.write_cut(id);
            }
        }
        None
    }

    /// To be called before the state of a key is changed.
    #[inline]
    pub(super) fn touch(&mut self, id: u32) {
        if self.states.keys.heads[id as usize].changed != self.tracker.epoch {
            self.note_change(id);
        }
    }

    #[cold]
    fn note_change(&mut self, id: u32) {
        if self.is_pending(id) {
            self.write_cut(id);
        }
        self.states.keys.heads[id as usize].changed = self.tracker.epoch;
        self.tracker.changed.push(id);
        self.tracker.unwritten += 1;
    }

    /// Before a key goes to disk: gives snapshots what they do not have of it.
    pub(super) fn note_frozen(&mut self, id: u32, name: &[u8], value: &[u8]) {
        let (is_pending, changed) = (self.is_pending(id), self.states.keys.heads[id as usize].changed);
        let tracker = &mut self.tracker;
        let before = std::mem::take(tracker.saved(id));
        let entry = Entry { part: PART, key: name, value: Some(value) };
        if is_pending {
            tracker.notes.note_cut(&entry, before);
        } else if changed != 0 {
            tracker.unwritten = tracker.unwritten.saturating_sub(1);
            tracker.notes.note(&entry, before);
        }
    }

    /// Forgets a key, and says so if it is saved.
    pub(super) fn forget(&mut self, id: u32) {
        if self.tracker.notes.on() {
            self.touch(id);
            let before = std::mem::take(self.tracker.saved(id));
            if before != 0 {
                let mut name = std::mem::take(&mut self.tracker.name);
                name.clear();
                self.states.keys.heads[id as usize].write_name(&mut name);
                self.tracker.note_gone(&name, before);
                self.tracker.name = name;
            }
        }
        let share = self.share(id);
        self.quota.iter_mut().for_each(|quota| quota.subtract(share));
        self.forget_stored(id);
        self.states.remove(&self.plan, id);
    }

    /// Whether a key was changed before the last cut and is not yet written.
    fn is_pending(&self, id: u32) -> bool {
        let head = &self.states.keys.heads[id as usize];
        head.live() && head.changed != 0 && head.changed + 1 == self.tracker.epoch
    }

    fn write_cut(&mut self, id: u32) {
        let (mut name, mut value) = (std::mem::take(&mut self.tracker.name), std::mem::take(&mut self.tracker.value));
        self.write_entry(id, &mut name, &mut value);
        let before = *self.tracker.saved(id);
        let entry = Entry { part: PART, key: &name, value: Some(&value) };
        *self.tracker.saved(id) = self.tracker.notes.note_cut(&entry, before);
        self.states.keys.heads[id as usize].changed = 0;
        (self.tracker.name, self.tracker.value) = (name, value);
    }

    pub(super) fn write_entry(&self, id: u32, name: &mut Vec<u8>, value: &mut Vec<u8>) {
        let head = &self.states.keys.heads[id as usize];
        name.clear();
        value.clear();
        head.write_name(name);
        self.write_value(head, value);
    }

    /// Takes in the saved entry of a key that is not there.
    ///
    /// # Errors
    ///
    /// Bytes that are cut off or damaged, a key that is there already.
    pub fn load(&mut self, name: &[u8], value: &[u8]) -> Result<(), Error> {
        let (hash, text) = read_name(name)?;
        let key = Key { hash, text };
        if self.states.keys.find(key).is_some() {
            return Err(Error::Damaged { at: 0, what: "a key that is there already" });
        }
        let hash = entry_hash(PART, name, value);
        if self.is_full() {
            let share = Share::saved(&self.plan, name, value);
            self.quota.iter_mut().for_each(|quota| quota.add(share));
            self.put_away(name.to_vec(), value.to_vec());
        } else {
            let id = self.read_value(key, value)?;
            *self.tracker.saved(id) = hash;
            self.count_restored(id);
        }
        self.tracker.notes.loaded(hash);
        Ok(())
    }

    /// Greatest event times of the key groups that have one.
    pub fn clocks(&self) -> Vec<(u8, i64)> {
        let clocks = self.clocks_us.iter().enumerate().filter(|(_, clock_us)| **clock_us != i64::MIN);
        clocks.map(|(group, clock_us)| (group as u8, *clock_us)).collect()
    }

    /// Takes up saved clocks.
    pub fn set_clocks(&mut self, clocks: &[(u8, i64)]) {
        clocks.iter().for_each(|(group, clock_us)| self.clocks_us[usize::from(*group)] = *clock_us);
    }

    /// Sum of the hashes of all keys' entries.
    pub fn hash(&self) -> u128 {
        let mut sum = 0_u128;
        let walked = self.each_entry(&mut |name, value| {
            sum = sum.wrapping_add(u128::from(entry_hash(PART, name, value)));
        });
        // What cannot be read is missing in the sum, which then equals no other.
        debug_assert!(walked.is_ok(), "{walked:?}");
        sum
    }
}
