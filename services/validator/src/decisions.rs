//! Decisions as the core asks for them, from a registry that may be down for a while.

use flow::flaw::{Flaw, made};
use flow::ledger::BUCKET_OFFSETS;
use flow::processor::Stop;
use registry::decisions::{self, Decisions};
use registry::store::escape;
use runtime::patience::{Patience, Stopped};
use schemas::reject::{Code, Reject};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tracing::warn;
use validation::retry::letter::Letter;
use validation::{Retried, RuleSet, Verdict, Verdicts};

/// Longest detail of a recorded verdict; the rest is cut at a character's edge.
const DETAIL_CHARS_MAX: usize = 1_000;

/// Decisions in the registry's store.
pub struct Recorded {
    decisions: Decisions,
    patience: Patience,
    stopped: Arc<AtomicBool>,
}

impl Recorded {
    /// Decisions kept here.
    pub fn new(decisions: Decisions, stop: Arc<AtomicBool>) -> Self {
        Recorded { decisions, patience: Patience::new(stop.clone()), stopped: stop }
    }

    /// Stores a rule set under its version, so that every process can apply it to the buckets it opens.
    pub fn store(&self, topic: &str, rules: &RuleSet) -> Result<(), Stop> {
        let key = set_key(topic, &rules.version());
        self.ask(|| self.decisions.decide(&key, rules.text().as_bytes())).map(|_| ())
    }

    fn ask<T>(&self, mut question: impl FnMut() -> decisions::Result<T>) -> Result<T, Stop> {
        let patient = || match question() {
            Ok(answer) => Ok(Ok(answer)),
            Err(decisions::Error::Store(error)) if error.is_of_the_place() => Err(error),
            Err(error) => Ok(Err(Stop::Other(error.to_string()))),
        };
        match self.patience.until("the registry of decisions", patient) {
            Ok(answer) => answer,
            Err(Stopped) => Err(stopped()),
        }
    }
}

fn stopped() -> Stop {
    Stop::Other("stopped while waiting for a registry; nothing was committed".into())
}

fn set_key(topic: &str, version: &str) -> String {
    format!("rulesets/{}/{version}", escape(topic))
}

impl Verdicts for Recorded {
    fn schema(&self, topic: &str, partition: u16, offset: i64, _id: u32, proposal: Verdict) -> Result<Verdict, Stop> {
        // A schema that was not waited for to the end looks like an unknown one, which is no reason to decide anything.
        if proposal != Verdict::Accept && self.stopped.load(Ordering::Relaxed) {
            return Err(stopped());
        }
        if made(Flaw::VerdictUnrecorded) {
            return Ok(proposal);
        }
        let proposal = match proposal {
            Verdict::Accept => decisions::Verdict::Accept,
            Verdict::Reject(Reject { code, detail }) => decisions::Verdict::Reject {
                code: code.as_str().to_owned(),
                detail: detail.chars().take(DETAIL_CHARS_MAX).collect(),
            },
        };
        match self.ask(|| self.decisions.verdict(topic, i32::from(partition), offset, &proposal))? {
            decisions::Verdict::Accept => Ok(Verdict::Accept),
            decisions::Verdict::Reject { code, detail } => match Code::parse(&code) {
                Some(code) => Ok(Verdict::Reject(Reject::new(code, detail))),
                None => Err(Stop::Other(format!(
                    "{topic}/{partition} offset {offset} was rejected with {code}, a code this release does not know; run the release that wrote it"
                ))),
            },
        }
    }

    fn rules(&self, topic: &str, partition: u16, bucket: i64, proposal: &str) -> Result<String, Stop> {
        if made(Flaw::RulesUnrecorded) {
            return Ok(proposal.to_owned());
        }
        let offset = bucket * BUCKET_OFFSETS;
        let version = self.ask(|| self.decisions.rule_version(topic, i32::from(partition), offset, proposal))?;
        if version != proposal {
            let from_offset = offset + BUCKET_OFFSETS;
            warn!(
                topic,
                partition,
                from_offset,
                "these rules hold from that offset on; before it those that it was opened with do"
            );
        }
        Ok(version)
    }

    fn retry(&self, letter: &Letter, proposal: Retried) -> Result<Retried, Stop> {
        if made(Flaw::RetryUnrecorded) {
            return Ok(proposal);
        }
        let proposal = decisions::Retry { offset: proposal.offset, rules: proposal.rules };
        let Letter { topic, partition, offset, attempt, .. } = letter;
        let partition = i32::from(*partition);
        let decided = self.ask(|| self.decisions.retry(topic, partition, *offset, *attempt, &proposal))?;
        Ok(Retried { offset: decided.offset, rules: decided.rules })
    }

    fn rule_set(&self, topic: &str, version: &str) -> Result<Option<String>, Stop> {
        let found = self.ask(|| self.decisions.find(&set_key(topic, version)))?;
        Ok(found.map(|text| String::from_utf8_lossy(&text).into_owned()))
    }
}
