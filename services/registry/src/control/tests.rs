//! Tests of the control history: dense numbers, one winner, canonical text.

#![allow(clippy::unwrap_used)]

use serde::{Deserialize, Serialize};

use super::{ControlLog, Error, Proposed};
use crate::decisions::{self, Decisions};
use crate::store::Store;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct State {
    threshold: f64,
    champion: Option<String>,
}

fn state(champion: &str) -> State {
    State { threshold: 0.25, champion: Some(champion.to_owned()) }
}

fn log(store: &Store) -> ControlLog {
    ControlLog::new(Decisions::new(store.clone()), "fraud", "fraud.features.log.f1.g1")
}

#[test]
fn the_newest_state_is_current_and_names_the_one_before() {
    let store = Store::memory();
    let control = log(&store);
    assert_eq!(control.current::<State>().unwrap(), None);
    let Proposed::Won(first) = control.propose(0, state("a")).unwrap() else { panic!() };
    let Proposed::Won(second) = control.propose(1, state("b")).unwrap() else { panic!() };
    assert_eq!(first.previous, None);
    assert_eq!(second.previous.as_ref().map(String::len), Some(64));
    assert_eq!(log(&store).current().unwrap(), Some(second.clone()));
    assert_eq!((control.at(0).unwrap(), control.at(1).unwrap()), (Some(first), Some(second)));
    assert_eq!(control.at::<State>(2).unwrap(), None);
}

#[test]
fn the_loser_of_a_race_gets_the_winners_state() {
    let store = Store::memory();
    let (one, other) = (log(&store), log(&store));
    let won = one.propose(0, state("a")).unwrap();
    let lost = other.propose(0, state("b")).unwrap();
    let Proposed::Lost(theirs) = lost else { panic!("both won") };
    assert_eq!(theirs, won.into_numbered());
}

#[test]
fn proposing_the_same_again_ends_the_same() {
    let store = Store::memory();
    let first = log(&store).propose(0, state("a")).unwrap();
    assert_eq!(log(&store).propose(0, state("a")).unwrap(), first);
}

#[test]
fn a_number_out_of_turn_names_the_next() {
    let store = Store::memory();
    log(&store).propose(0, state("a")).unwrap();
    let refused = log(&store).propose(2, state("c")).unwrap_err();
    assert!(matches!(refused, Error::Decision(decisions::Error::OutOfTurn { expected: 1, .. })), "{refused}");
}

#[test]
fn the_text_is_canonical() {
    let store = Store::memory();
    log(&store).propose(0, state("a")).unwrap();
    let key = "control/fraud/fraud.features.log.f1.g1/00000000000000000000";
    let text = String::from_utf8(store.get(key).unwrap().to_vec()).unwrap();
    assert_eq!(text, r#"{"number":0,"previous":null,"signature":null,"state":{"champion":"a","threshold":0.25}}"#);
}

#[test]
fn a_state_of_another_shape_is_refused() {
    let store = Store::memory();
    log(&store).propose(0, state("a")).unwrap();
    let refused = log(&store).current::<Vec<u8>>().unwrap_err().to_string();
    assert!(refused.contains("control state 0"), "{refused}");
}
