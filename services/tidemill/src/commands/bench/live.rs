//! Publishing by the clock: so many events a second whether or not the services keep up.

use arrow::array::RecordBatch;

use super::args::Feed;
use super::direct::Director;
use super::mark::Mark;
use super::prepare::{self, Batches};
use super::subscriber::{Due, Subscriber};
use crate::error::Error;
use crate::publish::{self, Pace, Publisher};

/// Publishes what goes before, waits until it is through, and then publishes the rest at the rate. Labels that have not
/// become known by then stay unpublished. Returns who reads the predictions, and when their events were due.
pub fn publish(director: &mut Director<'_>, feed: &Feed, rate: f64) -> Result<(Subscriber, Due), Error> {
    let (schema, batches) = prepare::open(feed)?;
    let mut publisher = prepare::publisher(director.environment, feed, &schema)?;
    let (before, mut rest) = split(batches, prepare::before_live(feed))?;
    push(&mut publisher, before.into_iter().map(Ok))?;
    let mut rest = std::iter::from_fn(|| rest.next()).peekable();
    if rest.peek().is_none() {
        let events = publisher.end()?.events;
        let why = format!("the file has {events} events, and so many go before the clock starts; lower --transactions");
        return Err(Error::Input(why));
    }
    publisher.go_on(Pace::Rate(rate))?;
    director.through()?;
    let subscriber = Subscriber::start(director.environment)?;
    let sent = publisher.summary();
    let ends = ends(director)?;
    director.tell(Mark::Live { events: sent.events, labels: sent.labels })?;
    push(&mut publisher, rest)?;
    let due = Due { from: ends, at: publisher.take_due() };
    let sent = publisher.end()?;
    director.tell(Mark::Published { events: sent.events, labels: sent.labels })?;
    Ok((subscriber, due))
}

fn push(
    publisher: &mut Publisher,
    batches: impl Iterator<Item = Result<RecordBatch, publish::Error>>,
) -> Result<(), Error> {
    for batch in batches {
        if !publisher.push(&batch?)? {
            return Err(Error::Interrupted);
        }
    }
    Ok(())
}

/// The first rows, and what comes after them.
fn split(mut batches: Batches, rows: u64) -> Result<(Vec<RecordBatch>, Batches), Error> {
    let (mut before, mut left) = (Vec::new(), usize::try_from(rows).unwrap_or(usize::MAX));
    while left > 0 {
        let Some(batch) = batches.next().transpose()? else { break };
        let taken = batch.num_rows().min(left);
        before.push(batch.slice(0, taken));
        left -= taken;
        if taken < batch.num_rows() {
            let rest = batch.slice(taken, batch.num_rows() - taken);
            return Ok((before, Box::new(std::iter::once(Ok(rest)).chain(batches))));
        }
    }
    Ok((before, batches))
}

/// Ends of the events topic's partitions.
fn ends(director: &Director<'_>) -> Result<Vec<i64>, Error> {
    let context = &director.environment.context;
    let bounds = context.bounds(&context.plan.names.events)?;
    Ok(bounds.into_iter().map(|(_, _, end)| end).collect())
}
