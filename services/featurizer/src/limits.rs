//! Telling the operator that limits of an entity push keys out: in the log, and in the service's counters.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flow::state::Asides;
use runtime::log::TopicPartition;
use runtime::shell::{Slot, Stats};
use tracing::warn;

/// Shortest time between two warnings about one service.
const PAUSE: Duration = Duration::from_secs(10);

/// What was told of the tasks of one service.
#[derive(Default)]
pub(super) struct Evictions {
    told: BTreeMap<TopicPartition, Asides>,
    at: Option<Instant>,
}

impl Evictions {
    /// Counts what went in all tasks, and warns of those where it is more than when they were warned of last.
    pub fn tell(&mut self, entity: &str, slots: &[Slot], stats: Option<&Arc<Stats>>) {
        let tasks: Vec<_> = slots.iter().map(|slot| (&slot.tp, slot.task.asides())).collect();
        let sum = |count: fn(&Asides) -> u64| tasks.iter().map(|(_, asides)| count(asides)).sum();
        if let Some(stats) = stats {
            stats.evicted(sum(|asides| asides.evicted_keys), sum(|asides| asides.evicted_entries));
        }
        if self.at.is_some_and(|at| at.elapsed() < PAUSE) {
            return;
        }
        for (tp, asides) in tasks {
            let told = self.told.entry(tp.clone()).or_default();
            if *told != asides {
                *told = asides;
                self.at = Some(Instant::now());
                let (keys, entries) = (asides.evicted_keys, asides.evicted_entries);
                warn!(entity, %tp, keys, entries, "limits of the entity are reached: so many keys, and entries of others, are forgotten so far");
            }
        }
    }
}
