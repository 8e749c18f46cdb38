//! Counting what is in the logs themselves, and comparing it with what tasks said of them.

use super::{Error, Verified, judged};
use crate::context::{self, Context};
use crate::log::{self, Header, Record, SessionOptions, TopicPartition};
use flow::fence::Control;
use flow::items::LogBatch;
use flow::ledger::{Counts, OUTSIDE, Oddity, OriginHash, Recount, Row, Sample, Side, named};
use flow::names::{Names, Place};
use flow::plan::{Kind, Names as Planned};
use flow::processor::Stop;
use flow::public::{EMISSION_HEADER, ORIGIN_HEADER};
use flow::reader::Trigger;
use flow::wire::{self, Origin, Raw};
use schemas::framing;
use schemas::reject::names::{ATTEMPT, IDENTITY};
use std::sync::Arc;
use std::time::Duration;

/// Longest wait for records that are there.
const POLL_MS: u64 = 200;

/// Counts sources, logs, predictions, outcomes, refusals, dead letters and late records, up to where they end now. `sample` says
/// how far readers are.
pub fn recount(context: &Context, sample: &Sample) -> Result<Recount, Error> {
    let mut recount = Recount::new(context.names.clone());
    for topic in &context.plan.topics {
        for (tp, start, end) in context.bounds(&topic.name)? {
            if start > 0 {
                recount.cut(place(&context.names, &tp));
            }
            match topic.kind {
                Kind::Log => log(context, sample, &tp, (start, end), &mut recount)?,
                Kind::Source => {
                    let position = judged(&context.plan, sample, &tp.topic, tp.partition as u16);
                    let place = place(&context.names, &tp);
                    read(context, &tp, (start, end.min(position)), |records| {
                        let offsets = records.iter().map(|record| record.offset);
                        offsets.for_each(|offset| recount.source(Origin { place, offset }));
                        Ok::<_, Error>(())
                    })?;
                }
                Kind::Retry => {
                    let position = judged(&context.plan, sample, &tp.topic, tp.partition as u16);
                    read(context, &tp, (start, end.min(position)), |records| {
                        let retried = records.iter().filter_map(|record| retried(context, &tp, record));
                        retried.for_each(|marked| marked.count(place(&context.names, &tp), &mut recount));
                        Ok::<_, Error>(())
                    })?;
                }
                Kind::Predictions | Kind::Outcomes | Kind::Refusals | Kind::Dlq | Kind::Late => {
                    read(context, &tp, (start, end), |records| {
                        records.iter().try_for_each(|record| marked(context, &tp, (topic.kind, record), &mut recount))
                    })?;
                }
                _ => {}
            }
        }
    }
    let now = super::ends(context)?;
    for source in context.plan.names.sources() {
        let retries = Planned::retries(source);
        let mut ends = now.iter().filter(|((topic, _), _)| *topic == retries);
        if ends.any(|(place, end)| sample.ends.get(place) != Some(end)) {
            recount.retried_since(source);
        }
    }
    Ok(recount)
}

/// What a record in a topic of retries says, if it names a letter of its partition.
fn retried(context: &Context, tp: &TopicPartition, record: &Record) -> Option<Marked> {
    Marked::of(&context.names, Kind::Retry, last(record))
        .filter(|marked| marked.is_of(&context.names, (&tp.topic, tp.partition as u16)))
}

/// The last header of a name.
fn last<'r>(record: &'r Record) -> impl Fn(&str) -> Option<&'r str> {
    move |name| record.headers.iter().rfind(|header| header.name == name).and_then(Header::text)
}

fn place(names: &Names, tp: &TopicPartition) -> Place {
    Place { topic: names.number(&tp.topic).unwrap_or(u16::MAX), partition: tp.partition as u16 }
}

/// Reads a partition from one offset to another.
pub(crate) fn read<E: From<log::Error>>(
    context: &Context,
    tp: &TopicPartition,
    (start, end): (i64, i64),
    mut each: impl FnMut(&[Record]) -> Result<(), E>,
) -> Result<(), E> {
    let mut next = start;
    if next >= end {
        return Ok(());
    }
    let mut session = context.log.session(SessionOptions::assigned("tidemill.recount", vec![(tp.clone(), start)]))?;
    while next < end {
        for (_, records) in session.poll(Duration::from_millis(POLL_MS))?.records {
            let below = records.partition_point(|record| record.offset < end);
            each(&records[..below])?;
            next = records.last().map_or(next, |record| record.offset + 1);
        }
    }
    Ok(session.close()?)
}

