//! Somebody who waits for the predictions of events that go out by the clock: latency is what lies between the moment at
//! which an event was due and the one at which its prediction has been read. An event that went out late because the
//! log or the publisher was held up has waited, too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use flow::public::ORIGIN_HEADER;
use runtime::log::{Poll, SessionOptions};

use super::counts::origin;
use super::direct::THREAD;
use crate::environment::Environment;
use crate::error::Error;

/// Longest wait for predictions at once.
const POLL_WAIT: Duration = Duration::from_millis(100);
/// What latencies are told in: tenths of a millisecond.
const UNIT_US: u128 = 100;

/// How many events waited how long, in tenths of a millisecond.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waits(pub BTreeMap<u64, u64>);

impl Waits {
    /// How many events there are.
    pub fn count(&self) -> u64 {
        self.0.values().sum()
    }

    /// Fails when predictions of so many events were not read; what was refused has none.
    pub fn check(&self, events: u64, refused: u64) -> Result<(), Error> {
        match self.count() + refused >= events {
            true => Ok(()),
            false => Err(Error::Failed(format!(
                "{events} events were published by the clock, and predictions of {} were read: no figure is told",
                self.count()
            ))),
        }
    }

    /// The wait in milliseconds that so large a share of the events did not exceed.
    pub fn quantile_ms(&self, share: f64) -> f64 {
        let rank = ((share * self.count() as f64).ceil() as u64).max(1);
        let mut seen = 0;
        let found = self.0.iter().find(|(_, count)| {
            seen += **count;
            seen >= rank
        });
        found.map_or(0.0, |(wait, _)| *wait as f64 / 10.0)
    }
}

/// When events of each partition were due, from a first offset on.
pub struct Due {
    /// Offset of each partition's first event that was timed.
    pub from: Vec<i64>,
    /// Its time and those of the events after it.
    pub at: Vec<Vec<Instant>>,
}

/// A prediction's event, and when the prediction had been read.
struct Read {
    partition: usize,
    offset: usize,
    at: Instant,
}

/// A thread that reads predictions as they come.
pub struct Subscriber {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Vec<Read>, Error>>,
}

impl Subscriber {
    /// Reads from here on.
    pub fn start(environment: &Environment) -> Result<Self, Error> {
        let context = environment.context.clone();
        let ends = context.bounds(&context.plan.names.predictions)?.into_iter().map(|(tp, _, end)| (tp, end)).collect();
        let mut session = context.log.session(SessionOptions::assigned("tidemill.bench.subscriber", ends))?;
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let read = move || {
            let mut read = Vec::new();
            loop {
                let stopping = told.load(Ordering::Relaxed);
                let poll = session.poll(POLL_WAIT)?;
                if stopping && poll.is_empty() {
                    session.close()?;
                    return Ok(read);
                }
                note(&poll, &mut read);
            }
        };
        // Its CPU is the bench's own, as that of the thread that directs.
        let thread = thread::Builder::new().name(THREAD.to_owned()).spawn(read);
        let thread = thread.map_err(|error| Error::Failed(format!("cannot start a thread: {error}")))?;
        Ok(Subscriber { stop, thread })
    }

    /// Ends when nothing more comes, and says how long these events waited for their first prediction.
    pub fn finish(self, due: &Due) -> Result<Waits, Error> {
        self.stop.store(true, Ordering::Relaxed);
        let read = self.thread.join().map_err(|_| Error::Failed("the subscriber's thread panicked".to_owned()))??;
        Ok(waits(due, &read))
    }
}

fn note(poll: &Poll, read: &mut Vec<Read>) {
    let at = Instant::now();
    let records = poll.records.iter().flat_map(|(_, records)| records);
    let origins = records.filter_map(|record| record.header(ORIGIN_HEADER)?.text().and_then(origin));
    read.extend(origins.map(|(partition, offset)| Read { partition, offset, at }));
}

fn waits(due: &Due, read: &[Read]) -> Waits {
    let mut waiting: Vec<Vec<Option<Instant>>> =
        due.at.iter().map(|times| times.iter().copied().map(Some).collect()).collect();
    let mut waits = Waits::default();
    for Read { partition, offset, at } in read {
        let first = due.from.get(*partition).and_then(|from| usize::try_from(*from).ok());
        let place = first.and_then(|first| offset.checked_sub(first));
        let due = place.and_then(|place| waiting.get_mut(*partition)?.get_mut(place)?.take());
        if let Some(due) = due {
            let wait = at.saturating_duration_since(due).as_micros() / UNIT_US;
            *waits.0.entry(u64::try_from(wait).unwrap_or(u64::MAX)).or_default() += 1;
        }
    }
    waits
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Witness: the nearest-rank definition.
    #[test]
    fn quantiles_are_waits_that_occurred() {
        let waits = Waits((1..=200).map(|wait| (wait * 10, 1)).collect());
        assert_eq!([0.5, 0.99, 0.999, 1.0].map(|share| waits.quantile_ms(share)), [100.0, 198.0, 200.0, 200.0]);
        assert_eq!(Waits::default().quantile_ms(0.5), 0.0);
    }

    #[test]
    fn an_event_waits_from_when_it_was_due_to_its_first_prediction() {
        let begun = Instant::now();
        let after = |ms: u64| begun + Duration::from_millis(ms);
        let due = Due { from: vec![5, 0], at: vec![vec![after(1), after(2)], vec![after(3)]] };
        let read = |partition, offset, ms| Read { partition, offset, at: after(ms) };
        let read = [read(0, 4, 9), read(0, 5, 11), read(0, 5, 50), read(1, 0, 23), read(2, 0, 9), read(0, 9, 9)];
        assert_eq!(waits(&due, &read), Waits(BTreeMap::from([(100, 1), (200, 1)])));
    }
}
