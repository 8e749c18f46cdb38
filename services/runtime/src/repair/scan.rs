//! What is in the targets of tasks: the last item of each parent in each partition, its marks, and its last public record.

use super::Error;
use crate::context::Context;
use crate::ledger::{Marked, batches, emission, read};
use crate::log::{Header, Record, TopicPartition};
use flow::items::{Head, Items};
use flow::ledger::Fate;
use flow::names::{Names, Place};
use flow::plan::Kind;
use flow::processor::Stop;
use flow::public::EMISSION_HEADER;
use flow::reader::{Reader, Trigger};
use std::collections::{BTreeMap, BTreeSet};

/// Before the first trigger there is.
const BEFORE: Trigger = Trigger { offset: -1, item: 0, index: 0 };

/// Which source offsets of a validator are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// From here on the ledger does not count, and each record's end is looked up.
    pub counted: i64,
    /// What comes from here on is not there yet.
    pub below: i64,
}

/// What was found of one parent in one target partition.
type Pair = (Place, Place);

/// What targets hold.
#[derive(Debug, Default)]
pub struct Found {
    /// Number of the last item.
    numbers: BTreeMap<Pair, i64>,
    /// Triggers of the last public records.
    public: BTreeMap<Pair, Trigger>,
    /// The greatest mark.
    marks: BTreeMap<Pair, i64>,
    /// Greatest time of an item, by parent.
    times: BTreeMap<Place, i64>,
    /// How source records ended that the ledger does not count.
    ends: BTreeMap<Place, BTreeMap<i64, Fate>>,
}

impl Found {
    /// Reads topics that tasks write. Of the parents in `wanted` only that is taken in.
    pub fn scan(context: &Context, topics: &BTreeSet<String>, wanted: &BTreeMap<Place, Wanted>) -> Result<Self, Error> {
        let mut found = Found::default();
        for name in topics {
            let kind = context.topic(name)?.kind;
            for (tp, start, end) in context.bounds(name)? {
                let bounds = (start, end);
                match kind {
                    Kind::Log => found.log(context, &tp, bounds, wanted)?,
                    Kind::Dlq | Kind::Late => read(context, &tp, bounds, |records| {
                        records.iter().for_each(|record| found.letter(&context.names, kind, record, wanted));
                        Ok::<_, Error>(())
                    })?,
                    Kind::Ledger | Kind::Progress | Kind::Control | Kind::Models | Kind::Source => {}
                    _ => read(context, &tp, bounds, |records| {
                        let own = place(&context.names, &tp);
                        records.iter().for_each(|record| found.public(&context.names, own, record));
                        Ok::<_, Error>(())
                    })?,
                }
            }
        }
        Ok(found)
    }

    /// How many items of a parent a target partition holds.
    pub fn number(&self, parent: Place, target: Place) -> i64 {
        self.numbers.get(&(parent, target)).copied().unwrap_or(0)
    }

    /// Trigger of the last record of a parent in a public partition.
    pub fn emitted(&self, parent: Place, target: Place) -> Option<Trigger> {
        self.public.get(&(parent, target)).copied()
    }

    /// The greatest mark of a parent in a target partition.
    pub fn mark(&self, parent: Place, target: Place) -> Option<i64> {
        self.marks.get(&(parent, target)).copied()
    }

    /// The greatest time of a parent's items.
    pub fn time(&self, parent: Place) -> Option<i64> {
        self.times.get(&parent).copied()
    }

    /// How the source records ended that the ledger does not count.
    pub fn ends(&self, parent: Place) -> impl Iterator<Item = (i64, Fate)> {
        self.ends.get(&parent).into_iter().flatten().map(|(offset, fate)| (*offset, *fate))
    }

