//! The reading side in snapshots. Items that are held back are not in them: after a restore the log is read again from
//! where they begin, and up to the cut nothing is done with it but to hold the items that were held.

use super::Sequencer;
use crate::hold::{Hold, Last};
use crate::items::{Head, Items};
use crate::marks::Marks;
use crate::processor::Stop;
use crate::reader::Reader;
use crate::snapshot::{Changes, Entry, Error, Header, named, names_layout, place, rows, taken};
use crate::state::TaskState;
use arrow::array::Array;
use std::sync::Arc;

/// Reading again what was held at a cut.
#[derive(Debug)]
pub(super) struct Refill {
    /// The cut's position.
    until: i64,
    /// Numbers before the first record that is read again.
    reader: Reader,
}

impl Sequencer {
    /// What the layout of saved state says about the reading side.
    pub fn layout(&self) -> String {
        let order = if self.hold.is_some() { "held" } else { "arrival" };
        format!("{order}:ledger:{}", names_layout(&self.names))
    }

    /// About how many bytes of the ledger's counts wait for the next cut.
    pub fn noted_bytes(&self) -> usize {
        self.edges.noted_bytes()
    }

    /// The ledger's counts that changed before the last cut.
    pub fn collect(&mut self) -> Changes {
        self.edges.collect()
    }

    /// Takes an entry of [`ledger::PART`](crate::ledger::PART) in; tasks have those of other parts.
    pub fn load(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        self.edges.load(entry)
    }

    /// Sum of the hashes of the ledger's entries.
    pub fn hash(&self) -> u128 {
        self.edges.hash()
    }

    /// The reading side as it is now; `state` is the task's metadata.
    pub fn cut(&mut self, state: TaskState) -> Header {
        let names = &self.names;
        let start = self.hold.as_ref().and_then(Hold::start);
        let held = start.map(|(offset, numbers)| (offset, taken(names, numbers.to_vec())));
        let mark = |(place, mark_us)| {
            let (topic, partition) = named(names, place);
            (topic, partition, mark_us)
        };
        let header = Header {
            position: self.next,
            parents: self.parents.iter().map(|place| named(names, *place)).collect(),
            marks: self.marks.save().into_iter().map(mark).collect(),
            watermark: self.marks.watermark(),
            held,
            ledger: self.edges.cut(),
            state,
        };
        if let Some(hold) = &mut self.hold {
            hold.cut(self.next, self.reader.save());
        }
        header
    }

    /// Takes up what a cut saved; gives the offset to read from.
    pub fn restore(&mut self, header: &Header) -> Result<i64, Error> {
        let names = self.names.clone();
        let last: Vec<Last> = rows(&names, &header.state.taken)?;
        self.reader = Reader::restore(&last);
        let parents = header.parents.iter().map(|(topic, partition)| place(&names, topic, *partition));
        self.parents = parents.collect::<Result<_, Error>>()?;
        let marks = header.marks.iter().map(|(topic, partition, mark)| Ok((place(&names, topic, *partition)?, *mark)));
        self.marks = Marks::restore(marks.collect::<Result<_, Error>>()?, header.watermark);
        self.fence = header.state.fence;
        self.behind = header.state.asides.behind;
        self.next = header.position;
        let refused = || Error::Blob("its ledger counts are none of ours".to_owned());
        self.edges.restore(&header.ledger).ok_or_else(refused)?;
        let Some(hold) = &mut self.hold else { return Ok(self.next) };
        let Some((offset, numbers)) = &header.held else {
            hold.cut(self.next, last);
            return Ok(self.next);
        };
        let numbers = rows(&names, numbers)?;
        self.refill = Some(Refill { until: self.next, reader: Reader::restore(&numbers) });
        hold.cut(*offset, numbers);
        Ok(*offset)
    }

    /// Whether the record lies before the cut; its items are held again then, those that were at the cut.
    pub(super) fn hold_again(&mut self, head: &Head, items: &Arc<Items>) -> Result<bool, Stop> {
        let Some(Refill { until, reader }) = &mut self.refill else { return Ok(false) };
        if head.offset >= *until {
            let reached = reader.save() == self.reader.save();
            self.refill = None;
            return if reached {
                Ok(false)
            } else {
                Err(Stop::Refilled { log: self.names.show(self.own), offset: self.next })
            };
        }
        let envelope = items.envelope();
        let prediction = items.prediction();
        let mut numbers: Vec<i64> = head.parents.iter().map(|parent| parent.first).collect();
        for (item, row) in head.items.clone().enumerate() {
            let parent = envelope.parent[row] as usize;
            let (Some(known), Some(number)) = (head.parents.get(parent), numbers.get_mut(parent)) else {
                let (index, len) = (envelope.parent[row], head.parents.len());
                return Err(crate::wire::Error::Dangling { offset: head.offset, item, index, len }.into());
            };
            let (place, this, trigger) = (known.place, *number, envelope.trigger(row));
            *number += 1;
            let taken = reader.take(place, this, trigger).map_err(|refusal| {
                Stop::refused(&self.names, (self.own, head.offset), place, (this, trigger), refusal)
            })?;
            let scored = prediction.is_some_and(|part| part.is_valid(row));
            // What is not below the watermark at the cut cannot have been when it came.
            let time_us = envelope.time_us[row];
            if let (true, false, Some(hold)) = (taken, scored, &mut self.hold)
                && time_us >= self.marks.watermark_us()
            {
                hold.push(time_us, items, row);
            }
        }
        Ok(true)
    }
}
