//! How often each value is in each window: distinct counts and most frequent values, exact.
//!
//! All events of the windows are kept anyway, so what sketches for distinct counts save is not there to be saved: a value
//! takes some twenty bytes here once, beside sixteen or more for each of its events. In return the count is that of the
//! values, values leave it with the window, and nothing has to be saved: it follows from the events.
//!
//! -0 and 0 are one value, and so are all NaN.

use hashbrown::HashTable;

use super::heap::{Heap, VALUE_BYTES};

/// Slabs with fewer places are never made smaller.
const PLACES_KEPT: usize = 64;
/// A slab of which less than this part is taken is made smaller.
const TAKEN_MIN: usize = 8;
/// A heap has at most so many places per value that is there, and [`PLACES_KEPT`] more.
const PLACES_MAX: usize = 4;

/// A column whose values are counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tallied {
    /// Word of the entry with its value.
    pub word: usize,
    /// Number of windows.
    pub windows: usize,
    /// Whether the most frequent one is wanted.
    pub mode: bool,
}

impl Tallied {
    /// What an entry may take at most.
    pub fn bytes(self) -> usize {
        let slot = size_of::<Slot>() + 2 * size_of::<u32>() + 1;
        let frequency = if self.mode { VALUE_BYTES } else { 0 };
        slot + self.windows * (frequency + size_of::<u32>())
    }
}

/// A value and how many windows' events have it, all windows together.
#[derive(Debug, Clone, Copy)]
struct Slot {
    word: u64,
    total: u32,
}

/// The values of one column of a key.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Numbers of slots by value.
    table: HashTable<u32>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// By slot and window.
    counts: Vec<u32>,
    /// Values in each window.
    distinct: Box<[u32]>,
    /// Values by frequency in each window, if the most frequent one is wanted.
    heaps: Box<[Heap]>,
}

impl Tally {
    /// Counts a value in all windows.
    pub fn add_all(&mut self, of: Tallied, value: f64) {
        let slot = self.slot(of, value);
        (0..of.windows).for_each(|window| self.raise(of, slot, window));
    }

    /// Counts a value in one window.
    pub fn add(&mut self, of: Tallied, value: f64, window: usize) {
        let slot = self.slot(of, value);
        self.raise(of, slot, window);
    }

    /// Takes a value out of a window that was counted there.
    pub fn remove(&mut self, of: Tallied, value: f64, window: usize) {
        let word = word(value);
        let is = |slot: &u32| self.slots[*slot as usize].word == word;
        let Some(slot) = self.table.find(mix(word), is).copied() else { return };
        let count = &mut self.counts[slot as usize * of.windows + window];
        *count -= 1;
        self.distinct[window] -= u32::from(*count == 0);
        if let Some(heap) = self.heaps.get_mut(window) {
            heap.lower(slot, |slot| self.counts[slot as usize * of.windows + window]);
        }
        let total = &mut self.slots[slot as usize].total;
        *total -= 1;
        if *total == 0 {
            self.forget(of, slot);
        }
    }

    /// How many values a window has.
    #[inline]
    pub fn distinct(&self, window: usize) -> u32 {
        self.distinct.get(window).copied().unwrap_or(0)
    }

    /// The most frequent value of a window; of several the least.
    #[inline]
    pub fn mode(&self, window: usize) -> Option<f64> {
        self.heaps.get(window)?.top()
    }

    /// Memory beside itself.
    pub fn bytes(&self) -> usize {
        let words = self.free.capacity() + self.counts.capacity() + self.distinct.len();
        self.table.allocation_size()
            + self.slots.capacity() * size_of::<Slot>()
            + words * size_of::<u32>()
            + self.heaps.iter().map(|heap| size_of::<Heap>() + heap.bytes()).sum::<usize>()
    }

    /// The slot of a value, which is given one if it has none.
    fn slot(&mut self, of: Tallied, value: f64) -> u32 {
        let word = word(value);
        let hash = mix(word);
        if let Some(slot) = self.table.find(hash, |slot| self.slots[*slot as usize].word == word) {
            return *slot;
        }
        if self.distinct.is_empty() {
            self.distinct = vec![0; of.windows].into();
            self.heaps = (0..if of.mode { of.windows } else { 0 }).map(|_| Heap::default()).collect();
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { word, total: 0 });
            self.counts.resize(self.slots.len() * of.windows, 0);
            (self.slots.len() - 1) as u32
        });
        self.slots[slot as usize].word = word;
        let slots = &self.slots;
        self.table.insert_unique(hash, slot, |slot| mix(slots[*slot as usize].word));
        slot
    }

    fn raise(&mut self, of: Tallied, slot: u32, window: usize) {
        let count = &mut self.counts[slot as usize * of.windows + window];
        *count += 1;
        self.distinct[window] += u32::from(*count == 1);
        let of_slot = &mut self.slots[slot as usize];
        of_slot.total += 1;
        if let Some(heap) = self.heaps.get_mut(window) {
            heap.raise(slot, f64::from_bits(of_slot.word), *count);
            if heap.len() > PLACES_MAX * self.distinct[window] as usize + PLACES_KEPT {
                heap.weed(|slot| self.counts[slot as usize * of.windows + window]);
            }
        }
    }

    /// Gives a slot back whose value is in no window.
    fn forget(&mut self, of: Tallied, slot: u32) {
        let hash = mix(self.slots[slot as usize].word);
        if let Ok(entry) = self.table.find_entry(hash, |other| *other == slot) {
            entry.remove();
        }
        self.free.push(slot);
        if self.slots.len() > PLACES_KEPT && self.table.len() < self.slots.len() / TAKEN_MIN {
            self.compact(of);
        }
    }

    /// Numbers the slots anew, so that there is none to spare.
    #[cold]
    fn compact(&mut self, of: Tallied) {
        let mut smaller = Tally { distinct: std::mem::take(&mut self.distinct), ..Tally::default() };
        smaller.heaps = (0..self.heaps.len()).map(|_| Heap::default()).collect();
        for old in self.table.iter().map(|slot| *slot as usize) {
            let slot = smaller.slots.len() as u32;
            smaller.slots.push(self.slots[old]);
            smaller.counts.extend_from_slice(&self.counts[old * of.windows..(old + 1) * of.windows]);
            let slots = &smaller.slots;
            let hash = mix(slots[slot as usize].word);
            smaller.table.insert_unique(hash, slot, |slot| mix(slots[*slot as usize].word));
            for (window, heap) in smaller.heaps.iter_mut().enumerate() {
                let count = smaller.counts[slot as usize * of.windows + window];
                if count > 0 {
                    heap.raise(slot, f64::from_bits(slots[slot as usize].word), count);
                }
            }
        }
        *self = smaller;
    }
}

/// What stands for a value: its bits, but for the sign of zero.
pub(super) fn word(value: f64) -> u64 {
    if value == 0.0 { 0 } else { value.to_bits() }
}

/// Spreads a word over all bits of a hash.
fn mix(word: u64) -> u64 {
    let product = (word ^ word >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (product ^ product >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

#[cfg(test)]
mod tests;
