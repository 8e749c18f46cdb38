//! Groups: commits, hand-over and fencing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{PATIENCE_MS, Seen, fill, numbered, poll, poll_until, topic, tp, value, values};
use crate::log::{
    Commit, Committed, Error, Log, METADATA_BYTES_MAX, Publish, Record, Session, SessionOptions, TopicPartition,
};

fn member(log: &dyn Log, prefix: &str, topic: &Arc<str>) -> Box<dyn Session> {
    let options = SessionOptions::group("member", format!("{prefix}.group"), [topic.to_string()]);
    log.session(options).expect("a group can be joined")
}

fn commit(tp: &TopicPartition, offset: i64, metadata: &str) -> Commit {
    Commit { tp: tp.clone(), offset, metadata: metadata.to_owned() }
}

fn await_partitions(session: &mut dyn Session, count: usize) -> Seen {
    poll_until(session, "an assignment", |seen| seen.assigned.len() >= count)
}

pub(super) fn a_commit_comes_back_with_its_metadata(log: &dyn Log, prefix: &str) {
    let topic = topic(log, prefix, 2);
    let (tp0, tp1) = (tp(&topic, 0), tp(&topic, 1));
    fill(log, &tp0, 0..10);
    let mut session = member(log, prefix, &topic);
    let seen = await_partitions(session.as_mut(), 2);
    let zero = seen.assigned.iter().find(|assigned| assigned.tp == tp0).expect("partition 0");
    assert_eq!((zero.committed.clone(), zero.start, zero.end), (None, 0, 10));
    let state = "x".repeat(METADATA_BYTES_MAX);
    session.commit(&[commit(&tp0, 3, "first"), commit(&tp1, 0, "")]).expect("committed");
    session.commit(&[commit(&tp0, 4, &state)]).expect("committed");
    session.close().expect("closed");
    let committed = |offset, metadata: &str| Some(Committed { offset, metadata: metadata.to_owned() });
    let group = format!("{prefix}.group");
    let found = log.committed(&group, &[tp1.clone(), tp0.clone()]).expect("an answer");
    assert_eq!(found, [committed(0, ""), committed(4, &state)]);
    let found = log.committed(&format!("{prefix}.other"), std::slice::from_ref(&tp0)).expect("an answer");
    assert_eq!(found, [None]);
    let mut session = member(log, prefix, &topic);
    let seen = poll_until(session.as_mut(), "the rest", |seen| seen.records.len() >= 6);
    let zero = seen.assigned.iter().find(|assigned| assigned.tp == tp0).expect("partition 0");
    assert_eq!(zero.committed, committed(4, &state));
    let records: Vec<Record> = seen.records.into_iter().map(|(_, record)| record).collect();
    assert_eq!(values(&records), numbered(4..10));
}

pub(super) fn a_commit_flushes_first(log: &dyn Log, prefix: &str) {
    let topic = topic(log, prefix, 2);
    let mut session = member(log, prefix, &topic);
    await_partitions(session.as_mut(), 2);
    for number in 0..5 {
        session.publish(Publish::batch(tp(&topic, 1), value(number))).expect("published");
    }
    session.commit(&[commit(&tp(&topic, 0), 0, "state")]).expect("committed");
    assert_eq!(log.watermarks(&tp(&topic, 1)).expect("an answer"), (0, 5));
}

pub(super) fn an_assigned_partition_waits_for_a_seek(log: &dyn Log, prefix: &str) {
    let topic = topic(log, prefix, 1);
    let tp0 = tp(&topic, 0);
    fill(log, &tp0, 0..10);
    let mut session = member(log, prefix, &topic);
    let seen = await_partitions(session.as_mut(), 1);
    assert!(seen.records.is_empty(), "no record comes with the assignment");
    session.commit(&[commit(&tp0, 8, "state")]).expect("committed");
    session.close().expect("closed");
    let mut session = member(log, prefix, &topic);
    let seen = await_partitions(session.as_mut(), 1);
    assert!(seen.records.is_empty(), "no record comes with the assignment");
    session.seek(&tp0, 0).expect("to the start, to restore");
    let seen = poll_until(session.as_mut(), "all records", |seen| seen.records.len() >= 10);
    let records: Vec<Record> = seen.records.into_iter().map(|(_, record)| record).collect();
    assert_eq!(values(&records), numbered(0..10));
}

