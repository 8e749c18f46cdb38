//! Values with the most frequent one on top, each findable: a heap with four children per place.
//!
//! What is compared stands in the heap itself, so that the children of a place are one line of memory.

const CHILDREN: usize = 4;
/// The place of a slot that is not there.
const NOWHERE: u32 = u32::MAX;
/// What a value takes.
pub(super) const VALUE_BYTES: usize = size_of::<Item>() + size_of::<u32>();

/// A value, by its slot.
#[derive(Debug, Clone, Copy)]
struct Item {
    /// Its place among all values, see [`rank`].
    rank: i64,
    count: u32,
    slot: u32,
}

impl Item {
    /// Whether it is more frequent than another one, or as frequent and less.
    fn wins(&self, other: &Item) -> bool {
        self.count > other.count || self.count == other.count && self.rank < other.rank
    }
}

/// A heap of values. The top depends on values and counts alone, as no two values are equal.
#[derive(Debug, Default)]
pub(super) struct Heap {
    order: Vec<Item>,
    /// Where each slot is in the order.
    places: Vec<u32>,
}

impl Heap {
    /// The most frequent value, of several the least.
    #[inline]
    pub fn top(&self) -> Option<f64> {
        self.order.first().map(|item| value(item.rank))
    }

    pub fn bytes(&self) -> usize {
        self.order.capacity() * size_of::<Item>() + self.places.capacity() * size_of::<u32>()
    }

    /// A value that came, or has become more frequent.
    pub fn raise(&mut self, slot: u32, value: f64, count: u32) {
        if self.places.len() <= slot as usize {
            self.places.resize(slot as usize + 1, NOWHERE);
        }
        let item = Item { rank: rank(value), count, slot };
        let mut at = self.places[slot as usize] as usize;
        if at == NOWHERE as usize {
            at = self.order.len();
            self.order.push(item);
        }
        self.rise(at, item);
    }

    /// A value that has become less frequent, or is gone.
    pub fn lower(&mut self, slot: u32, count: u32) {
        let at = self.places[slot as usize] as usize;
        if count > 0 {
            return self.sink(at, Item { count, ..self.order[at] });
        }
        self.places[slot as usize] = NOWHERE;
        let gone = self.order.swap_remove(at);
        // The last one takes the place: it goes up or down from there, or stays.
        if let Some(moved) = self.order.get(at).copied() {
            if moved.wins(&gone) { self.rise(at, moved) } else { self.sink(at, moved) }
        }
    }

    fn rise(&mut self, mut at: usize, item: Item) {
        while at > 0 {
            let parent = (at - 1) / CHILDREN;
            if !item.wins(&self.order[parent]) {
                break;
            }
            self.put(at, self.order[parent]);
            at = parent;
        }
        self.put(at, item);
    }

    fn sink(&mut self, mut at: usize, item: Item) {
        loop {
            let first = (at * CHILDREN + 1).min(self.order.len());
            let children = &self.order[first..(first + CHILDREN).min(self.order.len())];
            let (mut best, mut place) = (item, at);
            for (child, next) in children.iter().enumerate() {
                if next.wins(&best) {
                    (best, place) = (*next, first + child);
                }
            }
            if place == at {
                break;
            }
            self.put(at, best);
            at = place;
        }
        self.put(at, item);
    }

    fn put(&mut self, at: usize, item: Item) {
        self.order[at] = item;
        self.places[item.slot as usize] = at as u32;
    }
}

/// A number that orders as values do in the total order of IEEE 754, in which NaN is the greatest here.
fn rank(value: f64) -> i64 {
    mirror(value.to_bits() as i64)
}

/// The value with this rank.
fn value(rank: i64) -> f64 {
    f64::from_bits(mirror(rank) as u64)
}

/// Turns the order of negative numbers round. Twice is nothing.
fn mirror(bits: i64) -> i64 {
    bits ^ ((bits >> 63) as u64 >> 1) as i64
}
