//! Tests of decisions: the first is final, for every process, and asks the store once.

#![allow(clippy::unwrap_used)]

use std::sync::Barrier;

use super::{DECISION_BYTES_MAX, Decisions, Error, FenceOutcome, Verdict, bucket};
use crate::store::Store;

fn reject(code: &str) -> Verdict {
    Verdict::Reject { code: code.to_owned(), detail: "id 7".to_owned() }
}

#[test]
fn the_first_decision_is_final_for_everyone() {
    let store = Store::memory();
    let (live, zombie) = (Decisions::new(store.clone()), Decisions::new(store));
    assert_eq!(live.find("d/1").unwrap(), None);
    assert_eq!(live.decide("d/1", b"yes").unwrap(), b"yes");
    assert_eq!(zombie.decide("d/1", b"no").unwrap(), b"yes");
    assert_eq!(live.decide("d/1", b"no").unwrap(), b"yes");
    assert_eq!(zombie.find("d/1").unwrap().unwrap(), b"yes");
}

#[test]
fn a_known_decision_needs_no_store() {
    let dir = tempfile::tempdir().unwrap();
    let decisions = Decisions::new(Store::local(dir.path()).unwrap());
    decisions.decide("d/1", b"yes").unwrap();
    drop(dir);
    assert_eq!(decisions.decide("d/1", b"no").unwrap(), b"yes");
    assert_eq!(decisions.find("d/1").unwrap().unwrap(), b"yes");
}

#[test]
fn racing_processes_agree() {
    const RACERS: usize = 8;
    let dir = tempfile::tempdir().unwrap();
    let gate = Barrier::new(RACERS);
    let seen: Vec<Vec<Vec<u8>>> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..RACERS)
            .map(|racer| {
                let (dir, gate) = (dir.path(), &gate);
                scope.spawn(move || {
                    let decisions = Decisions::new(Store::local(dir).unwrap());
                    (0..20)
                        .map(|n| {
                            gate.wait();
                            let mine = format!("racer {racer}");
                            decisions.decide(&format!("d/{n}"), mine.as_bytes()).unwrap()
                        })
                        .collect()
                })
            })
            .collect();
        racers.into_iter().map(|r| r.join().unwrap()).collect()
    });
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn a_verdict_is_one_for_accepting_and_rejecting_processes() {
    let decisions = Decisions::new(Store::memory());
    let ask = |offset, proposal| decisions.verdict("a.events.v1", 3, offset, &proposal).unwrap();
    assert_eq!(ask(9, reject("UNKNOWN_SCHEMA")), reject("UNKNOWN_SCHEMA"));
    assert_eq!(ask(9, Verdict::Accept), reject("UNKNOWN_SCHEMA"));
    assert_eq!(ask(10, Verdict::Accept), Verdict::Accept);
}

#[test]
fn a_bucket_keeps_the_rules_of_whoever_opened_it() {
    let decisions = Decisions::new(Store::memory());
    let ask = |offset, rules| decisions.rule_version("t", 0, offset, rules).unwrap();
    assert_eq!(ask(65_535, "one"), "one");
    assert_eq!(ask(0, "two"), "one");
    assert_eq!(ask(65_536, "two"), "two");
    assert_eq!((bucket(65_535), bucket(65_536)), (0, 1));
}

#[test]
fn a_fence_ends_once_per_partition() {
    let decisions = Decisions::new(Store::memory());
    let ask = |partition, outcome| decisions.fence_outcome(5, "f.log", partition, outcome).unwrap();
    assert_eq!(decisions.find_fence_outcome(5, "f.log", 0).unwrap(), None);
    assert_eq!(ask(0, FenceOutcome::Taken), FenceOutcome::Taken);
    assert_eq!(ask(0, FenceOutcome::Void), FenceOutcome::Taken);
    assert_eq!(ask(1, FenceOutcome::Void), FenceOutcome::Void);
    assert_eq!(ask(1, FenceOutcome::Taken), FenceOutcome::Void);
    assert_eq!(decisions.find_fence_outcome(5, "f.log", 1).unwrap(), Some(FenceOutcome::Void));
}

#[test]
fn control_numbers_are_dense_and_the_loser_gets_the_winners_state() {
    let store = Store::memory();
    let (one, other) = (Decisions::new(store.clone()), Decisions::new(store));
    assert_eq!(one.control("p", "f.log").unwrap(), None);
    let early = one.propose_control("p", "f.log", 1, b"x").unwrap_err();
    assert!(matches!(early, Error::OutOfTurn { expected: 0, .. }), "{early}");
    for number in 0..11 {
        let state = format!("state {number}").into_bytes();
        let got = one.propose_control("p", "f.log", number, &state).unwrap();
        assert_eq!(got, state);
    }
    assert_eq!(other.propose_control("p", "f.log", 10, b"late").unwrap(), b"state 10");
    let (number, state) = other.control("p", "f.log").unwrap().unwrap();
    assert_eq!((number, state.as_slice()), (10, &b"state 10"[..]));
}

#[test]
fn what_cannot_be_a_decision_is_refused() {
    let store = Store::memory();
    let decisions = Decisions::new(store.clone());
    let large = vec![0; DECISION_BYTES_MAX + 1];
    assert!(matches!(decisions.decide("d/1", &large), Err(Error::TooLarge { .. })));
    store.put_create("verdicts/t/0/00000000000000000001", b"{").unwrap();
    let refused = decisions.verdict("t", 0, 1, &Verdict::Accept).unwrap_err();
    assert!(refused.to_string().contains("verdicts/t/0/"), "{refused}");
}
