//! Numbering what a task emits: a dense number per target partition, and a trigger that rises with it.

use crate::items::Parent;
use crate::names::{Names, Place};
use crate::reader::Trigger;
use crate::sequencer::Position;
use crate::state::TaskState;
use crate::wire::{Draft, Origin, Rows};

/// Most items in one record. With our largest items this stays well under a broker's default record limit.
pub const RECORD_ITEMS_MAX: usize = 2_048;

/// Items for one record in the making; `P` collects the parts' columns.
#[derive(Debug)]
pub struct Chunk<P> {
    /// Target partition.
    pub target: Place,
    first: i64,
    rows: Rows,
    /// The parts' columns so far.
    pub parts: P,
}

impl<P> Chunk<P> {
    /// Finishes the record: `finish` turns the collected parts into columns.
    pub fn into_draft(self, own: Place, finish: impl FnOnce(P, &mut Rows)) -> Draft {
        let Chunk { first, mut rows, parts, .. } = self;
        finish(parts, &mut rows);
        Draft { parents: vec![Parent { place: own, first }], rows, ..Draft::default() }
    }
}

/// The writing side of one task: numbers and pending items.
#[derive(Debug)]
pub struct Emitter<P> {
    own: Place,
    numbers: Vec<(Place, i64)>,
    chunks: Vec<Chunk<P>>,
    at: Trigger,
}

impl<P: Default> Emitter<P> {
    /// A task that has emitted nothing yet.
    pub fn new(own: Place) -> Self {
        let at = Trigger { offset: -1, item: 0, index: 0 };
        Emitter { own, numbers: Vec::new(), chunks: Vec::new(), at }
    }

    /// Takes up numbering where saved state left it.
    pub fn restore(&mut self, state: &TaskState, names: &Names) {
        self.numbers.clear();
        for (topic, counts) in &state.out {
            let Some(topic) = names.number(topic) else { continue };
            let counted = counts.iter().enumerate().filter(|(_, count)| **count > 0);
            self.numbers
                .extend(counted.map(|(partition, count)| (Place { topic, partition: partition as u16 }, *count)));
        }
    }

    /// The trigger of the next output released by the given position. Outputs of one position count up.
    pub fn trigger(&mut self, position: Position) -> Trigger {
        if (position.offset, position.item) == (self.at.offset, self.at.item) {
            self.at.index += 1;
        } else {
            self.at = Trigger { offset: position.offset, item: position.item, index: 0 };
        }
        self.at
    }

    /// Appends an item for the target partition and returns the parts its columns belong to.
    pub fn item(
        &mut self,
        target: Place,
        trigger: Trigger,
        origin: Origin,
        (time_us, id, key): (i64, &str, &str),
    ) -> &mut P {
        let at = match self.numbers.iter().position(|(place, _)| *place == target) {
            Some(at) => at,
            None => {
                self.numbers.push((target, 0));
                self.numbers.len() - 1
            }
        };
        self.numbers[at].1 += 1;
        let number = self.numbers[at].1;
        let open = self.chunks.iter().rposition(|chunk| chunk.target == target);
        let open = match open.filter(|at| self.chunks[*at].rows.len() < RECORD_ITEMS_MAX) {
            Some(open) => open,
            None => {
                self.chunks.push(Chunk { target, first: number, rows: Rows::default(), parts: P::default() });
                self.chunks.len() - 1
            }
        };
        let chunk = &mut self.chunks[open];
        chunk.rows.push(0, trigger, origin, time_us, id, key);
        &mut chunk.parts
    }

    /// Takes the pending records, targets in order of first use.
    pub fn take(&mut self) -> Vec<Chunk<P>> {
        std::mem::take(&mut self.chunks)
    }

    /// The partition whose task this is.
    pub fn own(&self) -> Place {
        self.own
    }

    /// Notes the numbers in a commit's metadata.
    pub fn save(&self, state: &mut TaskState, names: &Names) {
        for (place, count) in &self.numbers {
            let counts = state.out.entry(names.topic(place.topic).to_string()).or_default();
            let at = usize::from(place.partition);
            if counts.len() <= at {
                counts.resize(at + 1, 0);
            }
            counts[at] = *count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Place = Place { topic: 0, partition: 0 };

    fn target(partition: u16) -> Place {
        Place { topic: 1, partition }
    }

    #[test]
    fn numbers_are_dense_per_target_and_survive_a_save() {
        let names = Names::new([("own", 1), ("next", 1)]);
        let mut emitter: Emitter<()> = Emitter::new(OWN);
        let origin = Origin { place: OWN, offset: 0 };
        for (item, partition) in [(0, 0), (1, 1), (2, 0)] {
            let trigger = emitter.trigger(Position { offset: 7, item });
            emitter.item(target(partition), trigger, origin, (0, "a", "k"));
        }
        let firsts: Vec<_> = emitter.take().iter().map(|chunk| (chunk.target.partition, chunk.first)).collect();
        assert_eq!(firsts, [(0, 1), (1, 1)]);
        let mut state = TaskState::new("d");
        emitter.save(&mut state, &names);
        assert_eq!(state.out["next"], [2, 1]);
        let mut again: Emitter<()> = Emitter::new(OWN);
        again.restore(&state, &names);
        let trigger = again.trigger(Position { offset: 8, item: 0 });
        again.item(target(0), trigger, origin, (0, "b", "k"));
        assert_eq!(again.take()[0].first, 3);
    }

    #[test]
    fn outputs_of_one_position_count_up() {
        let mut emitter: Emitter<()> = Emitter::new(OWN);
        let position = Position { offset: 3, item: 1 };
        assert_eq!(emitter.trigger(position).index, 0);
        assert_eq!(emitter.trigger(position).index, 1);
        assert_eq!(emitter.trigger(Position { offset: 3, item: 2 }).index, 0);
    }
}
