//! Directing a run: publishing where the clock matters, and telling when everything has gone through. On the embedded
//! log this is a thread of the measured process, whose CPU is taken off again; on Kafka it is another process.

use std::thread;
use std::time::{Duration, Instant};

use super::args::Feed;
use super::live;
use super::mark::Mark;
use crate::environment::Environment;
use crate::error::Error;
use crate::supervisor::Drained;

/// Name of the thread that directs.
pub const THREAD: &str = "bench";
/// Time between two looks at an embedded log.
const LOOK: Duration = Duration::from_millis(200);
/// The same on Kafka, where a look asks the brokers once per consumer group.
const LOOK_BROKERS: Duration = Duration::from_millis(1_000);

/// What is read, by consumer group.
pub type Reads = [(String, Vec<String>)];

/// Somebody to tell marks.
pub type Tell<'d> = &'d mut dyn FnMut(Mark) -> Result<(), Error>;

/// Who directs a run.
pub struct Director<'d> {
    /// Where the run takes place.
    pub environment: &'d Environment,
    drained: Drained<'d>,
    tell: Tell<'d>,
}

/// Directs a run from its first event to its last.
pub fn direct(environment: &Environment, reads: &Reads, feed: &Feed, tell: Tell<'_>) -> Result<(), Error> {
    let mut director = Director { environment, drained: Drained::new(environment, reads, 0)?, tell };
    let watched = feed.live.map(|rate| live::publish(&mut director, feed, rate)).transpose()?;
    let through = director.through()?;
    let told = Instant::now();
    if let Some((subscriber, due)) = watched {
        director.tell(Mark::Waited(subscriber.finish(&due)?))?;
    }
    let age = through + told.elapsed();
    director.tell(Mark::Through { ago_ms: u64::try_from(age.as_millis()).unwrap_or(u64::MAX) })
}

impl Director<'_> {
    /// Tells a mark.
    pub fn tell(&mut self, mark: Mark) -> Result<(), Error> {
        (self.tell)(mark)
    }

    /// Waits until everything published has gone through, and returns for how long it has been.
    pub fn through(&mut self) -> Result<Duration, Error> {
        let look = if self.environment.brokers.is_some() { LOOK_BROKERS } else { LOOK };
        while !self.drained.look()? {
            if self.environment.signals.stopping() {
                return Err(Error::Interrupted);
            }
            thread::sleep(look);
        }
        Ok(self.drained.age())
    }
}
