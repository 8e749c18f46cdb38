//! Slots with the best one on top, each findable: a heap with four children per place.

const CHILDREN: usize = 4;
/// The place of a slot that is not there.
const NOWHERE: u32 = u32::MAX;

/// A heap of slots. Who calls says which of two slots wins; the top depends on that alone, no two being equal.
#[derive(Debug, Default)]
pub(super) struct Heap {
    order: Vec<u32>,
    /// Where each slot is in the order.
    places: Vec<u32>,
}

impl Heap {
    /// The best slot.
    #[inline]
    pub fn top(&self) -> Option<u32> {
        self.order.first().copied()
    }

    pub fn bytes(&self) -> usize {
        (self.order.capacity() + self.places.capacity()) * size_of::<u32>()
    }

    /// A slot that came, or has become better.
    pub fn rise(&mut self, slot: u32, wins: impl Fn(u32, u32) -> bool) {
        if self.places.len() <= slot as usize {
            self.places.resize(slot as usize + 1, NOWHERE);
        }
        let mut at = self.places[slot as usize] as usize;
        if at == NOWHERE as usize {
            at = self.order.len();
            self.order.push(slot);
        }
        while at > 0 {
            let parent = (at - 1) / CHILDREN;
            if !wins(slot, self.order[parent]) {
                break;
            }
            self.put(at, self.order[parent]);
            at = parent;
        }
        self.put(at, slot);
    }

    /// A slot that has become worse.
    pub fn sink(&mut self, slot: u32, wins: impl Fn(u32, u32) -> bool) {
        let mut at = self.places[slot as usize] as usize;
        loop {
            let first = at * CHILDREN + 1;
            let children = first..(first + CHILDREN).min(self.order.len());
            let best = children.reduce(|best, next| if wins(self.order[next], self.order[best]) { next } else { best });
            match best {
                Some(best) if wins(self.order[best], slot) => {
                    self.put(at, self.order[best]);
                    at = best;
                }
                _ => break,
            }
        }
        self.put(at, slot);
    }

    /// Takes a slot out.
    pub fn remove(&mut self, slot: u32, wins: impl Fn(u32, u32) -> bool) {
        let at = self.places[slot as usize] as usize;
        self.places[slot as usize] = NOWHERE;
        self.order.swap_remove(at);
        if let Some(moved) = self.order.get(at).copied() {
            self.put(at, moved);
            self.rise(moved, &wins);
            self.sink(moved, &wins);
        }
    }

    fn put(&mut self, at: usize, slot: u32) {
        self.order[at] = slot;
        self.places[slot as usize] = at as u32;
    }
}
