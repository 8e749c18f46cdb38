//! Minima, maxima and first values of all windows of a column, in amortised constant time.
//!
//! The values that can still become the maximum of some window are those with no greater or equal value after them: a
//! falling chain that ends at the newest. All windows of a group end at the same event, so they share one chain, and
//! each keeps only the place where its own part begins. The links of the chain live in the ring's entries: word `slot`
//! holds the next member's number in its lower half and the former member's in its upper half.
//!
//! NaN ranks before every number in both directions, so it is the extreme of each window it is in and of none after;
//! -0 is less than +0. So the result depends on the values in the window alone.

use std::cmp::Ordering;

use super::ring::{Ring, behind};

/// Which of a window's values a chain finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pick {
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// The first: nothing takes its place, so the chain holds all values.
    First,
}

/// One chain: a column's minimum, maximum or first value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chain {
    /// Word of the entry with the value.
    pub value: usize,
    /// Word of the entry with the links.
    pub links: usize,
    /// What it finds.
    pub pick: Pick,
    /// Where its cursors start: the newest member, then each window's first.
    pub cursors: usize,
}

/// Whether `new` takes the place of `old` that came before it.
#[inline]
pub(super) fn dominates(new: f64, old: f64, pick: Pick) -> bool {
    if pick == Pick::First {
        return false;
    }
    if new.is_nan() || old.is_nan() {
        return new.is_nan();
    }
    let order = old.total_cmp(&new);
    if pick == Pick::Max { order != Ordering::Greater } else { order != Ordering::Less }
}

impl Chain {
    fn value(self, ring: &Ring, stride: usize, seq: u32) -> f64 {
        f64::from_bits(ring.entry(seq, stride)[self.value])
    }

    /// Puts the entry `seq` at the chain's end. `own` are the chain's cursors, `lows` the windows' first entries,
    /// `oldest` the least of them.
    pub fn push(self, ring: &mut Ring, stride: usize, own: &mut [u32], lows: &[u32], oldest: u32, seq: u32) {
        let value = self.value(ring, stride, seq);
        let (newest, firsts) = (own[0], &mut own[1..]);
        let mut back = newest;
        while !behind(back, oldest) && dominates(value, self.value(ring, stride, back), self.pick) {
            back = (ring.entry(back, stride)[self.links] >> 32) as u32;
        }
        let alone = behind(back, oldest);
        // A number before the oldest entry stays behind every later one: it ends the chain.
        let former = if alone { oldest.wrapping_sub(1) } else { back };
        ring.entry_mut(seq, stride)[self.links] = u64::from(former) << 32 | u64::from(seq);
        if !alone {
            let links = &mut ring.entry_mut(back, stride)[self.links];
            *links = *links >> 32 << 32 | u64::from(seq);
        }
        for (first, low) in firsts.iter_mut().zip(lows) {
            if alone || behind(*first, *low) || behind(back, *first) {
                *first = seq;
            }
        }
        own[0] = seq;
    }

    /// Moves each window's first member to its window's beginning; just before it when none is left, so that no distance
    /// grows for ever. `oldest` is the least of `lows`.
    pub fn follow(self, ring: &Ring, stride: usize, own: &mut [u32], lows: &[u32], oldest: u32) {
        if behind(own[0], oldest) {
            own[0] = oldest.wrapping_sub(1);
        }
        let newest = own[0];
        for (first, low) in own[1..].iter_mut().zip(lows) {
            if behind(newest, *low) {
                *first = low.wrapping_sub(1);
            } else {
                // A member is left, so this one was in the window before and the links lead there.
                while behind(*first, *low) {
                    *first = ring.entry(*first, stride)[self.links] as u32;
                }
            }
        }
    }

    /// The extreme of a window that begins at `low`.
    #[inline]
    pub fn get(self, ring: &Ring, stride: usize, cursors: &[u32], window: usize, low: u32) -> Option<f64> {
        let first = cursors[self.cursors + 1 + window];
        (!behind(first, low)).then(|| self.value(ring, stride, first))
    }

    /// Forgets all members; `low` is at or before every window's first entry.
    pub fn clear(self, cursors: &mut [u32], windows: usize, low: u32) {
        cursors[self.cursors..=self.cursors + windows].fill(low.wrapping_sub(1));
    }
}
