//! Outcomes of fences in the registry: recorded before anything is emitted under a fence, so that whoever reads the log
//! later knows who switched where.

use flow::fence::{Fences, Outcome};
use flow::processor::Stop;
use registry::decisions::{self, Decisions, FenceOutcome};
use registry::store;
use std::thread;
use std::time::Duration;
use tracing::warn;

/// How often a registry that does not answer is asked.
const ATTEMPTS_MAX: u32 = 8;
/// First pause between two attempts; it doubles each time.
const PAUSE_MS: u64 = 100;

/// Outcomes of one kind of task. Tasks of different kinds read the same log, and each takes its fences by itself.
#[derive(Debug, Clone)]
pub struct RegistryFences {
    decisions: Decisions,
    reader: Option<&'static str>,
    recorded: bool,
}

impl RegistryFences {
    /// Outcomes of scorers, taken as they come.
    pub fn new(decisions: Decisions) -> Self {
        RegistryFences { decisions, reader: None, recorded: false }
    }

    /// Outcomes of the named other readers of the log.
    #[must_use]
    pub fn of(self, reader: &'static str) -> Self {
        RegistryFences { reader: Some(reader), ..self }
    }

    /// Nothing but what is recorded, for replays: a fence whose outcome nobody recorded stops them.
    #[must_use]
    pub fn recorded(self) -> Self {
        RegistryFences { recorded: true, ..self }
    }

    fn log(&self, log: &str) -> String {
        self.reader.map_or_else(|| log.to_owned(), |reader| format!("{log}@{reader}"))
    }
}

impl Fences for RegistryFences {
    fn ended(&self, log: &str, partition: u16, number: i64) -> Result<Option<Outcome>, Stop> {
        let (key, number) = (self.log(log), number.unsigned_abs());
        let ended = ask(|| self.decisions.find_fence_outcome(number, &key, i32::from(partition)))?;
        Ok(ended.map(outcome))
    }

    fn take(&self, log: &str, partition: u16, number: i64) -> Result<Outcome, Stop> {
        if self.recorded {
            return self.ended(log, partition, number)?.ok_or_else(|| {
                let place = format!("{log}/{partition}");
                Stop::Other(format!(
                    "{place}: no task recorded yet how fence {number} ended; replay up to it, or after it was taken"
                ))
            });
        }
        let (key, number) = (self.log(log), number.unsigned_abs());
        let taken = || self.decisions.fence_outcome(number, &key, i32::from(partition), FenceOutcome::Taken);
        ask(taken).map(outcome)
    }
}

fn outcome(outcome: FenceOutcome) -> Outcome {
    match outcome {
        FenceOutcome::Taken => Outcome::Taken,
        FenceOutcome::Void => Outcome::Void,
    }
}

/// Asks a store that is away for a moment again. Nothing is emitted meanwhile.
fn ask<T>(question: impl Fn() -> decisions::Result<T>) -> Result<T, Stop> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        match question() {
            Ok(answer) => return Ok(answer),
            Err(decisions::Error::Store(error @ store::Error::Unavailable { .. })) if attempt < ATTEMPTS_MAX => {
                warn!(%error, attempt, "waiting for the outcome of a fence; nothing is emitted meanwhile");
                thread::sleep(Duration::from_millis(PAUSE_MS << attempt));
            }
            Err(error) => return Err(Stop::Other(error.to_string())),
        }
    }
}
