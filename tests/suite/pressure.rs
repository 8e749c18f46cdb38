//! More than a gateway has room for: it says so and when to come again, goes on telling that it lives, and what it accepted
//! goes through. Who is silent loses its place.

mod gated;

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use gateway::{Certificate, Limits, Listener};
use tests::pipeline::fraud;

use self::gated::Gated;
use crate::doors::{certificate, tokens, trusting};
use crate::served::{EVENTS, Served, embedded, ids, transaction};
use crate::wire::Wire;

/// Longest wait for an answer. A limit on hanging, no timing.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Requests that wait to be published at once, as docs/reference/gateway.md says.
const WAIT_MAX: usize = 64;
/// Requests beyond those.
const MORE: usize = 20;

fn local() -> Listener {
    Listener::bind("127.0.0.1:0").unwrap()
}

#[test]
fn one_tap_too_many_comes_again_later() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(dir.path());
    let tap = format!("/v1/topics/{}/tap?from=end", served.deployment.context.plan.names.events);
    let open = || {
        let mut wire = Wire::connect(served.running.address);
        wire.get(&tap).unwrap();
        let answer = wire.answer();
        (wire, answer)
    };
    let mut taps = Vec::new();
    for _ in 0..16 {
        let (wire, answer) = open();
        assert_eq!(answer.status, 200, "{answer:?}");
        taps.push(wire);
    }
    let (_, answer) = open();
    assert!(answer.is_busy() && answer.body.contains("16 taps are open already"), "{answer:?}");
    assert_eq!(served.get("/livez").0, 200);
    assert_eq!(served.post_json(EVENTS, &transaction(1)).0, 202, "events have room of their own");
    drop(taps.pop());
    served.deployment.wait(&[], || open().1.status == 200);
    drop(taps);
    served.stop();
}

#[test]
fn requests_in_work_are_finished_and_further_ones_come_again() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { requests_max: 8, ..Limits::USUAL };
    let served = Served::limited(dir.path(), local(), limits);
    // A request is in work from its head on. These lack the last byte of their bodies.
    let begun = (0..8).map(|id| {
        let mut wire = Wire::connect(served.running.address);
        let body = transaction(id).to_string();
        wire.begin(&format!("POST {EVENTS}")).unwrap();
        wire.send(&format!("content-length: {}\r\n\r\n{}", body.len(), &body[..body.len() - 1])).unwrap();
        wire
    });
    let begun: Vec<Wire> = begun.collect();
    let ask = || {
        let mut wire = Wire::connect(served.running.address);
        wire.get("/v1/control").unwrap();
        wire.answer()
    };
    served.deployment.wait(&[], || ask().status != 200);
    let answer = ask();
    assert!(answer.is_busy() && answer.body.contains("8 requests are in work already"), "{answer:?}");
    for path in ["/livez", "/readyz", "/"] {
        assert_ne!(served.get(path).0, 429, "{path} needs no place");
    }
    for mut wire in begun {
        wire.send("}").unwrap();
        assert_eq!(wire.answer().status, 202);
    }
    assert_eq!(ask().status, 200);
    let rows = served.deployment.rows(&served.deployment.context.plan.names.events);
    assert_eq!(ids(&rows), (0..8).collect::<Vec<_>>());
    served.stop();
}

