//! How far the events are: the newest event time that the pipeline has accepted. Where history is published that is
//! long before the time of day.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use flow::wire::{LogReader, Raw};
use runtime::context::Context;
use runtime::log::{Record, SessionOptions};
use schemas::framing::split;

use crate::answer::{Answer, Problem};

/// Longest wait for the last records of the log.
const WAIT_MS: u64 = 5_000;
/// Longest wait of one poll.
const POLL_MS: u64 = 200;

/// The newest event time in the last records of the first entity's log, marks included; none before the first event.
pub(crate) fn newest_us(context: &Context) -> Answer<Option<i64>> {
    let log = context.plan.names.first_log();
    let bounds = context.bounds(log).map_err(Problem::outside)?;
    let last: Vec<_> =
        bounds.into_iter().filter(|(_, start, end)| end > start).map(|(tp, _, end)| (tp, end - 1)).collect();
    let mut unread: BTreeSet<_> = last.iter().map(|(tp, _)| tp.clone()).collect();
    let mut reader = context.reader(log).map_err(Problem::ours)?;
    let options = SessionOptions::assigned(format!("{}.gateway.newest", context.pipeline.name), last);
    let mut session = context.log.session(options).map_err(Problem::outside)?;
    let (since, mut newest) = (Instant::now(), None);
    while !unread.is_empty() && since.elapsed() < Duration::from_millis(WAIT_MS) {
        let poll = session.poll(Duration::from_millis(POLL_MS)).map_err(Problem::outside)?;
        for (tp, records) in poll.records {
            unread.remove(&tp);
            for record in &records {
                newest = newest.max(of_record(context, &mut reader, record)?);
            }
        }
    }
    session.close().map_err(Problem::outside)?;
    Ok(newest)
}

fn of_record(context: &Context, reader: &mut LogReader, record: &Record) -> Answer<Option<i64>> {
    let framed = split(record.value.as_deref(), []).map_err(Problem::ours)?;
    if !reader.knows(framed.id) {
        let schema = context.schemas.by_id(framed.id).map_err(Problem::outside)?;
        let schema = schema.ok_or_else(|| Problem::ours(format!("no schema has the id {}", framed.id)))?;
        reader.add_writer(framed.id, &schema).map_err(Problem::ours)?;
    }
    let raw = Raw { offset: record.offset, append_time_ms: record.append_time_ms, framed };
    let batch = reader.decode(&[raw]).map_err(Problem::ours)?;
    let marks = batch.records.iter().flat_map(|head| &head.marks).map(|(_, mark_us)| *mark_us);
    Ok(batch.items.envelope().time_us.iter().copied().chain(marks).max())
}
