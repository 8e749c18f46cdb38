//! Counting what is really in the logs, for comparing with what tasks said. Repeats are dropped by number, as readers do;
//! what stops a reader is noted here, and counting goes on.

use super::{BUCKET_OFFSETS, Counts, OriginHash, bucket};
use crate::items::LogBatch;
use crate::names::{Names, Place};
use crate::plan;
use crate::reader::{Reader, Refusal, Trigger};
use crate::wire::Origin;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An item of a log, however it was stored.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    /// Offset of its record.
    pub offset: i64,
    /// Partition of the task that wrote it.
    pub parent: Place,
    /// Its emission number.
    pub number: i64,
    /// Its trigger.
    pub trigger: Trigger,
    /// Where its event came from.
    pub origin: Origin,
    /// Event id.
    pub id: &'a str,
}

/// Something in a log that stops its readers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oddity {
    /// The log's partition, `topic/partition`.
    pub log: String,
    /// Offset of the record.
    pub offset: i64,
    /// Event id of the item at which it shows.
    pub id: String,
    /// Source topic, partition and bucket of that item.
    pub bucket: (String, u16, i64),
    /// What is wrong.
    pub what: String,
}

/// From, to, source partition, bucket.
type Key = (u16, u16, Place, i64);

/// Counts of what is in logs and topics.
#[derive(Debug)]
pub struct Recount {
    names: Arc<Names>,
    hashes: BTreeMap<Place, OriginHash>,
    /// Everything there is.
    all: BTreeMap<Key, Counts>,
    /// What a reader at its position has taken, by reader.
    taken: BTreeMap<(Arc<str>, Key), Counts>,
    readers: BTreeMap<Place, Reader>,
    public: BTreeMap<(Place, Place), (i64, i32, i32)>,
    letters: BTreeSet<(u16, Place, i64, u32)>,
    /// Sources of which something was retried after the ledger was read.
    retried: BTreeSet<String>,
    cut: BTreeSet<Place>,
    /// What stops readers.
    pub oddities: Vec<Oddity>,
}

impl Recount {
    /// Nothing counted yet.
    pub fn new(names: Arc<Names>) -> Self {
        let (hashes, all, taken, readers, public, letters, retried, cut, oddities) = Default::default();
        Recount { names, hashes, all, taken, readers, public, letters, retried, cut, oddities }
    }

    /// The partition's beginning is gone: what there is says nothing of what there was.
    pub fn cut(&mut self, own: Place) {
        self.cut.insert(own);
    }

    /// Whether the beginning of some partition of a topic is gone.
    pub fn is_cut(&self, topic: &str) -> bool {
        self.cut.iter().any(|place| **self.names.topic(place.topic) == *topic)
    }

    fn hash(&mut self, origin: Origin) -> u128 {
        let Place { topic, partition } = origin.place;
        let names = &self.names;
        let new = || OriginHash::new(names.topic(topic), partition);
        self.hashes.entry(origin.place).or_insert_with(new).of(origin.offset)
    }

    fn count(&mut self, from: u16, to: u16, origin: Origin, readers: &[(Arc<str>, i64)], offset: i64) {
        let hash = self.hash(origin);
        let key = (from, to, origin.place, bucket(origin.offset));
        let one = Counts { emitted: 1, digest: hash, ..Counts::default() };
        self.all.entry(key).or_default().add(&one);
        for (reader, _) in readers.iter().filter(|(_, position)| offset < *position) {
            self.taken.entry((reader.clone(), key)).or_default().add(&one);
        }
    }

    /// Items of decoded records of a log's partition, in order. Each reader is named with how far it is.
    pub fn batch(&mut self, own: Place, batch: &LogBatch, readers: &[(Arc<str>, i64)]) {
        let envelope = batch.items.envelope();
        for head in &batch.records {
            let mut numbers: Vec<i64> = head.parents.iter().map(|parent| parent.first).collect();
            for row in head.items.clone() {
                let at = envelope.parent[row] as usize;
                let (Some(parent), Some(number)) = (head.parents.get(at), numbers.get_mut(at)) else { continue };
                let item = Item {
                    offset: head.offset,
                    parent: parent.place,
                    number: *number,
                    trigger: envelope.trigger(row),
                    origin: batch.items.origin(row),
                    id: batch.items.ids().value(row),
                };
                *number += 1;
                self.item(own, item, readers);
            }
        }
    }