pub(super) fn an_assigned_partition_is_not_paused(log: &dyn Log, prefix: &str) {
    let topic = topic(log, prefix, 2);
    let tps = [tp(&topic, 0), tp(&topic, 1)];
    let mut first = member(log, prefix, &topic);
    await_partitions(first.as_mut(), 2);
    assert!(poll(first.as_mut()).records.is_empty());
    first.pause(&tps).expect("paused");
    // Another member comes, and goes.
    let mut second = member(log, prefix, &topic);
    let deadline = Instant::now() + Duration::from_millis(PATIENCE_MS);
    while poll(second.as_mut()).assigned.is_empty() {
        assert!(Instant::now() < deadline, "the second member gets a partition");
        poll(first.as_mut());
    }
    second.close().expect("closed");
    let back = await_partitions(first.as_mut(), 1);
    tps.iter().for_each(|tp| fill(log, tp, 0..3));
    let all = |seen: &Seen, tp: &TopicPartition| seen.records.iter().filter(|(from, _)| from == tp).count() == 3;
    poll_until(first.as_mut(), "records of what came back", |seen| {
        back.assigned.iter().all(|assigned| all(seen, &assigned.tp))
    });
}

/// Two members, what each owns, and how far each partition was processed by anyone.
#[derive(Default)]
struct Ledger {
    owned: [BTreeSet<TopicPartition>; 2],
    done: BTreeMap<TopicPartition, i64>,
}

impl Ledger {
    /// One poll of a member: commits what is revoked, checks where it starts, takes the records.
    fn step(&mut self, index: usize, session: &mut dyn Session) {
        let poll = poll(session);
        let commits: Vec<Commit> = poll.revoked.iter().map(|revoked| self.commit(&revoked.tp)).collect();
        if !commits.is_empty() {
            session.commit(&commits).expect("a revoked partition can still be committed");
        }
        for revoked in poll.revoked {
            assert!(!revoked.lost, "nobody was silent");
            assert!(self.owned[index].remove(&revoked.tp), "only what was owned is revoked");
        }
        for assigned in poll.assigned {
            assert!(!self.owned[1 - index].contains(&assigned.tp), "{} has two owners", assigned.tp);
            let done = self.done.get(&assigned.tp).copied().unwrap_or(0);
            let committed = assigned.committed.map_or(0, |committed| committed.offset);
            assert_eq!(committed, done, "{} starts where its last owner stopped", assigned.tp);
            self.owned[index].insert(assigned.tp);
        }
        for (tp, records) in poll.records {
            assert!(self.owned[index].contains(&tp), "{tp} is not owned");
            for record in records {
                let done = self.done.entry(tp.clone()).or_insert(0);
                assert_eq!(record.offset, *done, "{tp} is read once");
                *done += 1;
            }
        }
    }

    fn commit(&self, tp: &TopicPartition) -> Commit {
        commit(tp, self.done.get(tp).copied().unwrap_or(0), "handed over")
    }
}

pub(super) fn partitions_are_handed_over_with_their_commits(log: &dyn Log, prefix: &str) {
    const PARTITIONS: i32 = 4;
    const RECORDS: usize = 20;
    let topic = topic(log, prefix, PARTITIONS);
    let fill_all = |numbers: std::ops::Range<usize>| {
        (0..PARTITIONS).for_each(|number| fill(log, &tp(&topic, number), numbers.clone()))
    };
    fill_all(0..RECORDS);
    let mut ledger = Ledger::default();
    let deadline = Instant::now() + Duration::from_millis(PATIENCE_MS);
    let in_time = || assert!(Instant::now() < deadline, "the group did not settle in {PATIENCE_MS} ms");
    let mut first = member(log, prefix, &topic);
    while ledger.done.values().sum::<i64>() < 40 {
        in_time();
        ledger.step(0, first.as_mut());
    }
    let mut second = member(log, prefix, &topic);
    while ledger.owned[0].len() != 2 || ledger.owned[1].len() != 2 {
        in_time();
        ledger.step(0, first.as_mut());
        ledger.step(1, second.as_mut());
    }
    fill_all(RECORDS..2 * RECORDS);
    while ledger.done.values().sum::<i64>() < i64::from(PARTITIONS) * 2 * RECORDS as i64 {
        in_time();
        ledger.step(0, first.as_mut());
        ledger.step(1, second.as_mut());
    }
    let commits: Vec<Commit> = ledger.owned[1].iter().map(|tp| ledger.commit(tp)).collect();
    second.commit(&commits).expect("committed");
    second.close().expect("closed");
    ledger.owned[1].clear();
    while ledger.owned[0].len() != PARTITIONS as usize {
        in_time();
        ledger.step(0, first.as_mut());
    }
}

