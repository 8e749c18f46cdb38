//! Asking the scorers, over the control topic, whether they could honour a control state.

use crate::error::Error;
use crate::history::History;
use crate::report::{ALL, Reporter, Reports, Said};
use runtime::context::Context;
use runtime::log::{Input, Session, SessionOptions};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Longest that a promotion waits for the scorers' answers when nothing else is said. A scorer answers within a second;
/// the rest is for one whose partitions are just moving to it.
pub const READINESS_TIMEOUT_MS: u64 = 30_000;
/// Longest single look at the topic, so that a stop is noticed.
const LOOK_MS: u64 = 200;

/// Whether scorers are asked before a fence is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// No: the scorers are started later. One that then cannot honour the fence stops at it.
    Skipped,
    /// The scorer of every partition must say within this time that it could honour the fence.
    Within(Duration),
}

impl Default for Readiness {
    fn default() -> Self {
        Readiness::Within(Duration::from_millis(READINESS_TIMEOUT_MS))
    }
}

impl Readiness {
    pub(crate) fn patience(self) -> Duration {
        match self {
            Readiness::Skipped => Duration::ZERO,
            Readiness::Within(patience) => patience,
        }
    }
}

/// What the scorers said: by partition nothing, or why not. A later answer replaces an earlier one.
#[derive(Debug, Default)]
pub(crate) struct Answers(BTreeMap<i32, Option<String>>);

impl Answers {
    /// Partitions that did not answer.
    pub fn silent(&self, history: &History) -> Vec<i32> {
        history.partitions().into_iter().filter(|partition| !self.0.contains_key(partition)).collect()
    }

    /// Why some refuse, if some do.
    pub fn refusals(&self) -> Option<String> {
        let refusals = self.0.iter().filter_map(|(partition, why)| Some((partition, why.as_ref()?)));
        let told: Vec<_> = refusals.map(|(partition, why)| format!("partition {partition}: {why}")).collect();
        (!told.is_empty()).then(|| told.join("; "))
    }
}

/// Puts the question, and waits until all answered, one refused, or the time is over.
pub(crate) fn ask(
    context: &Context,
    history: &History,
    reporter: &Reporter,
    number: u64,
    patience: Duration,
) -> Result<Answers, Error> {
    let topic = &context.plan.names.control;
    let from = context.bounds(topic)?.into_iter().map(|(tp, _, end)| (tp, end)).collect();
    let client = format!("{}.promoter", context.pipeline.name);
    let options = SessionOptions { durable: true, ..SessionOptions::new(client, Input::Assigned(from)) };
    let mut session = context.log.session(options)?;
    session.publish(reporter.record((ALL, number), Said::Proposed, "")?)?;
    session.flush()?;
    let answers = listen(context, history, session.as_mut(), number, patience)?;
    session.close()?;
    Ok(answers)
}

fn listen(
    context: &Context,
    history: &History,
    session: &mut dyn Session,
    number: u64,
    patience: Duration,
) -> Result<Answers, Error> {
    let since = Instant::now();
    let (mut answers, mut reports) = (Answers::default(), Reports::new(context)?);
    while !answers.silent(history).is_empty() && answers.refusals().is_none() {
        let left = patience.saturating_sub(since.elapsed());
        if left.is_zero() {
            break;
        }
        if context.stop.load(Ordering::Relaxed) {
            return Err(Error::Stopped);
        }
        let poll = session.poll(left.min(Duration::from_millis(LOOK_MS)))?;
        for report in poll.records.iter().flat_map(|(_, records)| records).filter_map(|record| reports.read(record)) {
            if (report.log.as_str(), report.number) != (history.log(), number) {
                continue;
            }
            match report.said {
                Said::Ready => drop(answers.0.insert(report.partition, None)),
                Said::Refused => drop(answers.0.insert(report.partition, Some(report.detail))),
                _ => {}
            }
        }
    }
    Ok(answers)
}