    /// One item of a log's partition.
    pub fn item(&mut self, own: Place, item: Item<'_>, readers: &[(Arc<str>, i64)]) {
        let Item { offset, parent, number, trigger, origin, id } = item;
        let reader = self.readers.entry(own).or_default();
        let refusal = match reader.take(parent, number, trigger) {
            Ok(false) => return,
            Ok(true) => None,
            Err(refusal) => Some(refusal),
        };
        if let Some(refusal) = refusal {
            let mut last = reader.save();
            last.retain(|(place, ..)| *place != parent);
            last.push((parent, number, trigger));
            *reader = Reader::restore(&last);
            let who = self.names.show(parent);
            let what = match refusal {
                Refusal::Gap { expected } if expected == number - 1 => {
                    format!("item {expected} of {who} is missing before it")
                }
                Refusal::Gap { expected } => {
                    format!("items {expected} to {} of {who} are missing before it", number - 1)
                }
                Refusal::Divergence { last: (last, at) } => format!(
                    "it is item {number} of {who} from {}.{}.{}, which does not follow item {last} from {}.{}.{}",
                    trigger.offset, trigger.item, trigger.index, at.offset, at.item, at.index
                ),
            };
            let place = origin.place;
            let bucket = (self.names.topic(place.topic).to_string(), place.partition, bucket(origin.offset));
            // Where the beginning is gone, numbers begin anywhere.
            if !self.cut.contains(&own) || refusal != (Refusal::Gap { expected: 1 }) {
                self.oddities.push(Oddity { log: self.names.show(own), offset, id: id.to_owned(), bucket, what });
            }
        }
        self.count(parent.topic, own.topic, origin, readers, offset);
    }

    /// A public record: the partition whose task wrote it, its trigger, and its origin. One that is not above the highest
    /// of that partition is a repeat.
    pub fn public(&mut self, own: Place, parent: Place, trigger: Trigger, origin: Origin) {
        let position = (trigger.offset, trigger.item, trigger.index);
        let last = self.public.entry((own, parent)).or_insert((-1, -1, -1));
        if position > *last {
            *last = position;
            self.count(parent.topic, own.topic, origin, &[], 0);
        }
    }

    /// A dead letter or a late record; copies and parts count once. `attempt` says how often it was retried before.
    pub fn letter(&mut self, own: u16, origin: Origin, attempt: u32) {
        if !self.letters.insert((own, origin.place, origin.offset, attempt)) {
            return;
        }
        let source = self.names.topic(origin.place.topic);
        let retries = (attempt > 0).then(|| self.names.number(&plan::Names::retries(source)));
        let from = retries.map_or(origin.place.topic, |retries| retries.unwrap_or(u16::MAX));
        self.count(from, own, origin, &[], 0);
    }

    /// A retried dead letter below the position of its validator, in the topic of retries.
    pub fn retry(&mut self, own: u16, origin: Origin) {
        let source = self.names.topic(origin.place.topic);
        let dead = self.names.number(&plan::Names::dead_letters(source));
        self.count(dead.unwrap_or(u16::MAX), own, origin, &[], 0);
    }

    /// Something of a source was retried after the ledger was read: more than it tells of is no difference.
    pub fn retried_since(&mut self, source: &str) {
        self.retried.insert(source.to_owned());
    }

    /// Whether something of a source was retried after the ledger was read.
    pub fn was_retried_since(&self, source: &str) -> bool {
        self.retried.contains(source)
    }

    /// A source record below the position of its validator.
    pub fn source(&mut self, origin: Origin) {
        self.count(u16::MAX, origin.place.topic, origin, &[], 0);
    }

