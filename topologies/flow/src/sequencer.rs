//! What every stage does with its log before it does anything of its own: check emission numbers, honour fences, apply
//! marks after the items of their record, and hold items back until the watermark when the pipeline orders by event time.

use crate::fence::{Control, Fences, Outcome};
use crate::flaw::{Flaw, made};
use crate::hold::Hold;
use crate::items::{Fence, Head, Items, LogBatch};
use crate::ledger::Edges;
use crate::marks::Marks;
use crate::names::{Names, Place};
use crate::processor::Stop;
use crate::reader::Reader;
use crate::state::TaskState;
use arrow::array::Array;
use refill::Refill;
use std::sync::Arc;

mod refill;

/// A position in a log: record and item; the number of items stands for the record's marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Offset of the record.
    pub offset: i64,
    /// Item within it.
    pub item: i32,
}

/// One thing for a stage to apply.
#[derive(Debug)]
pub enum Step<'a> {
    /// An item, in the order the pipeline's `ordering` asks for.
    Item(&'a Arc<Items>, usize),
    /// The watermark rose; all items it released were given before.
    Mark(i64),
    /// A fence is about to take effect: the stage gets ready for it, or its error stops the task with nothing decided.
    /// Number and control state.
    Offer(i64, &'a Control),
    /// The fence that was offered last took effect.
    Fence(&'a Control),
}

/// The reading side of one task.
#[derive(Debug)]
pub struct Sequencer {
    own: Place,
    names: Arc<Names>,
    reader: Reader,
    marks: Marks,
    hold: Option<Hold>,
    fences: Option<Arc<dyn Fences>>,
    fence: i64,
    parents: Vec<Place>,
    behind: u64,
    next: i64,
    refill: Option<Refill>,
    edges: Edges,
}

impl Sequencer {
    /// A reader at the log's start; `holds` orders items by event time.
    pub fn new(own: Place, names: Arc<Names>, holds: bool) -> Self {
        let hold = holds.then(Hold::default);
        let (reader, marks) = (Reader::default(), Marks::default());
        let (parents, fences, refill) = (Vec::new(), None, None);
        let edges = Edges::new(names.clone());
        Sequencer { own, names, reader, marks, hold, fences, fence: -1, parents, behind: 0, next: 0, refill, edges }
    }

    /// Goes by the outcomes kept here: one that was declared void is passed over, any other recorded as taken before it
    /// takes effect. Without this, and for fence 0, a fence just takes effect.
    pub fn fences(self, fences: Arc<dyn Fences>) -> Self {
        Sequencer { fences: Some(fences), ..self }
    }

    /// Runs decoded records through `each`, in order. Items are counted as taken; `each` says how they end.
    pub fn run<F>(&mut self, batch: &LogBatch, mut each: F) -> Result<(), Stop>
    where
        F: FnMut(Position, Step<'_>, &mut Edges) -> Result<(), Stop>,
    {
        let mut numbers = Vec::new();
        for head in &batch.records {
            if self.refill.is_some() && self.hold_again(head, &batch.items)? {
                continue;
            }
            self.next = head.offset + 1;
            if let Some(fence) = &head.fence {
                self.take_fence(head.offset, fence, &mut each)?;
            }
            numbers.clear();
            numbers.extend(head.parents.iter().map(|parent| parent.first));
            if made(Flaw::MarksBeforeItems) {
                self.take_marks(head, &mut each)?;
            }
            self.take_items(head, &batch.items, &mut numbers, &mut each)?;
            self.take_marks(head, &mut each)?;
        }
        Ok(())
    }

    fn take_fence<F>(&mut self, offset: i64, fence: &Fence, each: &mut F) -> Result<(), Stop>
    where
        F: FnMut(Position, Step<'_>, &mut Edges) -> Result<(), Stop>,
    {
        let number = fence.number;
        if number <= self.fence {
            return Ok(());
        }
        let decided = self.fences.clone().filter(|_| number > 0);
        let (log, partition) = (self.names.topic(self.own.topic).clone(), self.own.partition);
        if let Some(fences) = &decided
            && fences.ended(&log, partition, number)? == Some(Outcome::Void)
        {
            return Ok(());
        }
        let control = Control::read(fence)?;
        if let Some(generation) = control.handed_over.filter(|_| number == 0) {
            return Err(Stop::HandedOver { log: self.names.show(self.own), generation });
        }
        let parents = self.parents_of(&control, offset)?;
        let position = Position { offset, item: 0 };
        each(position, Step::Offer(number, &control), &mut self.edges)?;
        // Only what can be honoured is taken, and only what is taken takes effect.
        if let Some(fences) = &decided
            && fences.take(&log, partition, number)? == Outcome::Void
        {
            return Ok(());
        }
        for (place, marks) in parents {
            if !self.parents.contains(&place) {
                self.parents.push(place);
            }
            if marks {
                self.marks.declare(place);
            }
        }
        self.fence = number;
        each(position, Step::Fence(&control), &mut self.edges)
    }

    /// The parents' partitions, each with whether it gives marks.
    fn parents_of(&self, control: &Control, offset: i64) -> Result<Vec<(Place, bool)>, Stop> {
        let mut places = Vec::new();
        for parent in &control.parents {
            let Some(topic) = self.names.number(&parent.log) else {
                let log = parent.log.clone();
                return Err(crate::wire::Error::UnknownLog { offset, log }.into());
            };
            places.extend((0..parent.partitions).map(|partition| (Place { topic, partition }, parent.marks)));
        }
        Ok(places)
    }

    fn take_items<F>(&mut self, head: &Head, items: &Arc<Items>, numbers: &mut [i64], each: &mut F) -> Result<(), Stop>
    where
        F: FnMut(Position, Step<'_>, &mut Edges) -> Result<(), Stop>,
    {
        let envelope = items.envelope();
        let prediction = items.prediction();
        // Repeats are rare, so that the items taken are mostly all there are.
        let mut fresh = head.items.start;
        for (item, row) in head.items.clone().enumerate() {
            let parent = envelope.parent[row] as usize;
            let (Some(known), Some(number)) = (head.parents.get(parent), numbers.get_mut(parent)) else {
                let index = envelope.parent[row];
                let len = head.parents.len();
                return Err(crate::wire::Error::Dangling { offset: head.offset, item, index, len }.into());
            };
            let (place, this) = (known.place, *number);
            *number += 1;
            if this == 1 && !self.parents.contains(&place) {
                let (log, parent) = (self.names.show(self.own), self.names.show(place));
                return Err(Stop::Stranger { log, offset: head.offset, parent });
            }
            let trigger = envelope.trigger(row);
            let taken = self.reader.take(place, this, trigger).map_err(|refusal| {
                Stop::refused(&self.names, (self.own, head.offset), place, (this, trigger), refusal)
            })?;
            if !taken {
                let counted = row + usize::from(made(Flaw::RepeatsCounted));
                self.edges.took(items.taken(fresh..counted));
                fresh = row + 1;
                continue;
            }
            if let Some(hold) = self.hold.as_mut().filter(|_| !prediction.is_some_and(|part| part.is_valid(row))) {
                let time_us = envelope.time_us[row];
                if time_us >= self.marks.watermark_us() {
                    hold.push(time_us, items, row);
                    continue;
                }
                self.behind += 1;
            }
            each(Position { offset: head.offset, item: item as i32 }, Step::Item(items, row), &mut self.edges)?;
        }
        self.edges.took(items.taken(fresh..head.items.end));
        Ok(())
    }

    fn take_marks<F>(&mut self, head: &Head, each: &mut F) -> Result<(), Stop>
    where
        F: FnMut(Position, Step<'_>, &mut Edges) -> Result<(), Stop>,
    {
        for (place, mark_us) in &head.marks {
            self.marks.raise(*place, *mark_us);
        }
        let Some(watermark_us) = self.marks.advance() else { return Ok(()) };
        let position = Position { offset: head.offset, item: head.items.len() as i32 };
        if let Some(hold) = &mut self.hold {
            for held in hold.release(watermark_us + i64::from(made(Flaw::ReleasedAtMark))) {
                each(position, Step::Item(&held.items, held.row()), &mut self.edges)?;
            }
        }
        each(position, Step::Mark(watermark_us), &mut self.edges)
    }

    /// The partition this task reads.
    pub fn own(&self) -> Place {
        self.own
    }

    /// The names that places refer to.
    pub fn names(&self) -> &Arc<Names> {
        &self.names
    }

    /// What was counted for the ledger.
    pub fn edges(&mut self) -> &mut Edges {
        &mut self.edges
    }

    /// The fence in force; -1 before the first.
    pub fn fence(&self) -> i64 {
        self.fence
    }

    /// How many items wait for the watermark.
    pub fn held(&self) -> usize {
        self.hold.as_ref().map_or(0, Hold::len)
    }

    /// The watermark, `NEVER_US` before every parent has spoken.
    pub fn watermark_us(&self) -> i64 {
        self.marks.watermark_us()
    }

    /// Notes what a commit's metadata carries of the reading side.
    pub fn save(&self, state: &mut TaskState) {
        state.fence = self.fence;
        state.asides.behind = self.behind;
        state.note_taken(&self.reader, &self.names);
    }
}
