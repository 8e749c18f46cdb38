//! The simulated log alone: it conforms, its faults are what Kafka allows, and a seed repeats them.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::conformance::SUITE;
use crate::log::{Commit, Publish, Record};

const SEEDS: u64 = 200;

fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

fn cluster(seed: u64, faults: Faults) -> Simulated {
    let log = Simulated::new(seed, faults);
    log.create_topics(&[TopicSpec::new("t", 2)]).unwrap();
    log
}

fn publish(session: &mut dyn Session, partition: i32, number: u64) -> Result<()> {
    session.publish(Publish::batch(tp(partition), Bytes::from(number.to_string())))
}

fn values(log: &Simulated, partition: i32) -> Vec<u64> {
    let world = log.world();
    let number = |record: &Record| std::str::from_utf8(record.value.as_ref().unwrap()).unwrap().parse().unwrap();
    world.partition(&tp(partition)).unwrap().records.iter().map(number).collect()
}

#[test]
fn it_conforms() {
    let log = Simulated::new(1, Faults::none()).paced(std::thread::sleep);
    SUITE.iter().for_each(|(name, case)| case(&log, name));
}

/// A process that publishes 1, 2, … to two partitions and crashes at some call. What is in the log after everything
/// arrived, and how many of the numbers were acknowledged.
fn crashed_publisher(seed: u64, faults: Faults) -> (Vec<u64>, Vec<u64>, u64) {
    let log = cluster(seed, faults);
    let process = log.process();
    process.crash_after(seed % 40);
    let mut acknowledged = 0;
    let run = |acknowledged: &mut u64| -> Result<()> {
        let mut session = process.session(SessionOptions::publisher("p"))?;
        for number in 1..=20 {
            publish(session.as_mut(), 0, number)?;
            publish(session.as_mut(), 1, number)?;
            if number % 5 == 0 {
                session.flush()?;
                *acknowledged = number;
            }
        }
        Ok(())
    };
    assert_eq!(run(&mut acknowledged).is_err(), process.crashed());
    log.set_faults(Faults::none());
    log.turn();
    assert_eq!(log.in_flight(), 0);
    (values(&log, 0), values(&log, 1), acknowledged)
}

#[test]
fn what_a_crashed_process_published_is_there_up_to_some_point_once_and_in_order() {
    let mut ends = BTreeSet::new();
    for seed in 0..SEEDS {
        let (zero, one, acknowledged) = crashed_publisher(seed, Faults::all());
        for found in [&zero, &one] {
            let dense: Vec<u64> = (1..=found.len() as u64).collect();
            assert_eq!(*found, dense, "seed {seed}");
            assert!(found.len() as u64 >= acknowledged, "seed {seed}: acknowledged up to {acknowledged}");
        }
        ends.insert((zero.len() as u64 - acknowledged, one.len() as u64 - acknowledged));
    }
    assert!(ends.len() > 10, "crashes cut in many places: {ends:?}");
}

#[test]
fn a_seed_repeats_a_history() {
    let all = |seed| crashed_publisher(seed, Faults::all());
    (0..SEEDS).for_each(|seed| assert_eq!(all(seed), all(seed)));
    assert!((0..SEEDS).any(|seed| all(seed) != all(seed + 40)), "seeds differ");
}

#[test]
fn an_expelled_member_reads_on_for_a_while_and_cannot_commit() {
    let mut polls_unaware = BTreeSet::new();
    for seed in 0..SEEDS {
        let faults = Faults { unaware_polls_max: 3, ..Faults::none() };
        let log = cluster(seed, faults);
        let zombie = log.process();
        let join = |log: &Simulated| log.session(SessionOptions::group("m", "g", ["t"])).unwrap();
        let mut first = join(&zombie);
        assert_eq!(first.poll(Duration::ZERO).unwrap().assigned.len(), 2);
        let mut heir = join(&log.process());
        while heir.poll(Duration::ZERO).unwrap().assigned.is_empty() {
            first.poll(Duration::ZERO).unwrap();
        }
        zombie.expel();
        assert_eq!(heir.poll(Duration::ZERO).unwrap().assigned.len(), 1);
        for partition in 0..2 {
            let commit = Commit { tp: tp(partition), offset: 0, metadata: "zombie".into() };
            assert!(matches!(first.commit(std::slice::from_ref(&commit)), Err(Error::Fenced { .. })));
        }
        let mut polls = 0;
        while first.poll(Duration::ZERO).unwrap().revoked.is_empty() {
            polls += 1;
        }
        polls_unaware.insert(polls);
    }
    assert_eq!(polls_unaware, BTreeSet::from([0, 1, 2, 3]));
}