    fn key(&self, from: &str, to: &str, (source, partition, bucket): (&str, u16, i64)) -> Option<Key> {
        let from = if from == super::OUTSIDE { u16::MAX } else { self.names.number(from)? };
        let source = Place { topic: self.names.number(source)?, partition };
        Some((from, self.names.number(to)?, source, bucket))
    }

    /// What is there of an edge in a bucket.
    pub fn all(&self, from: &str, to: &str, bucket: (&str, u16, i64)) -> Counts {
        self.key(from, to, bucket).and_then(|key| self.all.get(&key).copied()).unwrap_or_default()
    }

    /// The same below the positions of a reader.
    pub fn taken(&self, reader: &str, from: &str, to: &str, bucket: (&str, u16, i64)) -> Counts {
        let key = self.key(from, to, bucket).map(|key| (Arc::from(reader), key));
        key.and_then(|key| self.taken.get(&key).copied()).unwrap_or_default()
    }
}

/// Offset of the one source record that makes up the difference of two counts, if it is one: the record that is missing
/// from the first, or there once too often.
pub fn named(found: &Counts, expected: &Counts, hash: OriginHash, bucket: i64) -> Option<i64> {
    let difference = match found.total().cast_signed() - expected.total().cast_signed() {
        1 => found.digest.wrapping_sub(expected.digest),
        -1 => expected.digest.wrapping_sub(found.digest),
        _ => return None,
    };
    let first = bucket * BUCKET_OFFSETS;
    (first..first + BUCKET_OFFSETS).find(|offset| hash.of(*offset) == difference)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: Place = Place { topic: 0, partition: 2 };
    const LOG: Place = Place { topic: 1, partition: 0 };

    fn recount(items: &[(i64, i64)]) -> Recount {
        let mut recount = Recount::new(Arc::new(Names::new([("source", 0), ("log", 1)])));
        for (at, (number, source)) in items.iter().enumerate() {
            let trigger = Trigger { offset: *source, item: 0, index: 0 };
            let origin = Origin { place: SOURCE, offset: *source };
            let item = Item { offset: at as i64, parent: SOURCE, number: *number, trigger, origin, id: "e" };
            recount.item(LOG, item, &[("reader".into(), 3)]);
        }
        recount
    }

    #[track_caller]
    fn check(items: &[(i64, i64)], total: u64, what: &[&str], record: Option<i64>) {
        let [found, whole] = [recount(items), recount(&[(1, 10), (2, 20), (3, 30), (4, 40)])];
        let counts = |recount: &Recount| recount.all("source", "log", ("source", 2, 0));
        assert_eq!(counts(&found).total(), total);
        let said: Vec<&str> = found.oddities.iter().map(|oddity| oddity.what.as_str()).collect();
        assert_eq!(said, what);
        assert_eq!(named(&counts(&found), &counts(&whole), OriginHash::new("source", 2), 0), record);
    }

    #[test]
    fn repeats_count_once_and_what_stops_readers_is_named() {
        check(&[(1, 10), (2, 20), (1, 10), (2, 20), (3, 30), (4, 40)], 4, &[], None);
        check(&[(1, 10), (2, 20), (4, 40)], 3, &["item 3 of source/2 is missing before it"], Some(30));
        let out_of_order = "it is item 3 of source/2 from 20.0.0, which does not follow item 2 from 30.0.0";
        check(&[(1, 10), (2, 30), (3, 20), (4, 40)], 4, &[out_of_order], None);
        let doubled = "it is item 3 of source/2 from 20.0.0, which does not follow item 2 from 20.0.0";
        check(&[(1, 10), (2, 20), (3, 20), (4, 30), (5, 40)], 5, &[doubled], Some(20));
    }

    #[test]
    fn a_reader_has_taken_what_is_below_its_position() {
        let recount = recount(&[(1, 10), (2, 20), (1, 10), (3, 30)]);
        assert_eq!(recount.taken("reader", "source", "log", ("source", 2, 0)).total(), 2);
        assert_eq!(recount.all("source", "log", ("source", 2, 0)).total(), 3);
        assert_eq!(recount.all("source", "log", ("source", 2, 1)).total(), 0);
    }
}
