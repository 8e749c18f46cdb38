//! Topics that a pipeline had once: known by their names alone.

use std::fmt;

use super::Plan;

/// Stands in the names of logs, before feature set and generation.
const LOG: &str = ".log.";
/// Endings of public topics.
const RESULTS: [&str; 9] =
    ["predictions", "outcomes", "drift", "alerts", "retraining", "models", "control", "ledger", "progress"];
/// Endings of topics beside a source.
const BESIDE: [&str; 3] = [".validator.dlq", ".validator.retry", ".late"];

/// Why a topic is not part of the plan any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftBehind {
    /// A log of this older generation.
    Generation(u32),
    /// What it was for is not in the file any more.
    Unnamed,
}

impl fmt::Display for LeftBehind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Generation(generation) => write!(f, "of generation {generation}"),
            Self::Unnamed => write!(f, "of something that the file does not name"),
        }
    }
}

impl Plan {
    /// Whether a topic of this name was once made for the pipeline and is not planned now. Sources are their owners', and
    /// what a later generation has is not left behind.
    pub fn left_behind(&self, topic: &str) -> Option<LeftBehind> {
        if self.topic(topic).is_some() {
            return None;
        }
        let rest = self.own(topic)?;
        if rest.contains(LOG) {
            return match generation(rest)? {
                later if later > self.generation => None,
                own if own == self.generation => Some(LeftBehind::Unnamed),
                older => Some(LeftBehind::Generation(older)),
            };
        }
        let is_result = rest.strip_suffix(".v1").is_some_and(|kind| RESULTS.contains(&kind));
        (is_result || BESIDE.iter().any(|ending| rest.ends_with(ending))).then_some(LeftBehind::Unnamed)
    }

    /// Whether this is a log of a generation that is not in force yet.
    pub fn is_later(&self, topic: &str) -> bool {
        self.own(topic).and_then(generation).is_some_and(|generation| generation > self.generation)
    }

    /// What follows the pipeline's name.
    fn own<'t>(&self, topic: &'t str) -> Option<&'t str> {
        topic.strip_prefix(&*self.pipeline)?.strip_prefix('.')
    }
}

/// The generation of a log, by its name behind that of the pipeline.
fn generation(rest: &str) -> Option<u32> {
    let (_, marks) = rest.split_once(LOG)?;
    marks.rsplit('.').next()?.strip_prefix('g')?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::LeftBehind::{self, Generation, Unnamed};
    use crate::plan::{Plan, plan_generation};

    fn planned() -> Plan {
        let resolve = |path: &str| schemas::contracts::avro(path).map(str::to_owned).ok_or_else(String::new);
        let yaml = include_str!("../../../pipelines/fraud.yaml");
        plan_generation(&crate::config::parse(yaml, &resolve).unwrap(), 3)
    }

    #[track_caller]
    fn check(topic: &str, expected: Option<LeftBehind>) {
        assert_eq!(planned().left_behind(topic), expected, "{topic}");
    }

    #[test]
    fn topics_of_the_pipeline_are_known_by_their_names() {
        check("fraud.customer.log.f1.g3", None);
        check("fraud.customer.log.f1.g2", Some(Generation(2)));
        check("fraud.journal.log.g1", Some(Generation(1)));
        check("fraud.customer.log.f0.g3", Some(Unnamed));
        check("fraud.merchant.log.f1.g3", Some(Unnamed));
        // On its way in, or not known to this file's plan yet.
        check("fraud.customer.log.f1.g4", None);
        check("fraud.old.events.v1.validator.dlq", Some(Unnamed));
        check("fraud.old.events.v1.late", Some(Unnamed));
        assert!(planned().is_later("fraud.customer.log.f1.g4") && !planned().is_later("fraud.customer.log.f1.g3"));
        assert!(!planned().is_later("fraud.transactions.events.v1") && !planned().is_later("other.journal.log.g9"));
        // Somebody else's.
        check("fraud.old.events.v1", None);
        check("fraud.anything", None);
        check("fraudulent.journal.log.g1", None);
        check("other.journal.log.g1", None);
    }
}
