//! Records of a part of a topic, from the log or through the gateway of the process that has it.

use std::ops::Range;
use std::time::Duration;

use runtime::log::{Record, SessionOptions, TopicPartition};

use super::bounds::Part;
use crate::commands::dlq::read;
use crate::environment::Environment;
use crate::error::Error;
use crate::remote::Remote;

/// Longest wait for records that are there.
const POLL_MS: u64 = 200;
/// Records from a gateway that are handed on together.
const BATCH_RECORDS: usize = 4_096;
/// The session's name.
const CLIENT_ID: &str = "tidemill.sql";

/// Takes records of a partition; an error ends the reading.
pub type Take<'a> = dyn FnMut(&TopicPartition, &[Record]) -> Result<(), Error> + 'a;

/// Hands the records of one partition's range to `take`, in order.
pub fn read(
    environment: &Environment,
    tp: &TopicPartition,
    offsets: &Range<i64>,
    take: &mut Take,
) -> Result<(), Error> {
    let mut next = offsets.start;
    if offsets.is_empty() {
        return Ok(());
    }
    let options = SessionOptions::assigned(CLIENT_ID, vec![(tp.clone(), next)]);
    let mut session = environment.context.log.session(options)?;
    while next < offsets.end {
        for (_, mut records) in session.poll(Duration::from_millis(POLL_MS))?.records {
            next = records.last().map_or(next, |record| record.offset + 1);
            records.retain(|record| record.offset < offsets.end);
            take(tp, &records)?;
        }
        environment.signals.check()?;
    }
    Ok(session.close()?)
}

/// The same of all partitions, through a gateway, which shows them mixed.
pub fn read_beside(remote: &Remote, part: &Part, take: &mut Take) -> Result<(), Error> {
    let first = part.offsets.iter().filter(|(_, offsets)| !offsets.is_empty()).map(|(_, offsets)| offsets.start).min();
    let Some(first) = first else { return Ok(()) };
    let mut waiting: Vec<(TopicPartition, Vec<Record>)> =
        part.offsets.iter().map(|(tp, _)| (tp.clone(), Vec::new())).collect();
    read::read_beside(remote, &part.topic, &first.to_string(), |tp, record| {
        if !part.has(tp, record.offset, record.append_time_ms) {
            return Ok(());
        }
        let Some((_, records)) = waiting.iter_mut().find(|(of, _)| of == tp) else { return Ok(()) };
        records.push(record);
        if records.len() < BATCH_RECORDS {
            return Ok(());
        }
        take(tp, &std::mem::take(records))
    })?;
    waiting.iter().filter(|(_, records)| !records.is_empty()).try_for_each(|(tp, records)| take(tp, records))
}
