//! Event-time marks of parents and the watermark, their minimum. A mark `m` promises nothing below `m`; items at `m` may
//! still come, so a stage releases strictly below its watermark.

use crate::names::Place;

/// The watermark before every parent has spoken.
pub const NEVER_US: i64 = i64::MIN;

/// The greatest mark of each parent partition.
#[derive(Debug, Clone, Default)]
pub struct Marks {
    parents: Vec<(Place, i64)>,
    watermark_us: Option<i64>,
}

impl Marks {
    /// Declares a parent whose marks count; one already known keeps its mark.
    pub fn declare(&mut self, place: Place) {
        if !self.parents.iter().any(|(known, _)| *known == place) {
            self.parents.push((place, NEVER_US));
        }
    }

    /// Raises a parent's mark; a lower mark and a place that is no parent change nothing.
    pub fn raise(&mut self, place: Place, mark_us: i64) {
        if let Some((_, held)) = self.parents.iter_mut().find(|(known, _)| *known == place) {
            *held = (*held).max(mark_us);
        }
    }

    /// The new watermark when it rose since the last call. It never falls, even when a parent joins late.
    pub fn advance(&mut self) -> Option<i64> {
        let least = self.parents.iter().map(|(_, mark)| *mark).min().filter(|mark| *mark > NEVER_US)?;
        if self.watermark_us.is_some_and(|watermark| least <= watermark) {
            return None;
        }
        self.watermark_us = Some(least);
        Some(least)
    }

    /// The watermark, [`NEVER_US`] while a parent has not spoken.
    pub fn watermark_us(&self) -> i64 {
        self.watermark_us.unwrap_or(NEVER_US)
    }

    /// The watermark, none while a parent has not spoken.
    pub fn watermark(&self) -> Option<i64> {
        self.watermark_us
    }

    /// Whether the place is a parent whose marks count.
    pub fn counts(&self, place: Place) -> bool {
        self.parents.iter().any(|(known, _)| *known == place)
    }

    /// Marks as they were saved, with the watermark that they had led to.
    pub fn restore(parents: Vec<(Place, i64)>, watermark_us: Option<i64>) -> Self {
        Marks { parents, watermark_us }
    }

    /// Marks by parent, sorted.
    pub fn save(&self) -> Vec<(Place, i64)> {
        let mut rows = self.parents.clone();
        rows.sort_unstable();
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(partition: u16) -> Place {
        Place { topic: 0, partition }
    }

    #[test]
    fn watermark_is_the_minimum_once_all_parents_spoke() {
        let mut marks = Marks::default();
        marks.declare(place(0));
        marks.declare(place(1));
        marks.raise(place(0), 10);
        assert_eq!(marks.advance(), None);
        marks.raise(place(1), 7);
        assert_eq!(marks.advance(), Some(7));
        assert_eq!(marks.advance(), None);
        marks.raise(place(1), 5);
        assert_eq!(marks.advance(), None);
        marks.raise(place(1), 30);
        assert_eq!(marks.advance(), Some(10));
    }

    #[test]
    fn strangers_change_nothing() {
        let mut marks = Marks::default();
        marks.declare(place(0));
        marks.raise(place(9), 1);
        assert_eq!(marks.advance(), None);
        assert!(!marks.counts(place(9)));
    }
}
