//! One series of one key, at the key's present: which entries are in which window, and their running aggregates.
//!
//! All windows end `delay` before the present, so they share one end cursor and each has its own beginning. Entries
//! between the beginnings of the longest window and the retention limit are kept for late rows alone.

use flow::flaw::{Flaw, made};

use super::plan::{Plan, Series};
use super::ring::{Ring, behind};
use super::sketch::Sketch;
use super::sum::{Square, Sum};
use super::tally::Tally;
use super::wide::Wides;

/// Word that stands for a null value: a NaN that no value becomes, since NaN has one form here.
pub(super) const NULL: u64 = f64::NAN.to_bits() | 0x6e_756c_6c00;

/// A value's word.
#[inline]
pub(super) fn encode(value: Option<f64>) -> u64 {
    match value {
        None => NULL,
        Some(value) if value.is_nan() => f64::NAN.to_bits(),
        Some(value) => value.to_bits(),
    }
}

/// A word's value.
#[inline]
pub(super) fn decode(word: u64) -> Option<f64> {
    (word != NULL).then(|| f64::from_bits(word))
}

/// A series of a key with all its state at hand.
pub(super) struct View<'a> {
    pub plan: &'a Plan,
    pub series: &'a Series,
    pub ring: &'a mut Ring,
    pub cursors: &'a mut [u32],
    pub sums: &'a mut [Sum],
    pub squares: &'a mut [Square],
    pub wides: &'a mut Wides,
    pub tallies: &'a mut [Tally],
    pub sketches: &'a mut [Sketch],
}

