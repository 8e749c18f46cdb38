//! How long topics keep their records, as far as the pipeline says so.

use crate::plan::{Kind, Topic};

/// How long the records of a topic are kept. One without any limit keeps them for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// How long after the log took it a record is kept.
    pub time_us: Option<i64>,
    /// How many bytes of each partition are kept.
    pub bytes: Option<u64>,
}

/// What is declared, by the groups of topics that users think in; `None` where nothing is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retentions {
    /// Events and labels as they were published.
    pub sources: Option<Retention>,
    /// What services hand on to each other.
    pub logs: Option<Retention>,
    /// What subscribers read.
    pub results: Option<Retention>,
    /// What was turned away.
    pub rejected: Option<Retention>,
}

impl Retentions {
    /// What is declared for a topic. Nothing ever is for those that are compacted, as each key's newest record is what they
    /// are for, nor for control, which says what all models were.
    pub fn of(&self, topic: &Topic) -> Option<Retention> {
        if topic.compacted {
            return None;
        }
        match topic.kind {
            Kind::Source => self.sources,
            Kind::Log | Kind::Sketches => self.logs,
            Kind::Predictions | Kind::Outcomes | Kind::Drift | Kind::Retraining => self.results,
            Kind::Dlq | Kind::Retry | Kind::Late | Kind::Refusals => self.rejected,
            Kind::Alerts | Kind::Models | Kind::Control | Kind::Ledger | Kind::Progress => None,
        }
    }
}
