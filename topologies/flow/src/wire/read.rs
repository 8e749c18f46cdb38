//! Decoding a poll of an internal log.

use super::Error;
use crate::items::{Fence, Head, Items, LogBatch, ORIGIN_SOURCE, PARENT, Parent};
use crate::names::{Names, Place};
use arrow::array::{Array, AsArray, ListArray, RecordBatch, StructArray};
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use schemas::codec::{Decoder, Framed};
use std::ops::Range;
use std::sync::Arc;

/// A record of an internal log as polled, its framing already taken off.
#[derive(Debug, Clone, Copy)]
pub struct Raw<'a> {
    /// Offset in the log.
    pub offset: i64,
    /// When the log appended it, milliseconds since the epoch.
    pub append_time_ms: i64,
    /// Schema id and body.
    pub framed: Framed<'a>,
}

/// Decodes the records of one log.
pub struct LogReader {
    decoder: Decoder,
    names: Arc<Names>,
}

impl LogReader {
    /// A reader of the log with the given Avro schema.
    pub fn new(schema: &str, names: Arc<Names>) -> Result<Self, Error> {
        Ok(LogReader { decoder: Decoder::new(schema)?, names })
    }

    /// Whether records with this schema id can be decoded.
    pub fn knows(&self, id: u32) -> bool {
        self.decoder.knows(id)
    }

    /// Makes a writer's schema known.
    pub fn add_writer(&mut self, id: u32, schema: &str) -> Result<(), Error> {
        Ok(self.decoder.add_writer(id, schema)?)
    }

    /// The names that places refer to.
    pub fn names(&self) -> &Arc<Names> {
        &self.names
    }

    /// Decodes one poll, in offset order.
    pub fn decode(&mut self, records: &[Raw<'_>]) -> Result<LogBatch, Error> {
        let framed: Vec<Framed<'_>> = records.iter().map(|record| record.framed).collect();
        let decoded = self.decoder.decode(&framed);
        if let Some((at, reject)) = decoded.rejected.first() {
            let detail = format!("{}: {}", reject.code.as_str(), reject.detail);
            return Err(Error::Damaged { offset: records[*at].offset, detail });
        }
        self.batch(records, &decoded.batch)
    }

    fn batch(&self, records: &[Raw<'_>], batch: &RecordBatch) -> Result<LogBatch, Error> {
        let lists = Lists::of(batch);
        let columns = lists.items.values().as_struct().clone();
        let sources = columns.column(ORIGIN_SOURCE).as_primitive::<Int32Type>().values().clone();
        let parent = columns.column(PARENT).as_primitive::<Int32Type>().values().clone();
        let mut origin_topics = vec![0; columns.len()];
        let mut parent_topics = vec![u16::MAX; columns.len()];
        let mut heads = Vec::with_capacity(records.len());
        for (row, record) in records.iter().enumerate() {
            let offset = record.offset;
            let items = range(lists.items, row);
            let topics = self.topics(lists.sources, row, offset)?;
            let parents = self.parents(lists.parents, row, offset)?;
            for at in items.clone() {
                let index = sources[at];
                let topic = usize::try_from(index).ok().and_then(|index| topics.get(index));
                let missing = || Error::Dangling { offset, item: at - items.start, index, len: topics.len() };
                origin_topics[at] = *topic.ok_or_else(missing)?;
                if let Some(parent) = parents.get(parent[at] as usize) {
                    parent_topics[at] = parent.place.topic;
                }
            }
            heads.push(Head {
                offset,
                append_time_ms: record.append_time_ms,
                parents,
                marks: self.marks(lists.marks, row, offset)?,
                fence: fence(lists.fence, row),
                items,
            });
        }
        Ok(LogBatch { records: heads, items: Arc::new(Items::new(columns, origin_topics, parent_topics)) })
    }

    fn number(&self, log: &str, offset: i64) -> Result<u16, Error> {
        self.names.number(log).ok_or_else(|| Error::UnknownLog { offset, log: log.to_owned() })
    }

    fn topics(&self, list: &ListArray, row: usize, offset: i64) -> Result<Vec<u16>, Error> {
        let names = list.values().as_string::<i32>();
        range(list, row).map(|at| self.number(names.value(at), offset)).collect()
    }

    fn place(&self, part: &StructArray, partition: usize, at: usize, offset: i64) -> Result<Place, Error> {
        let topic = self.number(part.column(0).as_string::<i32>().value(at), offset)?;
        let partition = part.column(partition).as_primitive::<Int32Type>().value(at);
        Ok(Place { topic, partition: partition as u16 })
    }

    fn parents(&self, list: &ListArray, row: usize, offset: i64) -> Result<Vec<Parent>, Error> {
        let part = list.values().as_struct();
        let firsts = part.column(3).as_primitive::<Int64Type>();
        range(list, row)
            .map(|at| Ok(Parent { place: self.place(part, 2, at, offset)?, first: firsts.value(at) }))
            .collect()
    }

    fn marks(&self, list: &ListArray, row: usize, offset: i64) -> Result<Vec<(Place, i64)>, Error> {
        let part = list.values().as_struct();
        let times = part.column(2).as_primitive::<TimestampMicrosecondType>();
        range(list, row).map(|at| Ok((self.place(part, 1, at, offset)?, times.value(at)))).collect()
    }
}

struct Lists<'a> {
    sources: &'a ListArray,
    parents: &'a ListArray,
    items: &'a ListArray,
    marks: &'a ListArray,
    fence: &'a StructArray,
}

impl<'a> Lists<'a> {
    fn of(batch: &'a RecordBatch) -> Self {
        Lists {
            sources: batch.column(0).as_list(),
            parents: batch.column(1).as_list(),
            items: batch.column(2).as_list(),
            marks: batch.column(3).as_list(),
            fence: batch.column(4).as_struct(),
        }
    }
}

fn range(list: &ListArray, row: usize) -> Range<usize> {
    let offsets = list.value_offsets();
    offsets[row] as usize..offsets[row + 1] as usize
}

fn fence(part: &StructArray, row: usize) -> Option<Fence> {
    part.is_valid(row).then(|| Fence {
        number: part.column(0).as_primitive::<Int64Type>().value(row),
        state: part.column(1).as_string::<i32>().value(row).to_owned(),
        signature: part.column(2).as_binary::<i32>().value(row).to_vec(),
    })
}
