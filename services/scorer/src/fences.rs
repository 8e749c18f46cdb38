//! Outcomes of fences in the registry: recorded before anything is emitted under a fence, so that whoever reads the log
//! later knows who switched where.

use flow::fence::{Fences, Outcome};
use flow::flaw::{Flaw, made};
use flow::processor::Stop;
use registry::decisions::{self, Decisions, FenceOutcome};
use runtime::patience::{Patience, Stopped};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Outcomes of one kind of task. Tasks of different kinds read the same log, and each takes its fences by itself.
#[derive(Debug, Clone)]
pub struct RegistryFences {
    decisions: Decisions,
    patience: Patience,
    reader: Option<&'static str>,
    recorded: bool,
}

impl RegistryFences {
    /// Outcomes of scorers, taken as they come. A registry that is down is waited for until `stop` is set.
    pub fn new(decisions: Decisions, stop: Arc<AtomicBool>) -> Self {
        RegistryFences { decisions, patience: Patience::new(stop), reader: None, recorded: false }
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

    /// Nothing is emitted while the registry does not answer.
    fn ask<T>(&self, question: impl Fn() -> decisions::Result<T>) -> Result<T, Stop> {
        let patient = || match question() {
            Ok(answer) => Ok(Ok(answer)),
            Err(decisions::Error::Store(error)) if error.is_of_the_place() => Err(error),
            Err(error) => Ok(Err(Stop::Other(error.to_string()))),
        };
        let answer = self.patience.until("the registry of decisions", patient);
        answer.unwrap_or_else(|Stopped| Err(Stop::Other("stopped while waiting for the outcome of a fence".into())))
    }
}

impl Fences for RegistryFences {
    fn ended(&self, log: &str, partition: u16, number: i64) -> Result<Option<Outcome>, Stop> {
        let (key, number) = (self.log(log), number.unsigned_abs());
        let ended = self.ask(|| self.decisions.find_fence_outcome(number, &key, i32::from(partition)))?;
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
        if made(Flaw::FenceUnrecorded) {
            return Ok(Outcome::Taken);
        }
        let (key, number) = (self.log(log), number.unsigned_abs());
        let taken = || self.decisions.fence_outcome(number, &key, i32::from(partition), FenceOutcome::Taken);
        self.ask(taken).map(outcome)
    }
}

fn outcome(outcome: FenceOutcome) -> Outcome {
    match outcome {
        FenceOutcome::Taken => Outcome::Taken,
        FenceOutcome::Void => Outcome::Void,
    }
}