pub(super) fn a_lost_partition_cannot_be_committed(log: &dyn Log, prefix: &str) {
    let topic = topic(log, prefix, 2);
    let mut first = member(log, prefix, &topic);
    await_partitions(first.as_mut(), 2);
    let mut second = member(log, prefix, &topic);
    let deadline = Instant::now() + Duration::from_millis(PATIENCE_MS);
    let mut seen = Seen::default();
    while seen.assigned.is_empty() {
        assert!(Instant::now() < deadline, "no hand-over in {PATIENCE_MS} ms");
        poll(first.as_mut());
        seen.add(poll(second.as_mut()));
    }
    let theirs = &seen.assigned[0].tp;
    let refused = first.commit(&[commit(theirs, 1, "late")]);
    assert!(matches!(refused, Err(Error::Fenced { .. })), "{refused:?}");
    second.commit(&[commit(theirs, 0, "rightful")]).expect("committed");
}

pub(super) fn commits_are_set_where_nobody_is(log: &dyn Log, prefix: &str) {
    let topic = topic(log, prefix, 2);
    let group = format!("{prefix}.group");
    fill(log, &tp(&topic, 0), 0..4);
    assert_eq!(log.members(&group).expect("an answer"), Vec::<String>::new(), "a group that nobody knows");
    log.set_committed(&group, &[commit(&tp(&topic, 0), 3, "set")]).expect("nobody is there");
    let both = [tp(&topic, 0), tp(&topic, 1)];
    let set = Some(Committed { offset: 3, metadata: "set".into() });
    assert_eq!(log.committed(&group, &both).expect("an answer"), [set.clone(), None]);
    let mut session = member(log, prefix, &topic);
    let seen = await_partitions(session.as_mut(), 2);
    assert!(seen.assigned.iter().any(|assigned| assigned.committed == set), "{seen:?}");
    assert_eq!(log.members(&group).expect("an answer").len(), 1);
    let refused = log.set_committed(&group, &[commit(&tp(&topic, 0), 1, "too late")]);
    assert!(matches!(refused, Err(Error::Occupied { .. })), "{refused:?}");
    session.close().expect("closed");
    let deadline = Instant::now() + Duration::from_millis(PATIENCE_MS);
    while !log.members(&group).expect("an answer").is_empty() {
        assert!(Instant::now() < deadline, "a member that left is still there");
        std::thread::yield_now();
    }
    log.set_committed(&group, &[commit(&tp(&topic, 0), 1, "")]).expect("nobody is there any more");
    let reset = Some(Committed { offset: 1, metadata: String::new() });
    assert_eq!(log.committed(&group, &both).expect("an answer"), [reset, None]);
    let metadata = "x".repeat(METADATA_BYTES_MAX + 1);
    let refused = log.set_committed(&group, &[commit(&tp(&topic, 0), 1, &metadata)]);
    assert!(matches!(refused, Err(Error::MetadataTooLarge { .. })), "{refused:?}");
}

pub(super) fn a_silent_member_is_fenced(log: &dyn Log, prefix: &str) {
    const SILENCE_MAX_MS: u64 = 1_500;
    let topic = topic(log, prefix, 1);
    let tp0 = tp(&topic, 0);
    fill(log, &tp0, 0..4);
    let options = SessionOptions::group("member", format!("{prefix}.group"), [topic.to_string()]);
    let options = SessionOptions { poll_interval_max_ms: SILENCE_MAX_MS, ..options };
    let mut zombie = log.session(options.clone()).expect("joined");
    poll_until(zombie.as_mut(), "its records", |seen| seen.records.len() == 4);
    let mut heir = log.session(options).expect("joined");
    await_partitions(heir.as_mut(), 1);
    heir.commit(&[commit(&tp0, 4, "heir")]).expect("committed");
    let refused = zombie.commit(&[commit(&tp0, 2, "zombie")]);
    assert!(matches!(refused, Err(Error::Fenced { .. })), "{refused:?}");
    let found = log.committed(&format!("{prefix}.group"), std::slice::from_ref(&tp0)).expect("an answer");
    assert_eq!(found, [Some(Committed { offset: 4, metadata: "heir".into() })]);
    let seen = poll_until(zombie.as_mut(), "the bad news", |seen| !seen.revoked.is_empty());
    assert!(seen.revoked.iter().all(|revoked| revoked.lost), "{seen:?}");
    assert!(seen.records.is_empty(), "{seen:?}");
}