impl View<'_> {
    /// End of all windows.
    #[inline]
    pub fn high(&self) -> u32 {
        self.cursors[0]
    }

    /// Beginning of a window.
    #[inline]
    pub fn low(&self, window: usize) -> u32 {
        self.cursors[1 + window]
    }

    /// Beginning of the longest window.
    #[inline]
    pub fn oldest(&self) -> u32 {
        self.low(self.plan.longest)
    }

    #[inline]
    pub fn time_us(&self, seq: u32) -> i64 {
        self.ring.time_us(seq, self.series.stride)
    }

    /// Moves the windows to end at `upper_us`, and forgets entries at or before `horizon_us`.
    #[inline]
    pub fn advance(&mut self, upper_us: i64, horizon_us: i64) {
        self.raise(upper_us);
        self.evict(upper_us);
        self.trim(horizon_us);
    }

    /// Lets entries up to `upper_us` into the windows.
    #[inline]
    pub fn raise(&mut self, upper_us: i64) {
        let end = self.ring.end();
        let mut high = self.high();
        while high != end && self.time_us(high) <= upper_us {
            self.enter(high);
            high = high.wrapping_add(1);
        }
        self.cursors[0] = high;
    }

    /// Takes entries out of the windows that end at `upper_us`.
    #[inline]
    pub fn evict(&mut self, upper_us: i64) {
        let (series, entries) = (self.series, self.ring.entries(self.series.stride));
        let Some((high, lows)) = self.cursors.split_first_mut() else { return };
        for (window, (length_us, low)) in self.plan.windows_us.iter().zip(&mut *lows).enumerate() {
            let lower_us = upper_us.saturating_sub(*length_us + i64::from(made(Flaw::WindowClosed)));
            let before = *low;
            let mut next = before;
            while next != *high {
                let entry = entries.get(next);
                if entry[0] as i64 > lower_us {
                    break;
                }
                for summed in &series.summed {
                    let word = entry[summed.word];
                    if word != NULL {
                        let square = summed.squares.map(|squares| &mut self.squares[squares + window]);
                        self.sums[summed.sums + window].remove(square, f64::from_bits(word), self.wides);
                    }
                }
                for (tallied, tally) in series.tallied.iter().zip(&mut *self.tallies) {
                    if let Some(value) = decode(entry[tallied.word]) {
                        tally.remove(*tallied, value, window);
                    }
                }
                for (sketched, sketch) in series.sketched.iter().zip(&mut *self.sketches) {
                    if let Some(value) = decode(entry[sketched.word]) {
                        sketch.remove(sketched, value, window);
                    }
                }
                next = next.wrapping_add(1);
            }
            *low = next;
        }
        if !series.fades.is_empty() {
            self.evict_fades(upper_us);
        }
        if series.linked {
            self.evict_links();
        }
    }

    /// Takes entries out of the sums with weights.
    fn evict_fades(&mut self, upper_us: i64) {
        let (series, high) = (self.series, self.high());
        let entries = self.ring.entries(series.stride);
        for fade in &series.fades {
            let lower_us = upper_us.saturating_sub(fade.length_us);
            let next = &mut self.cursors[fade.cursor];
            while *next != high {
                let entry = entries.get(*next);
                if entry[0] as i64 > lower_us {
                    break;
                }
                fade.remove(entry, &mut self.sums[fade.sums..], self.wides);
                *next = next.wrapping_add(1);
            }
        }
    }

    /// Lets the chains follow the windows' beginnings.
    fn evict_links(&mut self) {
        let (series, windows) = (self.series, self.plan.windows_us.len());
        let (shared, own) = self.cursors.split_at_mut(1 + windows);
        for chain in series.columns.iter().flat_map(|column| &column.chains) {
            let own = &mut own[chain.cursors - 1 - windows..];
            chain.follow(self.ring, series.stride, own, &shared[1..], shared[1 + self.plan.longest]);
        }
    }

    /// Forgets entries at or before `horizon_us`. None of them is in a window.
    #[inline]
    pub fn trim(&mut self, horizon_us: i64) {
        let oldest = self.oldest();
        let before = self.ring.begin();
        while self.ring.begin() != oldest && self.time_us(self.ring.begin()) <= horizon_us {
            self.ring.pop_front();
        }
        if self.ring.begin() != before {
            self.ring.shrink(self.series.stride);
        }
    }

    /// Puts an entry at the end; its time is at or after that of all others.
    #[inline]
    pub fn append(&mut self, time_us: i64, words: impl Iterator<Item = u64>) {
        let seq = self.ring.push(self.series.stride);
        write(self.ring.entry_mut(seq, self.series.stride), time_us, words);
    }

    /// Puts an entry where its time says, after those of equal time, and mends windows that end at `upper_us`.
    /// Returns its number.
    pub fn insert(&mut self, time_us: i64, words: impl Iterator<Item = u64>, upper_us: i64) -> u32 {
        let stride = self.series.stride;
        let at = self.ring.first_after(time_us, stride);
        self.ring.insert(at, stride);
        write(self.ring.entry_mut(at, stride), time_us, words);
        let inside = time_us <= upper_us;
        // The cursors stand on the first entry beyond their limit: those beyond the new one's time move with it.
        self.cursors[0] = self.cursors[0].wrapping_add(u32::from(inside));
        for (window, length_us) in self.plan.windows_us.iter().enumerate() {
            let gone = time_us <= upper_us.saturating_sub(*length_us);
            self.cursors[1 + window] = self.cursors[1 + window].wrapping_add(u32::from(gone));
            if inside && !gone {
                self.enter_sums(at, window);
            }
        }
        for fade in &self.series.fades {
            let gone = time_us <= upper_us.saturating_sub(fade.length_us);
            self.cursors[fade.cursor] = self.cursors[fade.cursor].wrapping_add(u32::from(gone));
            if inside && !gone {
                fade.add(self.ring.entry(at, stride), &mut self.sums[fade.sums..], self.wides);
            }
        }
        self.relink();
        at
    }

    /// Empties the series.
    pub fn clear(&mut self) {
        self.sums.iter_mut().for_each(|sum| sum.clear(None, self.wides));
        self.squares.fill(Square::default());
        self.tallies.fill_with(Tally::default);
        self.sketches.fill_with(Sketch::default);
        *self.ring = Ring::default();
        self.reset_cursors();
    }

    /// Cursors of an empty series.
    pub fn reset_cursors(&mut self) {
        let begin = self.ring.begin();
        if let Some(cursors) = self.cursors.get_mut(..=self.plan.windows_us.len()) {
            cursors.fill(begin);
        }
        for column in &self.series.columns {
            if let Some(last) = column.last {
                self.cursors[last] = begin.wrapping_sub(1);
            }
            column.chains.iter().for_each(|chain| chain.clear(self.cursors, self.plan.windows_us.len(), begin));
        }
        self.series.fades.iter().for_each(|fade| self.cursors[fade.cursor] = begin);
    }

    /// The newest value of a column in the longest window.
    pub fn last(&self, column: usize) -> Option<f64> {
        self.newest_of(column).map(|seq| f64::from_bits(self.ring.entry(seq, self.series.stride)[1 + column]))
    }

    /// The time of the newest value of a column in the longest window.
    pub fn last_us(&self, column: usize) -> Option<i64> {
        self.newest_of(column).map(|seq| self.time_us(seq))
    }

    fn newest_of(&self, column: usize) -> Option<u32> {
        let cursor = self.cursors[self.series.columns[column].last?];
        (!behind(cursor, self.oldest())).then_some(cursor)
    }

    /// The time of the newest entry in the longest window.
    pub fn newest_us(&self) -> Option<i64> {
        let newest = self.high().wrapping_sub(1);
        (!behind(newest, self.oldest())).then(|| self.time_us(newest))
    }

    #[inline(always)]
    fn enter(&mut self, seq: u32) {
        let (series, windows) = (self.series, self.plan.windows_us.len());
        let entry = self.ring.entry(seq, series.stride);
        for summed in &series.summed {
            let word = entry[summed.word];
            if word == NULL {
                continue;
            }
            let sums = self.sums[summed.sums..summed.sums + windows].iter_mut();
            match summed.squares {
                None => sums.for_each(|sum| sum.add(None, f64::from_bits(word), self.wides)),
                Some(at) => {
                    let squares = &mut self.squares[at..at + windows];
                    sums.zip(squares).for_each(|(sum, square)| sum.add(Some(square), f64::from_bits(word), self.wides));
                }
            }
        }
        for (tallied, tally) in series.tallied.iter().zip(&mut *self.tallies) {
            if let Some(value) = decode(entry[tallied.word]) {
                tally.add_all(*tallied, value);
            }
        }
        for (sketched, sketch) in series.sketched.iter().zip(&mut *self.sketches) {
            if let Some(value) = decode(entry[sketched.word]) {
                sketch.add_all(sketched, value);
            }
        }
        for fade in &series.fades {
            fade.add(self.ring.entry(seq, series.stride), &mut self.sums[fade.sums..], self.wides);
        }
        if series.linked {
            self.link_all(seq);
        }
    }

    fn link_all(&mut self, seq: u32) {
        for index in 0..self.series.columns.len() {
            if self.ring.entry(seq, self.series.stride)[1 + index] != NULL {
                self.link(seq, index);
            }
        }
    }

    /// Makes `seq` the newest value of a column, for `last` and the chains.
    #[inline]
    fn link(&mut self, seq: u32, index: usize) {
        let series = self.series;
        let column = &series.columns[index];
        if let Some(last) = column.last {
            self.cursors[last] = seq;
        }
        let windows = self.plan.windows_us.len();
        for chain in &column.chains {
            let (shared, own) = self.cursors.split_at_mut(1 + windows);
            let own = &mut own[chain.cursors - 1 - windows..];
            chain.push(self.ring, series.stride, own, &shared[1..], shared[1 + self.plan.longest], seq);
        }
    }

    fn enter_sums(&mut self, seq: u32, window: usize) {
        for summed in &self.series.summed {
            if let Some(value) = decode(self.ring.entry(seq, self.series.stride)[summed.word]) {
                let square = summed.squares.map(|squares| &mut self.squares[squares + window]);
                self.sums[summed.sums + window].add(square, value, self.wides);
            }
        }
        let entry = self.ring.entry(seq, self.series.stride);
        for (tallied, tally) in self.series.tallied.iter().zip(&mut *self.tallies) {
            if let Some(value) = decode(entry[tallied.word]) {
                tally.add(*tallied, value, window);
            }
        }
        for (sketched, sketch) in self.series.sketched.iter().zip(&mut *self.sketches) {
            if let Some(value) = decode(entry[sketched.word]) {
                sketch.add(sketched, value, window);
            }
        }
    }

    /// Rebuilds what names entries by number, after an insertion has shifted them.
    fn relink(&mut self) {
        let windows = self.plan.windows_us.len();
        let (oldest, high) = (self.oldest(), self.high());
        let series = self.series;
        for (index, column) in series.columns.iter().enumerate() {
            if column.last.is_none() && column.chains.is_empty() {
                continue;
            }
            if let Some(last) = column.last {
                self.cursors[last] = oldest.wrapping_sub(1);
            }
            column.chains.iter().for_each(|chain| chain.clear(self.cursors, windows, oldest));
            let mut seq = oldest;
            while seq != high {
                if self.ring.entry(seq, series.stride)[1 + index] != NULL {
                    self.link(seq, index);
                }
                seq = seq.wrapping_add(1);
            }
        }
    }
}

#[inline]
fn write(entry: &mut [u64], time_us: i64, words: impl Iterator<Item = u64>) {
    entry[0] = time_us as u64;
    entry[1..].iter_mut().zip(words).for_each(|(word, value)| *word = value);
}