fn log(
    context: &Context,
    sample: &Sample,
    tp: &TopicPartition,
    bounds: (i64, i64),
    recount: &mut Recount,
) -> Result<(), Error> {
    let readers = context.plan.tasks.iter().filter(|task| task.reads.iter().any(|topic| **topic == *tp.topic));
    let position = |group: &str| sample.position(group, &tp.topic, tp.partition as u16);
    let readers: Vec<(Arc<str>, i64)> =
        readers.map(|task| (Arc::from(task.group_id.as_str()), position(&task.group_id))).collect();
    let own = place(&context.names, tp);
    batches(context, tp, bounds, |batch| {
        if is_handed_over(batch) {
            // What was written before is in the logs of another generation.
            recount.cut(own);
        }
        recount.batch(own, batch, &readers);
        Ok(())
    })
}

/// Whether the log begins here, with the state of another generation.
pub(crate) fn is_handed_over(batch: &LogBatch) -> bool {
    let mut fences = batch.records.iter().filter_map(|head| head.fence.as_ref()).filter(|fence| fence.number == 0);
    fences.any(|fence| Control::read(fence).is_ok_and(|control| control.handed_over.is_some()))
}

/// Reads a partition of an internal log from one offset to another, decoded.
pub(crate) fn batches<E: From<log::Error> + From<context::Error> + From<Stop>>(
    context: &Context,
    tp: &TopicPartition,
    bounds: (i64, i64),
    mut each: impl FnMut(&LogBatch) -> Result<(), E>,
) -> Result<(), E> {
    let (mut reader, schemas) = (context.reader(&tp.topic)?, context.schema_source());
    read(context, tp, bounds, |records| {
        let mut raw = Vec::with_capacity(records.len());
        for record in records {
            let damaged = |detail: String| Stop::from(wire::Error::Damaged { offset: record.offset, detail });
            let headers = record.headers.iter().map(|header| (&*header.name, header.value.as_deref()));
            let framed =
                framing::split(record.value.as_deref(), headers).map_err(|reject| damaged(reject.to_string()))?;
            if !reader.knows(framed.id) {
                let unknown = || damaged(format!("schema id {} is not in the registry", framed.id));
                let schema = schemas.schema(framed.id).ok_or_else(unknown)?;
                reader.add_writer(framed.id, &schema).map_err(context::Error::from)?;
            }
            raw.push(Raw { offset: record.offset, append_time_ms: record.append_time_ms, framed });
        }
        each(&reader.decode(&raw).map_err(context::Error::from)?)
    })
}

fn marked(
    context: &Context,
    tp: &TopicPartition,
    (kind, record): (Kind, &Record),
    recount: &mut Recount,
) -> Result<(), Error> {
    if is_of_another(&context.names, last(record)) {
        recount.cut(place(&context.names, tp));
        return Ok(());
    }
    let marked = Marked::of(&context.names, kind, last(record)).ok_or_else(|| Error::Foreign {
        topic: tp.topic.clone(),
        offset: record.offset,
        detail: "its headers do not say where it came from".to_owned(),
    })?;
    marked.count(place(&context.names, tp), recount);
    Ok(())
}

/// Whether these are the headers of a record that a task of another generation wrote.
pub fn is_of_another<'a>(names: &Names, header: impl Fn(&str) -> Option<&'a str>) -> bool {
    header(EMISSION_HEADER).is_some_and(|text| emission(names, text).is_none())
}

/// What the header with an emission identity says: the parent and the trigger.
pub(crate) fn emission(names: &Names, text: &str) -> Option<(Place, Trigger)> {
    let (parent, at) = position(names, text)?;
    let mut parts = at.split('.');
    let offset = parts.next()?.parse().ok()?;
    let (item, index) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some((parent, Trigger { offset, item, index }))
}

/// `topic/partition@rest`.
fn position<'a>(names: &Names, text: &'a str) -> Option<(Place, &'a str)> {
    let (place, rest) = text.split_once('@')?;
    let (topic, partition) = place.rsplit_once('/')?;
    Some((Place { topic: names.number(topic)?, partition: partition.parse().ok()? }, rest))
}

/// What the headers of a public record, a dead letter or a late record say of where it came from.
#[derive(Debug, Clone, Copy)]
pub struct Marked {
    kind: Kind,
    emission: Option<(Place, Trigger)>,
    origin: Origin,
    attempt: u32,
}

