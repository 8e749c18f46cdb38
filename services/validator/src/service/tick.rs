//! What happens between polls: who is quiet, whose marks rise, who waits, and what the others are told.

use std::collections::BTreeMap;
use std::sync::atomic;
use std::time::Duration;

use flow::config::Ordering;
use flow::outputs::Outputs;
use flow::processor::{Stop, Task};
use runtime::log::{Commit, Session, TopicPartition};
use runtime::shell::{self, Slot, outgoing, seal};
use tracing::{debug, info};
use validation::idle::{Seen, idle_mark, runs_ahead};

use super::ValidatorService;
use crate::progress::Report;
use crate::shared::Shared;

/// Shortest time between two looks at idleness, throttling and progress.
const LOOK_MS: u64 = 250;
/// Shortest time between two reports of a partition whose idleness did not change.
const REPORT_MS: u64 = 1_000;

impl ValidatorService {
    /// Looks after quiet partitions and those that run ahead, if it is time to.
    pub(super) fn look(&mut self, slots: &mut [Slot], session: &mut dyn Session) -> Result<(), shell::Error> {
        let every = Duration::from_millis(LOOK_MS).min(self.options.idle_timeout / 2);
        let now = self.options.clock.now();
        if self.looked.is_some_and(|looked| now.saturating_duration_since(looked) < every) {
            return Ok(());
        }
        self.looked = Some(now);
        self.tell();
        self.progress.read()?;
        let idle = self.judge(slots, session)?;
        let seen: BTreeMap<TopicPartition, Seen> =
            self.all.iter().map(|tp| (tp.clone(), self.seen(tp, &idle))).collect();
        let all: Vec<Seen> = seen.values().copied().collect();
        self.report(slots, &seen, session)?;
        self.raise(slots, &idle, &all, session)?;
        self.throttle(&seen, session)?;
        self.hold_back(slots, session)
    }

    /// Tells the metrics what failed since the last look.
    fn tell(&self) {
        for own in self.own.values() {
            for ((verdict, name), records) in own.task.get().take_tallies() {
                self.options.stats.failed((verdict.as_str(), name), records);
            }
        }
    }

    /// What is known of a partition: its own task's word, or its owner's last report.
    fn seen(&self, tp: &TopicPartition, idle: &BTreeMap<TopicPartition, bool>) -> Seen {
        match self.own.get(tp) {
            Some(own) => {
                let progress = own.task.get().progress();
                let idle = idle.get(tp).copied().unwrap_or_default();
                Seen { max_us: progress.max_us, mark_us: progress.mark_us, idle }
            }
            None => self.progress.of(tp),
        }
    }

    /// Which own partitions are quiet.
    fn judge(
        &mut self,
        slots: &[Slot],
        session: &mut dyn Session,
    ) -> Result<BTreeMap<TopicPartition, bool>, shell::Error> {
        let now = self.options.clock.now();
        self.own.retain(|tp, _| slots.iter().any(|slot| slot.tp == *tp));
        let mut idle = BTreeMap::new();
        for slot in slots {
            let Some(own) = self.own.get_mut(&slot.tp) else { continue };
            if own.paused {
                own.quiet.restart(now);
            }
            let (timeout, done) = (self.options.idle_timeout, self.progress.done(&slot.tp));
            let end = || session.watermarks(&slot.tp).map(|(_, end)| end);
            idle.insert(slot.tp.clone(), own.quiet.judge(slot.next(), now, timeout, done, end)?);
        }
        Ok(idle)
    }

    /// Raises the marks of quiet partitions: first committed under the group's generation, then written.
    fn raise(
        &mut self,
        slots: &mut [Slot],
        idle: &BTreeMap<TopicPartition, bool>,
        all: &[Seen],
        session: &mut dyn Session,
    ) -> Result<(), shell::Error> {
        let Some(mark_us) = idle_mark(all) else { return Ok(()) };
        let mut raised: Vec<Shared> = Vec::new();
        let mut commits: Vec<Commit> = Vec::new();
        let mut out = Outputs::default();
        for slot in slots.iter_mut().filter(|slot| idle.get(&slot.tp) == Some(&true)) {
            let Some(own) = self.own.get(&slot.tp) else { continue };
            // Marks that rose with the events are flushed like items before this commit, as before any other.
            own.task.get().resume(&mut out)?;
            let is_raised = own.task.get().raise_mark(mark_us);
            if is_raised {
                info!(tp = %slot.tp, mark_us, "quiet; its mark follows the others");
                commits.push(slot.commit()?);
                raised.push(own.task.clone());
            }
        }
        seal(slots, &mut out)?;
        publish(&mut out, session)?;
        if commits.is_empty() {
            return Ok(());
        }
        session.commit(&commits)?;
        for task in raised {
            let mut task = task.get();
            task.release_mark();
            task.resume(&mut out)?;
        }
        seal(slots, &mut out)?;
        publish(&mut out, session)
    }

    /// Lets partitions wait that run ahead of the slowest, as events that are held cost memory, and all while a reader is
    /// too far behind.
    fn throttle(
        &mut self,
        all: &BTreeMap<TopicPartition, Seen>,
        session: &mut dyn Session,
    ) -> Result<(), shell::Error> {
        let are_held = self.context.pipeline.ordering == Ordering::EventTime;
        let behind = self.options.behind.load(atomic::Ordering::Relaxed);
        let every: Vec<Seen> = all.values().copied().collect();
        for (tp, own) in &mut self.own {
            let is_ahead = |seen: &Seen| are_held && runs_ahead(*seen, &every, self.options.ahead_max_us);
            let waits = behind || all.get(tp).is_some_and(is_ahead);
            if waits != own.paused {
                debug!(%tp, waits, behind, "ahead of the slowest source partition, or of a reader");
                let tps = std::slice::from_ref(tp);
                if waits {
                    session.pause(tps)?
                } else {
                    session.resume(tps)?
                }
                own.paused = waits;
            }
        }
        Ok(())
    }

    /// Lets retries wait while a reader is too far behind.
    fn hold_back(&mut self, slots: &[Slot], session: &mut dyn Session) -> Result<(), shell::Error> {
        let behind = self.options.behind.load(atomic::Ordering::Relaxed);
        for tp in slots.iter().map(|slot| &slot.tp).filter(|tp| self.retries.contains(tp)) {
            if behind && self.held_back.insert(tp.clone()) {
                session.pause(std::slice::from_ref(tp))?;
            } else if !behind && self.held_back.remove(tp) {
                session.resume(std::slice::from_ref(tp))?;
            }
        }
        Ok(())
    }

    fn report(
        &mut self,
        slots: &[Slot],
        all: &BTreeMap<TopicPartition, Seen>,
        session: &mut dyn Session,
    ) -> Result<(), shell::Error> {
        let now = self.options.clock.now();
        for slot in slots {
            let (Some(own), Some(seen)) = (self.own.get_mut(&slot.tp), all.get(&slot.tp)) else { continue };
            let report = Report { next: slot.next(), seen: *seen };
            let due = own.reported.is_none_or(|(last, at)| {
                let waited = now.saturating_duration_since(at) >= Duration::from_millis(REPORT_MS);
                last.seen.idle != seen.idle || (last != report && waited)
            });
            if due {
                let record = self.progress.report(&slot.tp, report).map_err(|error| Stop::Other(error.to_string()))?;
                session.publish(record)?;
                own.reported = Some((report, now));
            }
        }
        Ok(())
    }
}

fn publish(out: &mut Outputs, session: &mut dyn Session) -> Result<(), shell::Error> {
    Ok(out.records.drain(..).try_for_each(|record| session.publish(outgoing(record)))?)
}
