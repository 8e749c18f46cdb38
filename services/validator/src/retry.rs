//! For those who retry dead letters: what their headers say, and whether they would be accepted now.

use std::sync::Arc;

use flow::config::BreakerLimits;
use flow::names::Place;
use flow::plan::Names;
use flow::processor::{InRecord, OutRecord, Stop, Task};
use runtime::context::Context;
use runtime::shell;
use schemas::reject::names::{DETAIL, REASON};
use validation::breaker::Breaker;
use validation::{Retried, Retrier, RuleSet, Rulebook, Source, Verdict, Verdicts, Wiring};

use crate::Error;
use crate::service::{target, written};

pub use validation::retry::letter::{Letter, Refused, again, original};

/// Why a record would be rejected: code and detail.
pub type Reason = (String, String);

/// What a process with this pipeline and registry would say to retries of one source partition: the reason why it would
/// reject each, if it would. Nothing is decided.
pub fn rehearse(
    context: &Context,
    source: &str,
    partition: u16,
    records: &[InRecord],
) -> Result<Vec<Option<Reason>>, Error> {
    let pipeline = &context.pipeline;
    let labels = Source::labels(pipeline)?.filter(|labels| **labels.topic() == *source);
    let (source, rules) = match labels {
        Some(labels) => (labels, RuleSet::of_labels(pipeline)),
        None => (Source::events(pipeline)?, RuleSet::of_events(pipeline)),
    };
    let names = &context.plan.names;
    let target = |log: &str| Ok::<_, Error>(target(context, &written(context, log)?).map_err(shell::Error::from)?);
    let wiring = Wiring {
        names: context.names.clone(),
        own: Place { topic: context.number(&Names::retries(source.topic()))?, partition },
        entity: Some(target(names.first_log())?),
        journal: target(&names.journal_log)?,
        schemas: context.schema_source(),
        verdicts: Arc::new(Proposed),
        breaker: Breaker::new(BreakerLimits::default()),
    };
    let mut retrier = Retrier::new(Arc::new(Rulebook::new(Arc::new(source), &rules)?), wiring)?;
    let mut judge = |record: &InRecord| {
        let mut out = Vec::new();
        retrier.handle(std::slice::from_ref(record), false, &mut out)?;
        Ok(out.iter().find_map(reason))
    };
    let judged: Result<Vec<_>, Stop> = records.iter().map(&mut judge).collect();
    Ok(judged.map_err(shell::Error::from)?)
}

/// The reason in a dead letter; none in anything else.
fn reason(record: &OutRecord) -> Option<Reason> {
    let header = |name: &str| {
        let (_, value) = record.headers.iter().rfind(|(known, _)| known == name)?;
        Some(String::from_utf8_lossy(value.as_ref()?).into_owned())
    };
    Some((header(REASON)?, header(DETAIL)?))
}

/// Takes every proposal for decided.
pub(crate) struct Proposed;

impl Verdicts for Proposed {
    fn schema(&self, _: &str, _: u16, _: i64, _: u32, proposal: Verdict) -> Result<Verdict, Stop> {
        Ok(proposal)
    }

    fn rules(&self, _: &str, _: u16, _: i64, proposal: &str) -> Result<String, Stop> {
        Ok(proposal.to_owned())
    }

    fn retry(&self, _: &Letter, proposal: Retried) -> Result<Retried, Stop> {
        Ok(proposal)
    }

    fn rule_set(&self, _: &str, _: &str) -> Result<Option<String>, Stop> {
        Ok(None)
    }
}
