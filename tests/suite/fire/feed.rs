//! What is published: real transactions as they come, some of them twice, their labels a week later, and at the end one
//! event and one label per partition that lie far ahead, so that everything before them comes out.

use super::fleet::Fleet;
use crate::streaming::{arrivals, deployment_records};
use std::collections::BTreeSet;
use std::time::Duration;
use tests::fraud::{DAY_MS, LABEL_DELAY_MS, Transactions};
use tests::pipeline::Deployment;

/// Ids of the events at the end begin here.
const LAST_ID: i64 = 1_000_000_000_000;
/// How far ahead they are.
const AHEAD_MS: i64 = 60 * DAY_MS;
/// Days until labels come and everything flows.
const FILLING_DAYS: usize = 8;
/// The share of the days in which all strikes should have happened, as parts of 100.
const STRIKE_DAYS_PERCENT: usize = 80;
/// Longest wait for a strike before the next day is published.
const STRIKE_WAIT: Duration = Duration::from_secs(8);

/// Transactions with the times at which they and their labels arrive.
pub struct Feed<'a> {
    deployment: &'a Deployment,
    rows: &'a Transactions,
    arrivals: Vec<(i64, usize, i32, bool)>,
}

impl<'a> Feed<'a> {
    /// For a pipeline.
    pub fn new(deployment: &'a Deployment, rows: &'a Transactions) -> Self {
        Feed { deployment, rows, arrivals: arrivals(rows) }
    }

    fn days(&self) -> impl Iterator<Item = &[(i64, usize, i32, bool)]> {
        self.arrivals.chunk_by(|left, right| left.0 / DAY_MS == right.0 / DAY_MS)
    }

    /// Publishes a day, and notes the events that were acknowledged.
    fn day(&self, day: &[(i64, usize, i32, bool)], journal: &mut BTreeSet<String>) {
        let pick = |labels: bool| -> Vec<(usize, i32)> {
            day.iter().filter(|one| one.3 == labels).map(|one| (one.1, one.2)).collect()
        };
        let mut records = deployment_records(self.deployment, self.rows, &pick(false), false);
        records.extend(deployment_records(self.deployment, self.rows, &pick(true), true));
        self.deployment.publish(records);
        journal.extend(pick(false).into_iter().map(|(row, _)| self.rows.id[row].to_string()));
    }

    fn end(&self) {
        let last_ms = self.rows.time_ms.iter().max().unwrap() + LABEL_DELAY_MS;
        let mut rows = Transactions::default();
        for partition in 0..4 {
            rows.id.push(LAST_ID + partition);
            rows.time_ms.push(last_ms + AHEAD_MS);
            rows.customer.push(0);
            rows.terminal.push(0);
            rows.amount.push(1.0);
            rows.fraud.push(false);
        }
        let order = [(0, 0), (1, 1), (2, 2), (3, 3)];
        self.deployment.publish(rows.events(&self.deployment.context, &order));
        self.deployment.publish(rows.labels(&self.deployment.context, &order));
    }

    /// Publishes everything at once; gives the ids of all events.
    pub fn publish(&self) -> BTreeSet<String> {
        let mut journal = BTreeSet::new();
        self.days().for_each(|day| self.day(day, &mut journal));
        self.end();
        journal
    }

    /// Publishes a day at a time, such that strikes are spread over the days; gives the ids that were acknowledged.
    pub fn publish_under(&self, fleet: &mut Fleet<'_>, strikes: usize) -> BTreeSet<String> {
        let mut journal = BTreeSet::new();
        let with_events = self.days().filter(|day| day.iter().any(|one| !one.3)).count();
        let strike_days = (with_events.saturating_sub(FILLING_DAYS) * STRIKE_DAYS_PERCENT / 100).max(1);
        for (at, day) in self.days().enumerate() {
            if at >= FILLING_DAYS && at < with_events {
                let due = strikes.min(strikes * (at - FILLING_DAYS) / strike_days);
                fleet.until(STRIKE_WAIT, |fleet| fleet.struck() >= due);
            }
            self.day(day, &mut journal);
        }
        self.end();
        journal
    }
}
