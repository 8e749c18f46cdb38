//! What is written in transactions: results that others read, together with the offsets they came from.

use super::{Kind, Plan, Topic};
use crate::config::Delivery;

impl Topic {
    /// Whether our tasks write it in transactions. A compacted topic of results always: it keeps the last record of a key,
    /// so a repeated old one could take the place of a newer one. Keys of the ledger name the process that wrote them.
    pub fn transactional(&self, delivery: Delivery) -> bool {
        match self.kind {
            Kind::Predictions | Kind::Outcomes | Kind::Refusals | Kind::Drift | Kind::Retraining => {
                delivery == Delivery::ExactlyOnce
            }
            Kind::Alerts | Kind::Models => true,
            // Internal ones have numbers, dead letters identities; reports and progress decide nothing by themselves.
            Kind::Source | Kind::Log | Kind::Sketches | Kind::Dlq | Kind::Retry | Kind::Late => false,
            Kind::Control | Kind::Ledger | Kind::Progress => false,
        }
    }
}

impl Plan {
    /// The topics that the task of this consumer group writes in transactions.
    pub fn transactional(&self, group_id: &str, delivery: Delivery) -> Vec<String> {
        let tasks = self.tasks.iter().filter(|task| task.group_id == group_id);
        let topics = tasks.flat_map(|task| &task.writes).filter_map(|name| self.topic(name));
        topics.filter(|topic| topic.transactional(delivery)).map(|topic| topic.name.clone()).collect()
    }
}
