//! The shell's loop.

use super::slot::{Slot, outgoing};
use super::{ATTEMPTS_MAX, Error, Options, Service};
use crate::log::{Commit, Input, Log, Poll, Session, SessionOptions};
use flow::processor::OutRecord;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// First pause after the outside world failed; it doubles each time.
const BACKOFF_MS: u64 = 100;
/// Longest such pause.
const BACKOFF_MS_MAX: u64 = 10_000;

/// Runs a service until `stop` is set, an error ends it, or its tasks stop.
pub fn run(log: &dyn Log, options: &Options, service: &mut dyn Service, stop: &AtomicBool) -> Result<(), Error> {
    let mut attempts = 0;
    loop {
        let mut progress = false;
        let error = match serve(log, options, service, stop, &mut progress) {
            Ok(()) => return Ok(()),
            Err(Error::Log(error)) if error.is_retriable() || error.is_fenced() => error,
            Err(error) => return Err(error),
        };
        attempts = if progress || error.is_fenced() { 1 } else { attempts + 1 };
        if attempts >= ATTEMPTS_MAX || stop.load(Ordering::Relaxed) {
            return Err(error.into());
        }
        warn!(service = %options.name, %error, attempts, "starting over from the last commit");
        options.stats.restarted();
        thread::sleep(Duration::from_millis((BACKOFF_MS << attempts).min(BACKOFF_MS_MAX)));
    }
}

/// One session from joining to leaving.
fn serve(
    log: &dyn Log,
    options: &Options,
    service: &mut dyn Service,
    stop: &AtomicBool,
    progress: &mut bool,
) -> Result<(), Error> {
    let input = Input::Group { group: options.group.clone(), topics: options.topics.clone(), instance: None };
    let mut session = log.session(SessionOptions {
        poll_records_max: options.poll_records_max,
        durable: options.durable,
        ..SessionOptions::new(options.name.clone(), input)
    })?;
    let mut slots: Vec<Slot> = Vec::new();
    let mut committed = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let polled = Instant::now();
        let poll = session.poll(options.poll_wait)?;
        let records = poll.records.iter().map(|(_, records)| records.len()).sum::<usize>();
        options.stats.polled(records);
        take(poll, &mut slots, service, session.as_mut(), options)?;
        service.tick(&mut slots, session.as_mut())?;
        if committed.elapsed() >= options.commit_interval {
            commit(&mut slots, session.as_mut(), options)?;
            committed = Instant::now();
            *progress = true;
        }
        let idle = options.poll_floor.saturating_sub(polled.elapsed());
        if records > 0 && records < options.poll_records_max && !idle.is_zero() {
            thread::sleep(idle);
        }
    }
    commit(&mut slots, session.as_mut(), options)?;
    Ok(session.close()?)
}

fn take(
    poll: Poll,
    slots: &mut Vec<Slot>,
    service: &mut dyn Service,
    session: &mut dyn Session,
    options: &Options,
) -> Result<(), Error> {
    let mut kept: Vec<Slot> = Vec::new();
    if !poll.revoked.is_empty() {
        let mut given: Vec<Slot> = Vec::new();
        for slot in slots.drain(..) {
            match poll.revoked.iter().find(|revoked| revoked.tp == slot.tp) {
                Some(revoked) if revoked.lost => info!(service = %options.name, tp = %slot.tp, "partition lost"),
                Some(_) => given.push(slot),
                None => kept.push(slot),
            }
        }
        *slots = kept;
        commit(&mut given, session, options)?;
        for slot in given {
            info!(service = %options.name, tp = %slot.tp, next = slot.next(), "partition given away");
        }
    }
    for assigned in poll.assigned {
        info!(service = %options.name, tp = %assigned.tp, committed = ?assigned.committed.as_ref().map(|at| at.offset), end = assigned.end, "partition taken");
        let opened = service.open(&assigned.tp, assigned.committed.as_ref())?;
        let mut slot = Slot::open(assigned, opened, session)?;
        let mut out = Vec::new();
        slot.task.resume(&mut out)?;
        publish(&mut out, session, options)?;
        slots.push(slot);
    }
    options.stats.owns(slots.len());
    for (tp, records) in poll.records {
        let Some(slot) = slots.iter_mut().find(|slot| slot.tp == tp) else { continue };
        slot.handle(records, &mut |out| publish(out, session, options))?;
    }
    Ok(())
}

fn publish(out: &mut Vec<OutRecord>, session: &mut dyn Session, options: &Options) -> Result<(), Error> {
    options.stats.published(out.len());
    for record in out.drain(..) {
        session.publish(outgoing(record))?;
    }
    Ok(())
}

/// Commits what changed; pending marks are published first and acknowledged with everything else.
fn commit(slots: &mut [Slot], session: &mut dyn Session, options: &Options) -> Result<(), Error> {
    let mut out = Vec::new();
    let mut commits: Vec<Commit> = Vec::new();
    for slot in slots {
        commits.extend(slot.pending(&mut out)?);
    }
    publish(&mut out, session, options)?;
    if !commits.is_empty() {
        session.commit(&commits)?;
        options.stats.committed();
    }
    Ok(())
}
