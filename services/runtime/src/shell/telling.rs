//! Writing the ledger: after a commit, and at most once per second, every task's rows that changed since the last time.
//!
//! After the commit, so that no row speaks of items that are not there yet. That rows are there is known once the next
//! commit has succeeded, which is when tasks are asked again; a task that is restored before writes them once more.

use super::slot::Slot;
use super::{Error, Options};
use crate::ledger::Target;
use crate::log::{Session, TopicPartition};
use flow::ledger::Entry;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// Shortest time between two writes of one shell, in milliseconds.
pub const LEDGER_INTERVAL_MS: u64 = 1_000;

/// Writes for the tasks of one session.
pub(super) struct Telling {
    target: Target,
    task: Arc<str>,
    told: Option<Instant>,
    positions: BTreeMap<TopicPartition, i64>,
}

impl Telling {
    /// For shells that have a ledger.
    pub(super) fn start(options: &Options) -> Option<Self> {
        let target = options.ledger.clone()?;
        Some(Telling { target, task: options.group.as_str().into(), told: None, positions: BTreeMap::new() })
    }

    /// Whether it is time.
    pub(super) fn is_due(&self) -> bool {
        self.told.is_none_or(|told| told.elapsed() >= self.target.interval)
    }

    /// Publishes what changed; all slots were just committed.
    pub(super) fn tell(&mut self, slots: &mut [Slot], session: &mut dyn Session) -> Result<(), Error> {
        self.told = Some(Instant::now());
        for slot in slots.iter_mut().filter(|slot| !slot.restoring()) {
            let (rows, position) = (slot.task.ledger(), slot.next());
            if rows.is_empty() && self.positions.get(&slot.tp) == Some(&position) {
                continue;
            }
            self.positions.insert(slot.tp.clone(), position);
            let (task, log, partition) = (self.task.clone(), slot.tp.topic.clone(), slot.tp.partition as u16);
            // The row that says only how far the task is comes last.
            for row in rows.into_iter().map(Some).chain([None]) {
                let entry = Entry { task: task.clone(), log: log.clone(), partition, position, row };
                session.publish(self.target.record(&entry))?;
            }
        }
        Ok(())
    }
}
