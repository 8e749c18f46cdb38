//! Keys and their dense numbers.
//!
//! A key is found by its hash and confirmed by its text, so keys whose hashes collide stay apart. Numbers are places in
//! slabs of states and are used again after a key has expired; nothing observable depends on them.

use hashbrown::HashTable;

use super::Key;
use super::plan::SERIES;
use super::ring::Ring;

/// Longest text that is stored in place.
const SHORT_BYTES_MAX: usize = 22;

/// Uses of a key that is needed again and again, and not only for the row with which it came.
const AGAIN: u8 = 2;
/// A full slab grows by this part of its length.
const GROWTH: usize = 8;

/// A key's text.
#[derive(Debug, Clone)]
enum Text {
    Short(u8, [u8; SHORT_BYTES_MAX]),
    Long(Box<str>),
}

impl Text {
    fn new(text: &str) -> Text {
        let mut bytes = [0; SHORT_BYTES_MAX];
        match bytes.get_mut(..text.len()) {
            Some(place) => {
                place.copy_from_slice(text.as_bytes());
                Text::Short(text.len() as u8, bytes)
            }
            None => Text::Long(text.into()),
        }
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Text::Short(length, bytes) => &bytes[..usize::from(*length)],
            Text::Long(text) => text.as_bytes(),
        }
    }
}

/// What every row of a key touches first.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub hash: u64,
    /// The greatest time among its rows; `i64::MIN` before the first.
    pub now_us: i64,
    /// Its events and its labels.
    pub rings: [Ring; SERIES],
    text: Text,
    /// Number of the cut before which it was changed last, see `track`; 0 when that is saved.
    pub changed: u32,
    live: bool,
    /// How often rows needed it since it came or was last looked at, up to [`AGAIN`].
    uses: u8,
    /// Whether an older state of it lies on disk.
    pub stored: bool,
}

impl Head {
    #[inline]
    pub fn is(&self, key: Key<'_>) -> bool {
        self.live && self.hash == key.hash && self.text.bytes() == key.text.as_bytes()
    }

    /// Counts a row that needs it.
    #[inline]
    pub fn count_use(&mut self) {
        self.uses = (self.uses + 1).min(AGAIN);
    }

    /// Whether it may be put away; one that was needed again gets another chance.
    pub fn is_idle(&mut self) -> bool {
        let is_idle = self.uses < AGAIN;
        self.uses = self.uses.min(AGAIN - 1);
        is_idle
    }

    pub fn live(&self) -> bool {
        self.live
    }

    pub fn group(&self) -> usize {
        group_of(self.hash)
    }

    pub fn text(&self) -> &[u8] {
        self.text.bytes()
    }

    /// Bytes of its text that are not in the head.
    pub fn text_bytes(&self) -> usize {
        match &self.text {
            Text::Short(..) => 0,
            Text::Long(text) => text.len(),
        }
    }

    /// Bytes of its rings.
    #[inline]
    pub fn ring_bytes(&self) -> usize {
        self.rings.iter().map(|ring| ring.capacity_words() * size_of::<u64>()).sum()
    }
}

/// The key group of a hash.
#[inline]
pub(super) fn group_of(hash: u64) -> usize {
    (hash >> 56) as usize
}

/// Makes room in a slab, an eighth at a time: what is doubled may be half empty.
pub(super) fn grow<T>(slab: &mut Vec<T>, more: usize) {
    if slab.capacity() - slab.len() < more {
        slab.reserve_exact(more.max(slab.len() / GROWTH));
    }
}

/// All keys.
#[derive(Debug, Default)]
pub(super) struct Keys {
    pub heads: Vec<Head>,
    table: HashTable<Slot>,
    free: Vec<u32>,
}

/// The hash stands beside the number, so that looking ahead and growing the table need no head.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    hash: u64,
    id: u32,
}

impl Keys {
    /// The number of a key that is there.
    #[inline]
    pub fn find(&self, key: Key<'_>) -> Option<u32> {
        let is = |slot: &Slot| slot.hash == key.hash && self.heads[slot.id as usize].is(key);
        self.table.find(key.hash, is).map(|slot| slot.id)
    }

    /// The number of a key with this hash of which something holds.
    pub fn find_by(&self, hash: u64, holds: impl Fn(&Head) -> bool) -> Option<u32> {
        let is = |slot: &Slot| slot.hash == hash && holds(&self.heads[slot.id as usize]);
        self.table.find(hash, is).map(|slot| slot.id)
    }

    /// The number of a key with this hash, most likely the one that is meant.
    #[inline]
    pub fn guess(&self, hash: u64) -> Option<u32> {
        self.table.find(hash, |slot| slot.hash == hash).map(|slot| slot.id)
    }

    /// Numbers a key that is not there. Its state is empty; whoever calls resets what lies beside the head.
    pub fn add(&mut self, key: Key<'_>) -> u32 {
        let (hash, text, rings) = (key.hash, Text::new(key.text), Default::default());
        let (changed, live, uses, stored) = (0, true, 0, false);
        let head = Head { hash, now_us: i64::MIN, rings, text, changed, live, uses, stored };
        let id = match self.free.pop() {
            Some(id) => {
                self.heads[id as usize] = head;
                id
            }
            None => {
                grow(&mut self.heads, 1);
                self.heads.push(head);
                (self.heads.len() - 1) as u32
            }
        };
        self.table.insert_unique(key.hash, Slot { hash: key.hash, id }, |slot| slot.hash);
        id
    }

    /// Forgets a key. Its rings must be empty already.
    pub fn remove(&mut self, id: u32) {
        let head = &mut self.heads[id as usize];
        if let Ok(entry) = self.table.find_entry(head.hash, |slot| slot.id == id) {
            entry.remove();
        }
        head.live = false;
        head.text = Text::new("");
        self.free.push(id);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Memory of heads and table, without what rings and long texts allocated.
    pub fn bytes(&self) -> usize {
        self.heads.capacity() * size_of::<Head>()
            + self.table.allocation_size()
            + self.free.capacity() * size_of::<u32>()
    }
}
