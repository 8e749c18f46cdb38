//! One session of a shell, from joining its group to leaving it. Whoever drives it decides when it polls and when it
//! commits: the shell's loop by the clock, a simulation by its seed.

use super::slot::{Slot, outgoing, seal};
use super::snapshots::Snapshots;
use super::telling::Telling;
use super::{Error, HANDED_OVER_MS_MAX, Options, STOP_SNAPSHOTS_MS_MAX, Service, TRANSACTION_RECORDS_MAX};
use crate::failpoint::{self, COMMITTING, POLLED, PROCESSED, PUBLISHED, RESTORED, STORED};
use crate::log::{Assigned, Commit, Input, Log, Poll, Revoked, Session, SessionOptions};
use flow::flaw::{Flaw, made};
use flow::outputs::Outputs;
use flow::processor::OutRecord;
use std::time::{Duration, Instant};
use tracing::info;

/// A session with the tasks of the partitions that its group gave it.
pub struct Worker {
    options: Options,
    session: Box<dyn Session>,
    slots: Vec<Slot>,
    /// Partitions that the service does not accept yet.
    waiting: Vec<Assigned>,
    /// Outputs since the last commit.
    published: usize,
    snapshots: Option<Snapshots>,
    telling: Option<Telling>,
}

impl Worker {
    /// Joins the group.
    pub fn join(log: &dyn Log, options: &Options) -> Result<Self, Error> {
        let input = Input::Group { group: options.group.clone(), topics: options.topics.clone(), instance: None };
        let session = log.session(SessionOptions {
            poll_records_max: options.poll_records_max,
            durable: options.durable,
            transactional: options.transactional.clone(),
            ..SessionOptions::new(options.name.clone(), input)
        })?;
        let snapshots = Snapshots::start(options)?;
        let telling = Telling::start(options);
        Ok(Worker {
            options: options.clone(),
            session,
            slots: Vec::new(),
            waiting: Vec::new(),
            published: 0,
            snapshots,
            telling,
        })
    }

    /// The partitions it owns, with their tasks.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Polls once and does what follows from it, all but the commit. Returns how many records came. After an error the
    /// worker has lost its footing: drop it, and join again.
    pub fn step(&mut self, service: &mut dyn Service) -> Result<usize, Error> {
        let poll = self.session.poll(self.options.poll_wait)?;
        let records = poll.records.iter().map(|(_, records)| records.len()).sum::<usize>();
        self.options.stats.polled(records);
        if records > 0 {
            failpoint::pass(POLLED, &self.options.group);
        }
        let newest_ms = poll.records.iter().filter_map(|(_, records)| Some(records.last()?.append_time_ms)).max();
        self.take(poll, service)?;
        if let Some(newest_ms) = newest_ms {
            self.options.stats.handled(newest_ms);
        }
        service.tick(&mut self.slots, self.session.as_mut())?;
        if let Some(snapshots) = &self.snapshots {
            snapshots.step(&mut self.slots);
        }
        Ok(records)
    }

    /// Whether so many outputs wait for their commit that it should come now.
    pub fn is_full(&self) -> bool {
        !self.options.transactional.is_empty() && self.published >= TRANSACTION_RECORDS_MAX
    }

    /// Commits what changed since the last time; pending marks are published first and acknowledged with everything else.
    pub fn commit(&mut self) -> Result<(), Error> {
        let mut out = Outputs::default();
        let mut commits: Vec<Commit> = Vec::new();
        for slot in &mut self.slots {
            commits.extend(slot.pending(&mut out)?);
        }
        seal(&mut self.slots, &mut out)?;
        let mut out = out.records;
        if !made(Flaw::MarksAfterCommit) {
            publish(&mut out, self.session.as_mut(), &self.options)?;
        }
        if !commits.is_empty() {
            failpoint::pass(COMMITTING, &self.options.group);
            self.session.commit(&commits)?;
            failpoint::pass(STORED, &self.options.group);
            if let Some(snapshots) = &self.snapshots {
                snapshots.committed(&mut self.slots);
            }
            self.options.stats.committed();
        }
        publish(&mut out, self.session.as_mut(), &self.options)?;
        self.published = 0;
        self.tell(commits.is_empty(), false)
    }

    /// Commits, takes the last snapshots, and leaves the group.
    pub fn close(mut self) -> Result<(), Error> {
        self.commit()?;
        self.last_snapshots(|_| true, STOP_SNAPSHOTS_MS_MAX)?;
        self.tell(true, true)?;
        Ok(self.session.close()?)
    }

    /// Writes the ledger when it is due, or now. Everything is committed; what was told before is acknowledged, too, or
    /// is flushed first.
    fn tell(&mut self, flush: bool, now: bool) -> Result<(), Error> {
        let Worker { telling: Some(telling), slots, session, .. } = self else { return Ok(()) };
        if !now && !telling.is_due() {
            return Ok(());
        }
        if flush {
            session.flush()?;
        }
        telling.tell(slots, session.as_mut())
    }

