//! Promotion: the next control state of the features log is proposed by whoever read the one before, the scorers say
//! whether they could honour it, and only then its fence goes into every partition. It is complete when every
//! partition's commit shows it.

use crate::ask::{Readiness, ask};
use crate::error::Error;
use crate::history::{Fate, History};
use crate::report::{ALL, Reporter, Said};
use flow::fence::{Control, ModelRef};
use registry::control::{Numbered, Proposed};
use registry::decisions::Decisions;
use runtime::apply::write_fence;
use runtime::context::Context;
use runtime::log::SessionOptions;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// How often a promotion is begun anew because somebody else's proposal was withdrawn, or what it was built on was
/// declared void meanwhile.
const ATTEMPTS_MAX: u32 = 8;
/// Pause between two looks at what became of somebody else's proposal.
const LOOK_MS: u64 = 100;
/// The service in the reports of promoters.
pub(crate) const PROMOTER: &str = "promoter";

/// A control state that was written to the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Promotion {
    /// Its number.
    pub number: u64,
    /// The state.
    pub control: Control,
}

impl From<Numbered<Control>> for Promotion {
    fn from(numbered: Numbered<Control>) -> Self {
        Promotion { number: numbered.number, control: numbered.state }
    }
}

/// Makes a model the champion once the scorers are ready for it; [`promote_with`] the usual patience.
pub fn promote(
    context: &Context,
    decisions: &Decisions,
    model: ModelRef,
    threshold: Option<f64>,
) -> Result<Promotion, Error> {
    promote_with(context, decisions, model, threshold, Readiness::default())
}

/// Makes a model the champion. Called again with the same model it finishes what an earlier call began, and changes
/// nothing else.
pub fn promote_with(
    context: &Context,
    decisions: &Decisions,
    model: ModelRef,
    threshold: Option<f64>,
    readiness: Readiness,
) -> Result<Promotion, Error> {
    let history = History::of(context, decisions)?;
    let promoter = Promoter { context, reporter: Reporter::new(context, PROMOTER)?, readiness, history };
    promoter.run(&model, threshold)
}

/// Whether every partition's commit shows the control state, or a later one, or never will because it is void there.
pub fn complete(context: &Context, decisions: &Decisions, number: u64) -> Result<bool, Error> {
    Ok(History::of(context, decisions)?.behind(context, number)?.is_empty())
}

/// Writes the fence of the state passed last into partitions that do not have it: those whose task has read everything
/// and still goes by an earlier one. True when there is nothing left to do.
pub(crate) fn resume(context: &Context, history: &History) -> Result<bool, Error> {
    let Some(passed) = history.passed()?.filter(|passed| passed.number > 0) else { return Ok(true) };
    let behind = history.behind(context, passed.number)?;
    let mut missing = Vec::new();
    for (partition, commit) in &behind {
        let (_, end) = context.log.watermarks(&history.tp(*partition))?;
        if commit.as_ref().is_some_and(|commit| commit.offset >= end) {
            missing.push(*partition);
        }
    }
    if !missing.is_empty() {
        info!(number = passed.number, partitions = ?missing, "finishing a promotion that was written only in part");
        write_fence(context, history.log(), &passed.state, passed.number as i64, &missing)?;
    }
    Ok(behind.is_empty())
}

struct Promoter<'a> {
    context: &'a Context,
    history: History,
    reporter: Reporter,
    readiness: Readiness,
}