    fn log(
        &mut self,
        context: &Context,
        tp: &TopicPartition,
        bounds: (i64, i64),
        wanted: &BTreeMap<Place, Wanted>,
    ) -> Result<(), Error> {
        let names = &context.names;
        let own = place(names, tp);
        let mut target = Target { names, own, reader: Reader::default(), known: BTreeSet::new() };
        let is_cut = bounds.0 > 0;
        batches(context, tp, bounds, |batch| {
            for head in &batch.records {
                for (parent, mark_us) in &head.marks {
                    let mark = self.marks.entry((*parent, own)).or_insert(*mark_us);
                    *mark = (*mark).max(*mark_us);
                }
                target.items(head, &batch.items, is_cut, |parent, row, number| {
                    let trigger = batch.items.envelope().trigger(row);
                    if let Some(Wanted { counted, below }) = wanted.get(&parent) {
                        if trigger.offset >= *below {
                            return;
                        }
                        if trigger.offset >= *counted {
                            self.ends.entry(parent).or_default().insert(trigger.offset, Fate::Accepted);
                        }
                    }
                    self.numbers.insert((parent, own), number);
                    let time_us = batch.items.envelope().time_us[row];
                    let time = self.times.entry(parent).or_insert(time_us);
                    *time = (*time).max(time_us);
                })?;
            }
            Ok(())
        })
    }

    fn letter(&mut self, names: &Names, kind: Kind, record: &Record, wanted: &BTreeMap<Place, Wanted>) {
        let header = |name: &str| record.headers.iter().rfind(|header| header.name == name).and_then(Header::text);
        // A letter of a retry is of a record that had ended before.
        let marked = Marked::of(names, kind, header).filter(|marked| marked.attempt() == 0);
        let Some(origin) = marked.map(|marked| marked.origin()) else { return };
        let Some(Wanted { counted, below }) = wanted.get(&origin.place) else { return };
        if (*counted..*below).contains(&origin.offset) {
            let fate = if kind == Kind::Late { Fate::Late } else { Fate::Dead };
            self.ends.entry(origin.place).or_default().insert(origin.offset, fate);
        }
    }

    fn public(&mut self, names: &Names, own: Place, record: &Record) {
        let header = record.headers.iter().find(|header| header.name == EMISSION_HEADER).and_then(Header::text);
        let Some((parent, trigger)) = header.and_then(|text| emission(names, text)) else { return };
        let last = self.public.entry((parent, own)).or_insert(trigger);
        *last = (*last).max(trigger);
    }
}

/// The place of a partition.
pub(super) fn place(names: &Names, tp: &TopicPartition) -> Place {
    Place { topic: names.number(&tp.topic).unwrap_or(u16::MAX), partition: tp.partition as u16 }
}

/// A partition as its readers take it.
struct Target<'a> {
    names: &'a Names,
    own: Place,
    reader: Reader,
    known: BTreeSet<Place>,
}

impl Target<'_> {
    /// Gives each item of a record that readers take: its parent, its row and its number.
    fn items(
        &mut self,
        head: &Head,
        items: &Items,
        is_cut: bool,
        mut each: impl FnMut(Place, usize, i64),
    ) -> Result<(), Stop> {
        let envelope = items.envelope();
        let mut numbers: Vec<i64> = head.parents.iter().map(|parent| parent.first).collect();
        for row in head.items.clone() {
            let parent = envelope.parent[row] as usize;
            let (Some(known), Some(number)) = (head.parents.get(parent), numbers.get_mut(parent)) else { continue };
            let (parent, this, trigger) = (known.place, *number, envelope.trigger(row));
            *number += 1;
            if is_cut && self.known.insert(parent) {
                // Nobody knows what was before the log's first record.
                let mut last = self.reader.save();
                last.push((parent, this - 1, BEFORE));
                self.reader = Reader::restore(&last);
            }
            let taken = self.reader.take(parent, this, trigger);
            let refused =
                |refusal| Stop::refused(self.names, (self.own, head.offset), parent, (this, trigger), refusal);
            if taken.map_err(refused)? {
                each(parent, row, this);
            }
        }
        Ok(())
    }
}
