//! Emission numbers as a reader checks them: the next number is taken, a repeat is dropped, a gap or a divergence stops
//! the task. This is what makes zombies, restarts and other batch boundaries harmless.

use crate::flaw::{Flaw, made};
use crate::names::Place;
use serde::{Deserialize, Serialize};

/// The parent position that released an item, and which of its outputs the item is. Rises with the emission number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Trigger {
    /// Offset of the parent's record.
    pub offset: i64,
    /// Item within that record; the number of items stands for the record's marks.
    pub item: i32,
    /// Which output of that position.
    pub index: i32,
}

impl Trigger {
    /// Before the first output of a task.
    pub const NONE: Trigger = Trigger { offset: -1, item: 0, index: 0 };

    /// That of the output which comes next and is released by this position: outputs of one position count up.
    pub fn next(self, offset: i64, item: i32) -> Trigger {
        let index = if (offset, item) == (self.offset, self.item) { self.index + 1 } else { 0 };
        Trigger { offset, item, index }
    }
}

/// Why a reader refuses an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Numbers are missing before this one: an item was lost.
    Gap {
        /// The number that had to come next.
        expected: i64,
    },
    /// The same number with another trigger, or numbers and triggers that do not rise together: somebody emitted again
    /// with other code or other rules.
    Divergence {
        /// Number and trigger taken last.
        last: (i64, Trigger),
    },
}

#[derive(Debug, Clone, Copy)]
struct Last {
    place: Place,
    number: i64,
    trigger: Trigger,
}

/// The last number and trigger taken from each parent partition.
#[derive(Debug, Clone, Default)]
pub struct Reader {
    last: Vec<Last>,
}

impl Reader {
    /// Judges one item: `Ok(true)` takes it, `Ok(false)` drops a repeat.
    pub fn take(&mut self, place: Place, number: i64, trigger: Trigger) -> Result<bool, Refusal> {
        let Some(last) = self.last.iter_mut().find(|last| last.place == place || made(Flaw::ParentIgnored)) else {
            if number != 1 {
                return Err(Refusal::Gap { expected: 1 });
            }
            self.last.push(Last { place, number, trigger });
            return Ok(true);
        };
        let diverged = Refusal::Divergence { last: (last.number, last.trigger) };
        if made(Flaw::TriggerIgnored) && number <= last.number {
            return Ok(false);
        }
        if number == last.number + 1 {
            if trigger <= last.trigger && !made(Flaw::TriggerIgnored) {
                return Err(diverged);
            }
            last.number = number;
            last.trigger = trigger;
            return Ok(true);
        }
        if number > last.number {
            return Err(Refusal::Gap { expected: last.number + 1 });
        }
        let same = number == last.number;
        if (same && trigger != last.trigger) || (!same && trigger >= last.trigger) {
            return Err(diverged);
        }
        Ok(false)
    }

    /// What was taken last from each parent, sorted by place.
    pub fn save(&self) -> Vec<(Place, i64, Trigger)> {
        let mut rows: Vec<_> = self.last.iter().map(|last| (last.place, last.number, last.trigger)).collect();
        rows.sort_unstable_by_key(|row| row.0);
        rows
    }

    /// A reader that goes on from saved numbers.
    pub fn restore(rows: &[(Place, i64, Trigger)]) -> Self {
        Reader { last: rows.iter().map(|&(place, number, trigger)| Last { place, number, trigger }).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { topic: 0, partition: 0 };

    fn at(offset: i64) -> Trigger {
        Trigger { offset, item: 0, index: 0 }
    }

    #[track_caller]
    fn check(items: &[(i64, i64)], expected: &[Result<bool, &str>]) {
        let mut reader = Reader::default();
        for (&(number, offset), want) in items.iter().zip(expected) {
            let got = reader.take(PLACE, number, at(offset)).map_err(|refusal| match refusal {
                Refusal::Gap { .. } => "gap",
                Refusal::Divergence { .. } => "divergence",
            });
            assert_eq!(got, *want, "number {number} trigger {offset}");
        }
    }

    #[test]
    fn dense_numbers_are_taken_and_repeats_dropped() {
        check(&[(1, 0), (2, 1), (1, 0), (2, 1), (3, 5)], &[Ok(true), Ok(true), Ok(false), Ok(false), Ok(true)]);
    }

    #[test]
    fn a_missing_number_is_a_gap() {
        check(&[(1, 0), (3, 2)], &[Ok(true), Err("gap")]);
        check(&[(2, 0)], &[Err("gap")]);
    }

    #[test]
    fn numbers_and_triggers_rise_together_or_the_reader_stops() {
        check(&[(1, 5), (2, 5)], &[Ok(true), Err("divergence")]);
        check(&[(1, 5), (1, 6)], &[Ok(true), Err("divergence")]);
        check(&[(1, 5), (2, 6), (1, 6)], &[Ok(true), Ok(true), Err("divergence")]);
    }

    #[test]
    fn saved_numbers_go_on_where_they_stopped() {
        let mut reader = Reader::default();
        assert_eq!(reader.take(PLACE, 1, at(3)), Ok(true));
        let mut again = Reader::restore(&reader.save());
        assert_eq!(again.take(PLACE, 1, at(3)), Ok(false));
        assert_eq!(again.take(PLACE, 2, at(4)), Ok(true));
    }
}