impl Promoter<'_> {
    fn run(&self, model: &ModelRef, threshold: Option<f64>) -> Result<Promotion, Error> {
        let history = &self.history;
        for _ in 0..ATTEMPTS_MAX {
            let newest = history.newest(self.context)?;
            let base = history.in_force()?.unwrap_or_else(|| newest.clone());
            let wanted = Control { champion: Some(model.clone()), threshold, ..base.state.clone() };
            let next = match history.fate(newest.number)? {
                None if newest.state == wanted => newest,
                None => {
                    self.await_other(&newest)?;
                    continue;
                }
                Some(_) if base.state == wanted && history.passed()?.as_ref() == Some(&base) => {
                    self.write(&base)?;
                    return Ok(base.into());
                }
                Some(_) => match history.propose(newest.number + 1, wanted)? {
                    Proposed::Won(next) => next,
                    Proposed::Lost(other) => return Err(lost(&other)),
                },
            };
            if self.pass(&next, base.number)? {
                self.write(&next)?;
                return Ok(next.into());
            }
        }
        Err(Error::Unsteady { attempts: ATTEMPTS_MAX })
    }

    /// Has the scorers' readiness decide what becomes of a proposal. False when it must be built anew.
    fn pass(&self, next: &Numbered<Control>, base: u64) -> Result<bool, Error> {
        let number = next.number;
        let declined = match self.readiness {
            Readiness::Skipped => None,
            Readiness::Within(patience) => match self.unready(next, patience) {
                Ok(()) => None,
                // Nothing is known about the log then; whoever promotes next decides.
                Err(error) if !error.is_declined() && !matches!(error, Error::Stopped) => return Err(error),
                Err(error) => Some(error),
            },
        };
        let mine = match &declined {
            Some(error) => Fate::Withdrawn { why: error.to_string() },
            None if !self.history.void(base)?.is_empty() => {
                Fate::Withdrawn { why: format!("control state {base}, which it was built on, was declared void") }
            }
            None => Fate::Passed,
        };
        let decided = self.history.settle(number, &mine)?;
        if let Fate::Withdrawn { why } = &mine
            && decided == mine
        {
            self.tell_withdrawn(number, why);
        }
        match (decided, declined) {
            (Fate::Passed, _) => Ok(true),
            (Fate::Withdrawn { .. }, Some(error)) => Err(error),
            (decided, None) if decided == mine => Ok(false),
            (Fate::Withdrawn { why }, None) => Err(Error::Withdrawn { number, why }),
        }
    }

    /// An error unless the scorers of all partitions could honour the state.
    fn unready(&self, next: &Numbered<Control>, patience: Duration) -> Result<(), Error> {
        let (history, number) = (&self.history, next.number);
        let answers = ask(self.context, history, &self.reporter, number, patience)?;
        if let Some(reasons) = answers.refusals() {
            return Err(Error::Refused { number, reasons });
        }
        let silent = answers.silent(history);
        if silent.is_empty() {
            return Ok(());
        }
        let words: Vec<_> = silent.iter().map(ToString::to_string).collect();
        let noun = if silent.len() == 1 { "partition" } else { "partitions" };
        Err(Error::NotReady {
            number,
            log: history.log().to_owned(),
            model: winner(next),
            silent: format!("{noun} {}", words.join(", ")),
            waited: patience,
        })
    }

    /// Waits until somebody else's proposal is decided, and withdraws it when that takes too long: its promoter is gone.
    fn await_other(&self, other: &Numbered<Control>) -> Result<(), Error> {
        let since = Instant::now();
        while since.elapsed() < self.readiness.patience() {
            match self.history.fate(other.number)? {
                Some(Fate::Passed) => return Err(lost(other)),
                Some(Fate::Withdrawn { .. }) => return Ok(()),
                None if self.context.stop.load(Ordering::Relaxed) => return Err(Error::Stopped),
                None => thread::sleep(Duration::from_millis(LOOK_MS)),
            }
        }
        let why = "nobody decided it in time, and another promotion came".to_owned();
        match self.history.settle(other.number, &Fate::Withdrawn { why: why.clone() })? {
            Fate::Passed => Err(lost(other)),
            Fate::Withdrawn { .. } => {
                self.tell_withdrawn(other.number, &why);
                Ok(())
            }
        }
    }

    /// Writes the fence to all partitions that do not show it yet.
    fn write(&self, state: &Numbered<Control>) -> Result<(), Error> {
        let (history, number) = (&self.history, state.number);
        let behind = history.behind(self.context, number)?.into_iter().map(|(partition, _)| partition);
        Ok(write_fence(self.context, history.log(), &state.state, number as i64, &behind.collect::<Vec<_>>())?)
    }

    /// Tells those who listen. It is decided in the registry, so a failure to tell changes nothing.
    fn tell_withdrawn(&self, number: u64, why: &str) {
        let tell = || {
            let client = format!("{}.promoter", self.context.pipeline.name);
            let mut session =
                self.context.log.session(SessionOptions { durable: true, ..SessionOptions::publisher(client) })?;
            session.publish(self.reporter.record((ALL, number), Said::Withdrawn, why)?)?;
            session.flush()?;
            Ok::<_, Error>(session.close()?)
        };
        if let Err(error) = tell() {
            warn!(number, why, %error, "a promotion was withdrawn, and the control topic does not say so");
        }
    }
}

fn lost(other: &Numbered<Control>) -> Error {
    Error::Lost { number: other.number, winner: winner(other) }
}

fn winner(state: &Numbered<Control>) -> String {
    state.state.champion.as_ref().map_or_else(String::new, |model| format!("{}@{}", model.name, model.version))
}
