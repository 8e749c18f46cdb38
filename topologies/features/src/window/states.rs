//! The states of all keys: heads, cursors, sums and squares in parallel slabs, a key's part found by its number.

use super::Key;
use super::keys::{Head, Keys, Slot, grow};
use super::plan::{Plan, SERIES};
use super::series::View;
use super::sketch::Sketch;
use super::sum::{Square, Sum};
use super::tally::Tally;
use super::wide::Wides;

/// Slabs of one engine.
#[derive(Debug, Default)]
pub(super) struct States {
    pub keys: Keys,
    pub cursors: Vec<u32>,
    pub sums: Vec<Sum>,
    pub squares: Vec<Square>,
    pub wides: Wides,
    pub tallies: Vec<Tally>,
    pub sketches: Vec<Sketch>,
    /// What the tallies and sketches of each key took when they were counted last; nothing where the plan has none.
    counted_bytes: Vec<usize>,
    /// What keys take beside their part of the slabs.
    held_bytes: usize,
}

impl States {
    /// A series of a key. Only for series that the plan keeps.
    #[inline]
    pub fn view<'a>(&'a mut self, plan: &'a Plan, id: u32, series: usize) -> View<'a> {
        let (id, layout) = (id as usize, &plan.series[series]);
        let cursors = id * plan.cursors + layout.cursors_at;
        let sums = id * plan.sums + layout.sums_at;
        let squares = id * plan.squares + layout.squares_at;
        let tallies = id * plan.tallies + layout.tallies_at;
        let sketches = id * plan.sketches + layout.sketches_at;
        View {
            plan,
            series: layout,
            ring: &mut self.keys.heads[id].rings[series],
            cursors: &mut self.cursors[cursors..cursors + layout.cursors],
            sums: &mut self.sums[sums..sums + layout.sums],
            squares: &mut self.squares[squares..squares + layout.squares],
            wides: &mut self.wides,
            tallies: &mut self.tallies[tallies..tallies + layout.tallied.len()],
            sketches: &mut self.sketches[sketches..sketches + layout.sketched.len()],
        }
    }

    /// Numbers a key that is not there.
    #[cold]
    pub fn add(&mut self, plan: &Plan, key: Key<'_>) -> u32 {
        let id = self.keys.add(key);
        let keys = self.keys.heads.len();
        grow(&mut self.cursors, plan.cursors);
        grow(&mut self.sums, plan.sums);
        grow(&mut self.squares, plan.squares);
        self.cursors.resize(keys * plan.cursors, 0);
        self.sums.resize(keys * plan.sums, Sum::default());
        self.squares.resize(keys * plan.squares, Square::default());
        grow(&mut self.tallies, plan.tallies);
        grow(&mut self.sketches, plan.sketches);
        self.tallies.resize_with(keys * plan.tallies, Tally::default);
        self.sketches.resize_with(keys * plan.sketches, Sketch::default);
        if plan.tallies + plan.sketches > 0 {
            grow(&mut self.counted_bytes, 1);
            self.counted_bytes.resize(keys, 0);
        }
        self.held_bytes += self.keys.heads[id as usize].text_bytes();
        for series in (0..SERIES).filter(|series| plan.keeps(*series)) {
            self.view(plan, id, series).reset_cursors();
        }
        id
    }

    /// Empties a key's state.
    pub fn clear(&mut self, plan: &Plan, id: u32) {
        for series in (0..SERIES).filter(|series| plan.keeps(*series)) {
            self.view(plan, id, series).clear();
        }
        self.keys.heads[id as usize].now_us = i64::MIN;
    }

    /// Forgets a key.
    pub fn remove(&mut self, plan: &Plan, id: u32) {
        let rings_before = self.ring_bytes(id);
        self.clear(plan, id);
        self.recount(plan, id, rings_before);
        self.held_bytes -= self.keys.heads[id as usize].text_bytes();
        self.keys.remove(id);
    }

    /// Bytes of a key's rings.
    #[inline]
    pub fn ring_bytes(&self, id: u32) -> usize {
        self.keys.heads[id as usize].ring_bytes()
    }

    /// Counts what a key holds now beside its part of the slabs and its text, and not what it held before a change.
    /// Tallies and sketches are looked through once: what they took is kept.
    #[inline]
    pub fn recount(&mut self, plan: &Plan, id: u32, rings_before: usize) {
        self.held_bytes = self.held_bytes + self.ring_bytes(id) - rings_before;
        let id = id as usize;
        if let Some(counted) = self.counted_bytes.get_mut(id) {
            let tallies = &self.tallies[id * plan.tallies..(id + 1) * plan.tallies];
            let sketches = &self.sketches[id * plan.sketches..(id + 1) * plan.sketches];
            let now =
                tallies.iter().map(Tally::bytes).sum::<usize>() + sketches.iter().map(Sketch::bytes).sum::<usize>();
            self.held_bytes = self.held_bytes + now - std::mem::replace(counted, now);
        }
    }

    /// Memory of the keys that are there, without free places in the slabs.
    #[inline]
    pub fn used_bytes(&self, plan: &Plan) -> usize {
        let key = size_of::<Head>()
            + plan.cursors * size_of::<u32>()
            + plan.sums * size_of::<Sum>()
            + plan.squares * size_of::<Square>()
            + plan.tallies * size_of::<Tally>()
            + plan.sketches * size_of::<Sketch>()
            + if plan.tallies + plan.sketches > 0 { size_of::<usize>() } else { 0 }
            + 2 * size_of::<Slot>();
        self.keys.len() * key + self.held_bytes + self.wides.used_bytes()
    }

    /// Memory of everything, rings included.
    pub fn bytes(&self) -> usize {
        let rings = self.keys.heads.iter().flat_map(|head| &head.rings);
        self.keys.bytes()
            + rings.map(|ring| ring.capacity_words() * size_of::<u64>()).sum::<usize>()
            + self.cursors.capacity() * size_of::<u32>()
            + self.sums.capacity() * size_of::<Sum>()
            + self.squares.capacity() * size_of::<Square>()
            + self.tallies.capacity() * size_of::<Tally>()
            + self.sketches.capacity() * size_of::<Sketch>()
            + self.counted_bytes.capacity() * size_of::<usize>()
            + self.tallies.iter().map(Tally::bytes).sum::<usize>()
            + self.sketches.iter().map(Sketch::bytes).sum::<usize>()
            + self.wides.bytes()
    }
}