    /// Takes last snapshots of the slots that are meant, and commits where they are. All else is committed before.
    fn last_snapshots(&mut self, meant: impl Fn(&Slot) -> bool, longest_ms: u64) -> Result<(), Error> {
        let Some(snapshots) = &self.snapshots else { return Ok(()) };
        snapshots.finish(&mut self.slots, meant, Instant::now() + Duration::from_millis(longest_ms));
        self.commit()
    }

    fn take(&mut self, poll: Poll, service: &mut dyn Service) -> Result<(), Error> {
        if !poll.revoked.is_empty() {
            self.waiting.retain(|assigned| !poll.revoked.iter().any(|revoked| revoked.tp == assigned.tp));
            self.give_away(&poll.revoked)?;
        }
        let assigned = self.accepted(poll.assigned, service)?;
        let Worker { options, session, slots, published, snapshots, .. } = self;
        for assigned in assigned {
            info!(service = %options.name, tp = %assigned.tp, committed = ?assigned.committed.as_ref().map(|at| at.offset), end = assigned.end, "partition taken");
            let mut slot = match snapshots {
                Some(snapshots) => snapshots.open(assigned, service, session.as_mut())?,
                None => {
                    let opened = service.open(&assigned.tp, assigned.committed.as_ref())?;
                    Slot::open(assigned, opened, None, session.as_mut())?
                }
            };
            failpoint::pass(RESTORED, &options.group);
            let mut out = Outputs::default();
            slot.task.resume(&mut out)?;
            slot.task.seal(&mut out)?;
            publish(&mut out.records, session.as_mut(), options)?;
            tell_restored(&mut slot, options);
            slots.push(slot);
        }
        options.stats.owns(slots.len());
        let mut publish = |out: &mut Vec<OutRecord>| {
            *published += out.len();
            publish(out, session.as_mut(), options)
        };
        let mut out = Outputs::default();
        for (tp, records) in poll.records {
            let Some(slot) = slots.iter_mut().find(|slot| slot.tp == tp) else { continue };
            slot.handle(records, &mut out, &mut publish)?;
            tell_restored(slot, options);
        }
        seal(slots, &mut out)?;
        publish(&mut out.records)
    }

    /// Of the partitions that are new and those that wait, the ones that may be worked on and that the service accepts.
    fn accepted(&mut self, new: Vec<Assigned>, service: &mut dyn Service) -> Result<Vec<Assigned>, Error> {
        let mut accepted = Vec::new();
        // Asked after they were given: what shut the gate meanwhile may count on it.
        let is_open =
            (new.is_empty() && self.waiting.is_empty()) || self.options.gate.as_ref().is_none_or(super::Gate::is_open);
        for assigned in std::mem::take(&mut self.waiting) {
            if is_open && service.accepts(&assigned.tp)? {
                self.session.resume(std::slice::from_ref(&assigned.tp))?;
                accepted.push(assigned);
            } else {
                self.waiting.push(assigned);
            }
        }
        for assigned in new {
            if is_open && service.accepts(&assigned.tp)? {
                accepted.push(assigned);
            } else {
                self.session.pause(std::slice::from_ref(&assigned.tp))?;
                self.waiting.push(assigned);
            }
        }
        Ok(accepted)
    }

    /// Commits what is given away and forgets it; what is lost is forgotten at once.
    fn give_away(&mut self, revoked: &[Revoked]) -> Result<(), Error> {
        let is_revoked =
            |slot: &Slot, lost| revoked.iter().any(|revoked| revoked.tp == slot.tp && revoked.lost == lost);
        let name = &self.options.name;
        self.slots.retain(|slot| {
            let is_lost = is_revoked(slot, true);
            if is_lost {
                info!(service = %name, tp = %slot.tp, "partition lost");
            }
            !is_lost
        });
        if !self.slots.iter().any(|slot| is_revoked(slot, false)) {
            return Ok(());
        }
        // Together with those that stay: outputs that wait for their commit come from all of them.
        self.commit()?;
        self.last_snapshots(|slot| is_revoked(slot, false), HANDED_OVER_MS_MAX)?;
        let name = &self.options.name;
        self.slots.retain(|slot| {
            let is_given = is_revoked(slot, false);
            if is_given {
                info!(service = %name, tp = %slot.tp, next = slot.next(), "partition given away");
            }
            !is_given
        });
        Ok(())
    }
}

/// Says how much of its log a task that was restored had to read again.
fn tell_restored(slot: &mut Slot, options: &Options) {
    let Some(again) = slot.take_restored() else { return };
    info!(service = %options.name, tp = %slot.tp, again, "state is that of the commit");
    options.stats.restored(again);
}

fn publish(out: &mut Vec<OutRecord>, session: &mut dyn Session, options: &Options) -> Result<(), Error> {
    if out.is_empty() {
        return Ok(());
    }
    options.stats.published(out.len());
    failpoint::pass(PROCESSED, &options.group);
    for record in out.drain(..) {
        session.publish(outgoing(record))?;
    }
    failpoint::pass(PUBLISHED, &options.group);
    Ok(())
}
