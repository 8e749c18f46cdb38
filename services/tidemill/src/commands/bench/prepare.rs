//! What a measured run finds: topics, a champion, and events.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use runtime::apply::apply;

use super::args::Feed;
use super::model;
use super::place::Place;
use crate::demo::table;
use crate::environment::Environment;
use crate::error::Error;
use crate::output::note;
use crate::publish::file::Source;
use crate::publish::{self, Options, Pace, Publisher, Summary};

/// Simulated transactions, where nobody says how many.
const SIMULATED: u64 = 200_000;
/// Events that go through before the clock starts, where nobody says how many.
const BEFORE_LIVE: u64 = 100_000;

/// Rows of a table, in its order.
pub type Batches = Box<dyn Iterator<Item = Result<RecordBatch, publish::Error>> + Send>;

/// The same feed with a file in any case: without one, transactions are simulated.
pub fn resolve(feed: &Feed, place: &Place) -> Result<Feed, Error> {
    if feed.events.is_some() {
        return Ok(feed.clone());
    }
    let count = rows(feed).unwrap_or(SIMULATED);
    note(&format!("simulating {count} card transactions"));
    let file = place.file("simulated.parquet");
    table::write(&file, count)?;
    let label_column = Some(table::LABEL.to_owned());
    Ok(Feed { events: Some(file), label_column, ..feed.clone() })
}

/// How many events a feed takes; none means all there are.
pub fn rows(feed: &Feed) -> Option<u64> {
    match feed.live {
        None => feed.transactions,
        Some(rate) => Some(before_live(feed) + (rate * feed.seconds as f64) as u64),
    }
}

/// How many of them go through before the clock starts.
pub fn before_live(feed: &Feed) -> u64 {
    feed.transactions.unwrap_or(BEFORE_LIVE)
}

/// The table of a feed, cut to what it takes.
pub fn open(feed: &Feed) -> Result<(SchemaRef, Batches), Error> {
    let file = feed.events.as_ref().ok_or_else(|| Error::Failed("no file of events was named".to_owned()))?;
    let source = Source::open(file)?;
    let mut left = rows(feed).map_or(usize::MAX, |rows| usize::try_from(rows).unwrap_or(usize::MAX));
    let batches = source.batches.map_while(move |batch| match batch {
        Ok(_) if left == 0 => None,
        Ok(batch) => {
            let batch = batch.slice(0, batch.num_rows().min(left));
            left -= batch.num_rows();
            Some(Ok(batch))
        }
        error => Some(error),
    });
    Ok((source.schema, Box::new(batches)))
}

/// How a feed's table becomes records, as fast as the log takes them.
pub fn options(feed: &Feed) -> Options {
    Options {
        map: feed.map.clone(),
        label_column: feed.label_column.clone(),
        label_delay_us: i64::try_from(feed.label_delay.as_micros()).unwrap_or(i64::MAX),
        pace: Pace::Full,
    }
}

/// Creates topics and makes a model the champion, before the first event.
pub fn champion(environment: &Environment, feed: &Feed, simulated: bool) -> Result<(), Error> {
    apply(&environment.context)?;
    let pipeline = &environment.context.pipeline;
    model::champion(environment, feed).map_err(|error| match error {
        Error::Publish(error @ (publish::Error::NoColumn { .. } | publish::Error::Type { .. })) if simulated => {
            Error::Input(format!(
                "simulated card transactions do not fit pipeline {} ({error}); name a file with --events",
                pipeline.name
            ))
        }
        other => other,
    })
}

/// A publisher of the feed that stops when the program is asked to.
pub fn publisher(environment: &Environment, feed: &Feed, table: &SchemaRef) -> Result<Publisher, Error> {
    let stop = environment.signals.stop().clone();
    let told = Arc::new(move || stop.load(Ordering::Relaxed));
    Ok(Publisher::open(&environment.context, table, &options(feed), told)?)
}

/// Publishes everything.
pub fn publish(environment: &Environment, feed: &Feed) -> Result<Summary, Error> {
    let (schema, batches) = open(feed)?;
    let mut publisher = publisher(environment, feed, &schema)?;
    for batch in batches {
        if !publisher.push(&batch?)? {
            publisher.end()?;
            return Err(Error::Interrupted);
        }
    }
    let summary = publisher.finish()?;
    match summary.events {
        0 => Err(Error::Input("the file has no events".to_owned())),
        _ => Ok(summary),
    }
}