#[test]
fn a_crashed_member_goes_at_once_or_with_its_session_timeout() {
    let mut waited_ms = BTreeSet::new();
    for seed in 0..SEEDS {
        let log = cluster(seed, Faults { lingers: 50, ..Faults::none() });
        let process = log.process();
        let mut session = process.session(SessionOptions::group("m", "g", ["t"])).unwrap();
        assert_eq!(session.poll(Duration::ZERO).unwrap().assigned.len(), 2);
        process.crash_after(0);
        assert!(matches!(session.poll(Duration::ZERO), Err(Error::Stopped { .. })));
        drop(session);
        let (mut heir, begin_ms) = (log.session(SessionOptions::group("m", "g", ["t"])).unwrap(), log.now_ms());
        while heir.poll(Duration::from_millis(1_000)).unwrap().assigned.is_empty() {}
        waited_ms.insert((log.now_ms() - begin_ms) / 1_000);
    }
    assert_eq!(waited_ms, BTreeSet::from([0, 10]));
}

/// A member hands on what it reads: one poll with its commit.
fn hand_on(process: &Simulated, session: &mut Option<Box<dyn Session>>) -> Result<()> {
    let session = match session {
        Some(session) => session,
        none => {
            let group = SessionOptions::group("m", "g", ["t"]);
            none.insert(process.session(SessionOptions { transactional: vec!["results".into()], ..group })?)
        }
    };
    let mut commits = Vec::new();
    for (tp, records) in session.poll(Duration::ZERO)?.records {
        for Record { value, .. } in &records {
            session.publish(Publish { value: value.clone(), ..Publish::batch(results(tp.partition), Bytes::new()) })?;
        }
        let offset = records.last().unwrap().offset + 1;
        commits.push(Commit { tp, offset, metadata: "state".into() });
    }
    if commits.is_empty() { Ok(()) } else { session.commit(&commits) }
}

fn results(partition: i32) -> TopicPartition {
    TopicPartition::new("results", partition)
}

#[test]
fn results_are_seen_once_with_their_offsets_whatever_becomes_of_their_transactions() {
    const ACTS: usize = 400;
    const RECORDS: u64 = 30;
    let mut hidden = 0;
    for seed in 0..SEEDS {
        let (log, mut random) = (cluster(seed, Faults::all()), Random::new(seed));
        log.create_topics(&[TopicSpec::new("results", 2)]).unwrap();
        let mut source = log.session(SessionOptions::publisher("source")).unwrap();
        (0..RECORDS).for_each(|number| publish(source.as_mut(), (number % 2) as i32, number / 2).unwrap());
        source.flush().unwrap();
        let mut members: Vec<_> = (0..2).map(|_| (log.process(), None)).collect();
        for act in 0..ACTS {
            let (process, session) = &mut members[random.below(2)];
            match act * 2 < ACTS {
                true if random.percent(10) => process.crash_after(random.below(12) as u64),
                true if random.percent(10) => process.expel(),
                true => {}
                false => log.set_faults(Faults::none()),
            }
            if hand_on(process, session).is_err() {
                *session = None;
                *process = if process.crashed() { log.process() } else { process.clone() };
            }
            log.advance(100);
            for partition in 0..2 {
                let seen = log.read(&results(partition), 0).unwrap().len() as i64;
                let committed = log.committed_offset("g", &tp(partition));
                // Behind the records of an open transaction readers wait even for what is committed.
                let is_waiting = seen < committed && log.open_transactions() > 0;
                assert!(seen == committed || is_waiting, "seed {seed}, act {act}: {seen} and not {committed}");
            }
        }
        for partition in 0..2 {
            let found = log.read(&results(partition), 0).unwrap();
            let numbers: Vec<_> = found.iter().map(|record| record.value.clone().unwrap()).collect();
            let expected: Vec<_> = (0..RECORDS / 2).map(|number| Bytes::from(number.to_string())).collect();
            assert_eq!(numbers, expected, "seed {seed}");
            hidden += log.world().partition(&results(partition)).unwrap().hidden.len();
        }
        assert_eq!(log.expired(), 0, "seed {seed}");
    }
    assert!(hidden > 100, "transactions are aborted now and then: {hidden} records");
}