impl Marked {
    /// Reads the headers, the last one of each name; `None` when what a record of this kind needs is missing.
    pub fn of<'a>(names: &Names, kind: Kind, header: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        let origin = || {
            let (place, offset) = position(names, header(ORIGIN_HEADER)?)?;
            Some(Origin { place, offset: offset.parse().ok()? })
        };
        let identity = || {
            // Topic, partition, offset, service.
            let mut parts = header(IDENTITY)?.rsplitn(4, '/').skip(1);
            let (offset, partition) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            Some(Origin { place: Place { topic: names.number(parts.next()?)?, partition }, offset })
        };
        let emission = || emission(names, header(EMISSION_HEADER)?);
        let attempt = || header(ATTEMPT)?.parse::<u32>().ok();
        let (emission, origin, attempt) = match kind {
            Kind::Dlq | Kind::Retry => (None, identity()?, attempt().unwrap_or(0)),
            Kind::Late => (None, origin()?, 0),
            _ => (Some(emission()?), origin()?, 0),
        };
        Some(Marked { kind, emission, origin, attempt })
    }

    /// Whether it was retried through this partition of a topic of retries, and is not a stray there.
    pub fn is_of(&self, names: &Names, (topic, partition): (&str, u16)) -> bool {
        let place = self.origin.place;
        *topic == Planned::retries(names.topic(place.topic)) && partition == place.partition && self.attempt > 0
    }

    /// How often the record was retried before; in a topic of retries this one counts, too.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The source record.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Counts the record in the topic's partition.
    pub fn count(self, own: Place, recount: &mut Recount) {
        match self.emission {
            Some((parent, trigger)) => recount.public(own, parent, trigger, self.origin),
            None if self.kind == Kind::Retry => recount.retry(own.topic, self.origin),
            None => recount.letter(own.topic, self.origin, self.attempt),
        }
    }
}

/// What is in a log or topic, and what a task said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What the writer reads.
    pub from: String,
    /// What it writes.
    pub to: String,
    /// Who said it: the consumer group.
    pub who: String,
    /// Source topic, partition and bucket.
    pub bucket: (String, u16, i64),
    /// What it said.
    pub said: Counts,
    /// What there is.
    pub found: Counts,
    /// The source record that makes up the difference, if it is one.
    pub record: Option<i64>,
}

/// Where logs and topics hold something else than tasks said, as far as that is certain, and what stops readers.
pub fn differences(recount: &Recount, verified: &Verified) -> (Vec<Difference>, Vec<Oddity>) {
    let mut found = Vec::new();
    let mut differ = |(from, to): (&str, &str),
                      who: &str,
                      (topic, partition, bucket): &(Arc<str>, u16, i64),
                      said: Counts,
                      there: Counts| {
        let record = named(&there, &said, OriginHash::new(topic, *partition), *bucket);
        let (from, to, who) = (from.to_owned(), to.to_owned(), who.to_owned());
        let bucket = (topic.to_string(), *partition, *bucket);
        found.push(Difference { from, to, who, bucket, said, found: there, record });
    };
    for standing in &verified.standings {
        let edge = &verified.edges[standing.edge];
        if recount.is_cut(&edge.to) {
            continue;
        }
        let (ends, bucket) = ((edge.from.as_str(), edge.to.as_str()), &standing.bucket);
        let at = (&*bucket.0, bucket.1, bucket.2);
        let there = recount.all(ends.0, ends.1, at);
        let settled = standing.settled && !recount.was_retried_since(&edge.source);
        let certain = settled || there.total() < standing.written.total();
        if certain && !there.agrees(&standing.written) {
            differ(ends, &edge.writer, bucket, standing.written, there);
        }
        if let Some(reader) = &standing.reader {
            let taken = recount.taken(reader, ends.0, ends.1, at);
            if !taken.agrees(&standing.read) {
                differ(ends, reader, bucket, standing.read, taken);
            }
        }
    }
    // Nobody of ours counts what is written to a source, or to a topic of retries.
    let is_first = |row: &Row| *row.from == *OUTSIDE || *row.to == *Planned::retries(&row.source);
    let first = verified.sample.rows().filter(|(_, row)| row.side == Side::Read && is_first(row));
    // Validators of other generations have said something of the same sources.
    let is_ours = |task: &str| verified.edges.iter().any(|edge| edge.writer == *task);
    for (task, row) in first.filter(|(task, row)| !recount.is_cut(&row.to) && is_ours(task)) {
        let bucket = (row.source.clone(), row.source_partition, row.bucket);
        let there = recount.all(&row.from, &row.to, (&*row.source, row.source_partition, row.bucket));
        if !there.agrees(&row.counts) {
            differ((&*row.from, &*row.to), task, &bucket, row.counts, there);
        }
    }
    found.sort_by(|left, right| (&left.to, &left.bucket, &left.who).cmp(&(&right.to, &right.bucket, &right.who)));
    found.dedup();
    (found, recount.oddities.clone())
}