#[test]
fn a_log_that_blocks_fills_the_queue_and_what_was_accepted_goes_through() {
    let dir = tempfile::tempdir().unwrap();
    let log = Arc::new(Gated { log: embedded(dir.path()), gate: Arc::default() });
    let gate = log.gate.clone();
    let served = Served::over(log, dir.path(), fraud(&[]), (local(), Limits::USUAL));
    gate.set(true);
    let (sender, answers) = channel();
    let post = |id: usize| {
        let (sender, address) = (sender.clone(), served.running.address);
        thread::spawn(move || {
            let mut wire = Wire::connect(address);
            wire.post(EVENTS, &transaction(id as i64).to_string()).unwrap();
            sender.send((id, wire.answer())).unwrap();
        });
    };
    post(0);
    gate.wait_for_one();
    // One is being published; so many wait, and no more.
    (1..=WAIT_MAX + MORE).for_each(post);
    let mut refused = Vec::new();
    for _ in 0..MORE {
        let (id, answer) = answers.recv_timeout(PATIENCE).unwrap();
        assert!(answer.is_busy() && answer.body.contains("64 requests wait"), "{answer:?}");
        refused.push(id);
    }
    assert_eq!(served.get("/livez").0, 200);
    assert_eq!(answers.recv_timeout(Duration::from_millis(100)).unwrap_err(), RecvTimeoutError::Timeout);
    gate.set(false);
    for _ in 0..=WAIT_MAX {
        let (id, answer) = answers.recv_timeout(PATIENCE).unwrap();
        assert_eq!(answer.status, 202, "{id}: {answer:?}");
    }
    let stored = || ids(&served.deployment.rows(&served.deployment.context.plan.names.events));
    assert_eq!(stored().len(), 1 + WAIT_MAX, "what was refused is not there, and all the rest is");
    for id in refused {
        assert_eq!(served.post_json(EVENTS, &transaction(id as i64)).0, 202);
    }
    assert_eq!(stored(), (0..=(WAIT_MAX + MORE) as i64).collect::<Vec<_>>(), "each once");
    served.stop();
}

#[test]
fn who_is_silent_in_the_handshake_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { handshake_ms_max: 50, ..Limits::USUAL };
    let (_, known) = tokens();
    let (chain, key) = certificate(dir.path());
    let listener = local().public("127.0.0.1:0", known, Some(Certificate { chain: &chain, key: &key })).unwrap();
    let public = listener.public_address().unwrap();
    let served = Served::limited(dir.path(), listener, limits);
    let silent = Wire::connect(public);
    let mut halting = Wire::connect(public);
    // The type of a record of the handshake, and nothing of the record.
    halting.send("\u{16}").unwrap();
    assert_eq!((silent.closed(), halting.closed()), Default::default());
    served.stop();
}

#[test]
fn who_is_silent_in_the_head_of_a_request_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { silence_ms_max: 50, ..Limits::USUAL };
    let (_, known) = tokens();
    let (chain, key) = certificate(dir.path());
    let listener = local().public("127.0.0.1:0", known, Some(Certificate { chain: &chain, key: &key })).unwrap();
    let public = listener.public_address().unwrap();
    let served = Served::limited(dir.path(), listener, limits);
    let mut halting = Wire::connect(served.running.address);
    halting.begin("GET /livez").unwrap();
    assert_eq!(halting.closed(), "");
    let mut halting = Wire::connect(served.running.address);
    halting.begin(&format!("POST {EVENTS}")).unwrap();
    halting.send("content-length: 10\r\n\r\n{").unwrap();
    let said = halting.closed();
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 400 "), "{said}");
    let live = || trusting(&chain).get(format!("https://{public}/livez")).call().unwrap().status().as_u16();
    assert_eq!(live(), 200, "others are served");
    served.stop();
}

#[test]
fn a_connection_too_many_waits_for_one_that_ends() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { connections_max: 2, ..Limits::USUAL };
    let served = Served::limited(dir.path(), local(), limits);
    let connected = || {
        let mut wire = Wire::connect(served.running.address);
        wire.get("/livez").unwrap();
        wire
    };
    let [mut first, mut second] = [connected(), connected()];
    assert_eq!((first.answer().status, second.answer().status), (200, 200));
    let mut third = connected();
    assert!(third.is_silent(Duration::from_millis(200)), "both places are taken");
    first.get("/livez").unwrap();
    assert_eq!(first.answer().status, 200);
    drop(first);
    assert_eq!(third.answer().status, 200);
    drop((second, third));
    served.stop();
}
