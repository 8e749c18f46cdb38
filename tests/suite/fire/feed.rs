//! What is published: real transactions as they come, some of them twice, their labels a week later, and at the end one
//! event and one label per partition that lie far ahead, so that everything before them comes out.

use super::fleet::Fleet;
use crate::streaming::{arrivals, deployment_records};
use std::collections::BTreeSet;
use std::time::Duration;
use tests::fraud::{DAY_MS, LABEL_DELAY_MS, Transaction, Transactions};
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

/// Events of a day that were made up.
const EVENTS_PER_DAY: i64 = 2_000;
/// 2018-06-18, 00:00 UTC.
const FIRST_DAY_MS: i64 = 1_529_280_000_000;

/// Transactions of some days, made up.
pub fn made_up(days: usize) -> Transactions {
    let transaction = |n| Transaction {
        id: n,
        time_ms: FIRST_DAY_MS + n * (DAY_MS / EVENTS_PER_DAY),
        customer: (n * 7 % 501) as i32,
        terminal: (n * 11 % 203) as i32,
        amount: (n * 37 % 1_000) as f64 / 8.0,
        fraud: n % 50 == 0,
    };
    (0..days as i64 * EVENTS_PER_DAY).map(transaction).collect()
}

/// Transactions with the times at which they and their labels arrive.
pub struct Feed<'a> {
    deployment: &'a Deployment,
    rows: &'a Transactions,
    arrivals: Vec<(i64, usize, i32, bool)>,
}

impl<'a> Feed<'a> {
    /// For a pipeline whose sources have four partitions, or a multiple of that.
    pub fn new(deployment: &'a Deployment, rows: &'a Transactions) -> Self {
        let mut feed = Feed { deployment, rows, arrivals: arrivals(rows) };
        let fours = feed.partitions() / 4;
        for (_, row, partition, _) in &mut feed.arrivals {
            *partition += 4 * (*row as i32 / 4 % fours);
        }
        feed
    }

    fn partitions(&self) -> i32 {
        let context = &self.deployment.context;
        context.topic(&context.plan.names.events).unwrap().partitions.cast_signed()
    }

    fn days(&self) -> impl Iterator<Item = &[(i64, usize, i32, bool)]> {
        self.arrivals.chunk_by(|left, right| left.0 / DAY_MS == right.0 / DAY_MS)
    }

    /// On how many days there are events; they are the first ones, and then come labels only.
    pub fn days_with_events(&self) -> usize {
        self.days().filter(|day| day.iter().any(|one| !one.3)).count()
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
        let transaction = |partition| Transaction {
            id: LAST_ID + i64::from(partition),
            time_ms: last_ms + AHEAD_MS,
            customer: 0,
            terminal: 0,
            amount: 1.0,
            fraud: false,
        };
        let rows: Transactions = (0..self.partitions()).map(transaction).collect();
        let order = rows.spread(self.partitions());
        self.deployment.publish(rows.events(&self.deployment.context, &order));
        self.deployment.publish(rows.labels(&self.deployment.context, &order));
    }

    /// Publishes everything at once; gives the ids of all events.
    pub fn publish(&self) -> BTreeSet<String> {
        self.publish_days(|_, _| {})
    }

    /// Publishes a day at a time. Before each `before` is told how many there were, and which ids were acknowledged. Gives
    /// the ids of all events.
    pub fn publish_days(&self, mut before: impl FnMut(usize, &BTreeSet<String>)) -> BTreeSet<String> {
        let mut journal = BTreeSet::new();
        for (at, day) in self.days().enumerate() {
            before(at, &journal);
            self.day(day, &mut journal);
        }
        self.end();
        journal
    }

    /// Publishes a day at a time, such that strikes are spread over the days; gives the ids that were acknowledged.
    pub fn publish_under(&self, fleet: &mut Fleet<'_>, strikes: usize) -> BTreeSet<String> {
        let with_events = self.days_with_events();
        let strike_days = (with_events.saturating_sub(FILLING_DAYS) * STRIKE_DAYS_PERCENT / 100).max(1);
        self.publish_days(|at, _| {
            if at >= FILLING_DAYS && at < with_events {
                let due = strikes.min(strikes * (at - FILLING_DAYS) / strike_days);
                fleet.until(STRIKE_WAIT, |fleet| fleet.struck() >= due);
            }
        })
    }
}
