//! Items that wait for the watermark. They are in the old log and in no snapshot, so they are found there as a task finds
//! them after a restart, and written to the new log as if nothing else had been written before.
//!
//! Their parents are the regular ones. To a validator's items that makes no difference, as their triggers are offsets of
//! the source. A task of the generation before has no offsets in the new log: of its items the first task of the new one
//! is the parent, and the log's first record is what released them.

use crate::emit::{ENVELOPE_BYTES, FEATURE_BYTES, Fill};
use crate::items::{Items, LogBatch, Parent};
use crate::ledger::Spot;
use crate::names::{Names, Place};
use crate::processor::Stop;
use crate::reader::{Reader, Trigger};
use crate::snapshot::{self, Header};
use crate::wire::{self, Draft, Rows};
use arrow::array::{Array, StructArray, UInt32Array};
use arrow::compute::take;
use schemas::key::log_partition;
use std::sync::Arc;

/// The parts of an item.
const PARTS: [&str; 4] = ["event", "features", "label", "prediction"];

/// An item that waits.
#[derive(Debug, Clone)]
pub struct Held {
    parent: Place,
    trigger: Trigger,
    items: Arc<Items>,
    row: usize,
}

/// Finds what one old task holds, record by record.
#[derive(Debug)]
pub struct Finder {
    own: Place,
    names: Arc<Names>,
    reader: Reader,
    watermark_us: i64,
    /// Where the log is to be read from.
    pub from: i64,
}

impl Finder {
    /// Begins where the task's blob says that held items begin; none where it holds nothing.
    pub fn new(own: Place, names: Arc<Names>, header: &Header) -> Result<Option<Self>, snapshot::Error> {
        let Some((from, taken)) = &header.held else { return Ok(None) };
        let reader = Reader::restore(&snapshot::rows(&names, taken)?);
        let watermark_us = header.watermark.unwrap_or(crate::marks::NEVER_US);
        Ok(Some(Finder { own, names, reader, watermark_us, from: *from }))
    }

    /// The held items of a batch. Nothing behind the task's position may be given.
    pub fn find(&mut self, batch: &LogBatch, found: &mut Vec<Held>) -> Result<(), Stop> {
        let (items, envelope) = (&batch.items, batch.items.envelope());
        for head in &batch.records {
            let mut numbers: Vec<i64> = head.parents.iter().map(|parent| parent.first).collect();
            for (item, row) in head.items.clone().enumerate() {
                let at = envelope.parent[row] as usize;
                let (Some(parent), Some(number)) = (head.parents.get(at), numbers.get_mut(at)) else {
                    let (index, len) = (envelope.parent[row], head.parents.len());
                    return Err(wire::Error::Dangling { offset: head.offset, item, index, len }.into());
                };
                let (parent, this, trigger) = (parent.place, *number, envelope.trigger(row));
                *number += 1;
                let taken = self.reader.take(parent, this, trigger).map_err(|refusal| {
                    Stop::refused(&self.names, (self.own, head.offset), parent, (this, trigger), refusal)
                })?;
                let is_scored = items.prediction().is_some_and(|part| part.is_valid(row));
                if taken && !is_scored && envelope.time_us[row] >= self.watermark_us {
                    found.push(Held { parent, trigger, items: items.clone(), row });
                }
            }
        }
        Ok(())
    }
}

/// What is written to a partition of the new log.
#[derive(Debug, Default)]
pub struct Laid {
    /// Its records.
    pub drafts: Vec<Draft>,
    /// The last item of each parent: its number and its trigger.
    pub taken: Vec<(Place, i64, Trigger)>,
    /// Where the ledger counts the items.
    pub spots: Vec<Spot>,
}

/// Lays held items out for a log of so many partitions. What comes of the same items is the same every time.
pub fn lay_out(held: Vec<Held>, partitions: u32, is_source: impl Fn(u16) -> bool) -> Result<Vec<Laid>, wire::Error> {
    let mut targets: Vec<Vec<Held>> = (0..partitions).map(|_| Vec::new()).collect();
    for mut one in held {
        if !is_source(one.parent.topic) {
            (one.parent.partition, one.trigger) = (0, Trigger { offset: 0, item: 0, index: 0 });
        }
        let (key, id) = (one.items.keys().value(one.row), one.items.ids().value(one.row));
        targets[log_partition(if key.is_empty() { id } else { key }, partitions) as usize].push(one);
    }
    targets.into_iter().map(|held| target(held, &is_source)).collect()
}

fn target(mut held: Vec<Held>, is_source: &impl Fn(u16) -> bool) -> Result<Laid, wire::Error> {
    held.sort_by_key(|one| (one.parent, one.trigger));
    let mut laid = Laid { spots: held.iter().map(|one| one.items.spot(one.row)).collect(), ..Laid::default() };
    let mut left = &mut held[..];
    while let Some(first) = left.first() {
        let (parent, items) = (first.parent, first.items.clone());
        let mut fill = Fill::default();
        let is_next = |one: &&Held| one.parent == parent && Arc::ptr_eq(&one.items, &items);
        let run = left.iter().take_while(is_next).take_while(|one| fill.takes(bytes(&one.items, one.row))).count();
        let (now, later) = std::mem::take(&mut left).split_at_mut(run);
        let number = match laid.taken.last() {
            Some((last, number, _)) if *last == parent => *number,
            _ => {
                laid.taken.push((parent, 0, now[0].trigger));
                0
            }
        };
        if !is_source(parent.topic) {
            now.iter_mut().zip(number..).for_each(|(one, before)| one.trigger.index = before as i32);
        }
        laid.drafts.push(draft(parent, number + 1, &items, now)?);
        if let (Some(last), Some(one)) = (laid.taken.last_mut(), now.last()) {
            *last = (parent, number + run as i64, one.trigger);
        }
        left = later;
    }
    Ok(laid)
}

fn draft(parent: Place, first: i64, items: &Arc<Items>, run: &[Held]) -> Result<Draft, wire::Error> {
    let (mut rows, envelope) = (Rows::default(), items.envelope());
    for one in run {
        let (id, key) = (items.ids().value(one.row), items.keys().value(one.row));
        rows.push(0, one.trigger, items.origin(one.row), envelope.time_us[one.row], id, key);
    }
    let chosen = UInt32Array::from_iter_values(run.iter().map(|one| one.row as u32));
    for part in PARTS {
        if let Some(column) = items.columns().column_by_name(part) {
            rows.parts.push((part, take(column, &chosen, None)?));
        }
    }
    Ok(Draft { parents: vec![Parent { place: parent, first }], rows, ..Draft::default() })
}

/// About how many bytes an item takes.
fn bytes(items: &Items, row: usize) -> usize {
    let features = items.features().map_or(0, StructArray::num_columns) * FEATURE_BYTES;
    let named = items.ids().value(row).len() + items.keys().value(row).len();
    ENVELOPE_BYTES + named + items.event_bytes(row) + features
}
