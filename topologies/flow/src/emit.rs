//! Numbering what a task emits: a dense number per target partition, and a trigger that rises with it.

use crate::items::Parent;
use crate::names::{Names, Place};
use crate::reader::Trigger;
use crate::sequencer::Position;
use crate::state::TaskState;
use crate::wire::{Draft, Origin, Rows};

/// Most items in one record.
pub const RECORD_ITEMS_MAX: usize = 2_048;
/// Bytes that a record of several items does not exceed by more than our estimate is off; brokers take twice as much. An
/// item that is larger by itself has a record of its own: the validator takes no event above this size.
pub const RECORD_BYTES_MAX: usize = 512 * 1024;
/// About how many bytes an item takes beside its id, its key and its parts.
pub const ENVELOPE_BYTES: usize = 64;
/// About how many bytes a feature takes.
pub const FEATURE_BYTES: usize = 9;

/// How full a record is. Where records are cut changes no item and no number.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fill {
    items: usize,
    bytes: usize,
}

impl Fill {
    /// Counts an item of so many bytes in; false where the record must end before it.
    pub fn takes(&mut self, bytes: usize) -> bool {
        let full = self.items >= RECORD_ITEMS_MAX || self.bytes + bytes > RECORD_BYTES_MAX;
        if full && self.items > 0 {
            return false;
        }
        self.items += 1;
        self.bytes += bytes;
        true
    }

    /// Counts the items of another record in; false where they must stay in a record of their own.
    pub fn joins(&mut self, other: Fill) -> bool {
        let full = self.items + other.items > RECORD_ITEMS_MAX || self.bytes + other.bytes > RECORD_BYTES_MAX;
        if full && self.items > 0 && other.items > 0 {
            return false;
        }
        self.items += other.items;
        self.bytes += other.bytes;
        true
    }

    /// About how many bytes there are.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Items for one record in the making; `P` collects the parts' columns.
#[derive(Debug)]
pub struct Chunk<P> {
    /// Target partition.
    pub target: Place,
    first: i64,
    fill: Fill,
    rows: Rows,
    /// The parts' columns so far.
    pub parts: P,
}

impl<P> Chunk<P> {
    /// Finishes the record: `finish` turns the collected parts into columns.
    pub fn into_draft(self, own: Place, finish: impl FnOnce(P, &mut Rows)) -> Draft {
        let Chunk { first, fill, mut rows, parts, .. } = self;
        finish(parts, &mut rows);
        Draft { parents: vec![Parent { place: own, first }], rows, fill, ..Draft::default() }
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
        Emitter { own, numbers: Vec::new(), chunks: Vec::new(), at: Trigger::NONE }
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
        self.at = self.at.next(position.offset, position.item);
        self.at
    }

    /// Appends an item for the target partition and returns the parts its columns belong to, which take about
    /// `part_bytes`.
    pub fn item(
        &mut self,
        target: Place,
        trigger: Trigger,
        origin: Origin,
        (time_us, id, key): (i64, &str, &str),
        part_bytes: usize,
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
        let bytes = ENVELOPE_BYTES + id.len() + key.len() + part_bytes;
        let open = self.chunks.iter().rposition(|chunk| chunk.target == target);
        let open = match open.filter(|at| self.chunks[*at].fill.takes(bytes)) {
            Some(open) => open,
            None => {
                let mut fill = Fill::default();
                fill.takes(bytes);
                self.chunks.push(Chunk { target, first: number, fill, rows: Rows::default(), parts: P::default() });
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
            emitter.item(target(partition), trigger, origin, (0, "a", "k"), 0);
        }
        let firsts: Vec<_> = emitter.take().iter().map(|chunk| (chunk.target.partition, chunk.first)).collect();
        assert_eq!(firsts, [(0, 1), (1, 1)]);
        let mut state = TaskState::new("d");
        emitter.save(&mut state, &names);
        assert_eq!(state.out["next"], [2, 1]);
        let mut again: Emitter<()> = Emitter::new(OWN);
        again.restore(&state, &names);
        let trigger = again.trigger(Position { offset: 8, item: 0 });
        again.item(target(0), trigger, origin, (0, "b", "k"), 0);
        assert_eq!(again.take()[0].first, 3);
    }

    /// Sizes of the records that items of these sizes are cut into.
    #[track_caller]
    fn check(items: impl IntoIterator<Item = usize>, expected: &[usize]) {
        let mut emitter: Emitter<()> = Emitter::new(OWN);
        let origin = Origin { place: OWN, offset: 0 };
        for (item, bytes) in items.into_iter().enumerate() {
            let trigger = emitter.trigger(Position { offset: 0, item: item as i32 });
            emitter.item(target(0), trigger, origin, (0, "", ""), bytes - ENVELOPE_BYTES);
        }
        let chunks = emitter.take();
        assert_eq!(chunks.iter().map(|chunk| chunk.rows.len()).collect::<Vec<_>>(), expected);
        let mut next = 1;
        for chunk in chunks {
            assert_eq!(chunk.first, next);
            next += chunk.rows.len() as i64;
        }
    }

    #[test]
    fn a_record_ends_before_the_item_that_is_too_much() {
        const MAX: usize = RECORD_BYTES_MAX;
        check([MAX / 2, MAX / 2, 100], &[2, 1]);
        check([100, MAX, 100], &[1, 1, 1]);
        check([2 * MAX, 2 * MAX], &[1, 1]);
        check(vec![100; 2 * RECORD_ITEMS_MAX + 1], &[RECORD_ITEMS_MAX, RECORD_ITEMS_MAX, 1]);
        check(vec![MAX / 5; 12], &[5, 5, 2]);
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
