//! Values with the most frequent one on top, each findable: a heap with four children per place.
//!
//! Only the top has to be right. So a value that becomes less frequent stays where it is, with the frequency it had, and is
//! looked at again when it comes to the top: most never do. What stands in the heap is at least as high as what is true, so a
//! top that is true is above all others. Each loss is made good at most once, so the cost of many rows is that of a heap that
//! is always right, or less.
//!
//! What is compared stands in the heap itself, so that the children of a place are one line of memory.

const CHILDREN: usize = 4;
/// The place of a slot that is not there.
const NOWHERE: u32 = u32::MAX;
/// What a value takes.
pub(super) const VALUE_BYTES: usize = size_of::<Item>() + size_of::<u32>();

/// A value, by its slot. One that is gone stays until it comes to the top, its slot is given to another value, or too many
/// are gone.
#[derive(Debug, Clone, Copy)]
struct Item {
    /// Its place among all values, see [`rank`].
    rank: i64,
    /// How often it is there at most.
    count: u32,
    slot: u32,
}

impl Item {
    /// Whether it is more frequent than another one, or as frequent and less. Without a branch, as none would be foreseen.
    fn wins(&self, other: &Item) -> bool {
        (self.count > other.count) | (self.count == other.count) & (self.rank < other.rank)
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

    /// Places in use, those of values included that are gone.
    #[inline]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// A value that came, or has become more frequent.
    pub fn raise(&mut self, slot: u32, value: f64, count: u32) {
        if self.places.len() <= slot as usize {
            self.places.resize(slot as usize + 1, NOWHERE);
        }
        let item = Item { rank: rank(value), count, slot };
        let at = self.places[slot as usize] as usize;
        match self.order.get(at).copied() {
            None => self.push(item),
            Some(old) if item.wins(&old) => self.rise(at, item),
            // Another value had the slot; one that merely is less frequent than it was needs nothing.
            Some(old) if item.rank != old.rank => self.sink(at, item),
            Some(_) => {}
        }
    }

    /// A value that has become less frequent, or is gone; `count_of` tells how often the value of a slot is there now.
    pub fn lower(&mut self, slot: u32, count_of: impl Fn(u32) -> u32) {
        if self.order.first().is_none_or(|top| top.slot != slot) {
            return;
        }
        while let Some(top) = self.order.first().copied() {
            match count_of(top.slot) {
                count if count == top.count => return,
                0 => {
                    self.places[top.slot as usize] = NOWHERE;
                    if let Some(last) = self.order.pop().filter(|last| last.slot != top.slot) {
                        self.sink(0, last);
                    }
                }
                count => self.sink(0, Item { count, ..top }),
            }
        }
    }

    /// Takes all out that are gone.
    #[cold]
    pub fn weed(&mut self, count_of: impl Fn(u32) -> u32) {
        let mut items = std::mem::take(&mut self.order);
        items.iter().for_each(|item| self.places[item.slot as usize] = NOWHERE);
        items.retain_mut(|item| {
            item.count = count_of(item.slot);
            item.count > 0
        });
        self.order.reserve(2 * items.len());
        items.into_iter().for_each(|item| self.push(item));
    }

    fn push(&mut self, item: Item) {
        self.order.push(item);
        self.rise(self.order.len() - 1, item);
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
            let first = at * CHILDREN + 1;
            let children = first + 1..(first + CHILDREN).min(self.order.len());
            let Some(mut best) = self.order.get(first) else { break };
            let mut place = first;
            for child in children {
                let next = &self.order[child];
                (best, place) = if next.wins(best) { (next, child) } else { (best, place) };
            }
            if !best.wins(&item) {
                break;
            }
            self.put(at, *best);
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
