//! Bodies that are too large. Whoever sends all of one before it reads finds the answer, the connection goes on, and what
//! comes after it goes through; bodies that do not end are not read for ever.

use std::io::Read;

use gateway::{BODY_BYTES_MAX, Certificate, Limits, Listener};
use serde_json::json;
use ureq::SendBody;

use crate::doors::{certificate, tokens, trusting};
use crate::served::{EVENTS, Served, ids, transaction};
use crate::wire::{Framing, Wire};

const LARGE_BYTES: usize = 50_000_000;
/// What takes no body at all answers as if there was none.
const ANSWERS: [(&str, u16); 6] = [
    (EVENTS, 413),
    ("/v1/score", 413),
    ("/v1/publish/fraud.transactions.events.v1", 413),
    ("/v2/models/fraud/infer", 413),
    ("/v1/nothing", 404),
    ("/livez", 405),
];

#[test]
fn who_sends_all_of_a_large_body_first_is_answered_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(dir.path());
    let mut sent = Vec::new();
    for (path, status) in ANSWERS {
        for framing in [Framing::Length, Framing::Chunked] {
            let mut wire = Wire::connect(served.running.address);
            wire.post_spaces(path, LARGE_BYTES, framing, "").unwrap();
            let answer = wire.answer();
            assert_eq!(answer.status, status, "{path}, {framing:?}: {answer:?}");
            assert_eq!(
                status == 413,
                answer.body.contains(&format!("larger than {BODY_BYTES_MAX} bytes")),
                "{answer:?}"
            );
            sent.push(sent.len() as i64);
            wire.post(EVENTS, &transaction(sent.len() as i64 - 1).to_string()).unwrap();
            assert_eq!(wire.answer().status, 202, "the same connection takes an event after {path}, {framing:?}");
        }
    }
    // Some clients say that they want no second answer.
    let mut wire = Wire::connect(served.running.address);
    wire.post_spaces(EVENTS, LARGE_BYTES, Framing::Length, "connection: close\r\n").unwrap();
    assert!(wire.closed().starts_with("HTTP/1.1 413 "));
    let rows = served.deployment.rows(&served.deployment.context.plan.names.events);
    assert_eq!(ids(&rows), sent, "and nothing else was published");
    served.stop();
}

#[test]
fn who_asks_before_it_sends_is_told_before() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(dir.path());
    let mut wire = Wire::connect(served.running.address);
    wire.begin(&format!("POST {EVENTS}")).unwrap();
    wire.send(&format!("expect: 100-continue\r\ncontent-length: {LARGE_BYTES}\r\n\r\n")).unwrap();
    assert_eq!(wire.answer().status, 413);
    let mut wire = Wire::connect(served.running.address);
    let body = transaction(1).to_string();
    wire.begin(&format!("POST {EVENTS}")).unwrap();
    wire.send(&format!("expect: 100-continue\r\ncontent-length: {}\r\n\r\n", body.len())).unwrap();
    assert_eq!(wire.answer().status, 100);
    wire.send(&body).unwrap();
    assert_eq!(wire.answer().status, 202);
    served.stop();
}

#[test]
fn over_tls_a_large_body_is_answered_too_whoever_sends_it() {
    let dir = tempfile::tempdir().unwrap();
    let (held, known) = tokens();
    let (chain, key) = certificate(dir.path());
    let pair = Certificate { chain: &chain, key: &key };
    let listener = Listener::bind("127.0.0.1:0").unwrap().public("127.0.0.1:0", known, Some(pair)).unwrap();
    let public = listener.public_address().unwrap();
    let served = Served::through(dir.path(), listener);
    let agent = trusting(&chain);
    let url = format!("https://{public}{EVENTS}");
    let asked = |token: &str, length: Option<usize>| {
        let mut spaces = std::io::repeat(b' ').take(LARGE_BYTES as u64);
        let request = agent.post(&url).header("authorization", format!("Bearer {token}"));
        let request =
            length.iter().fold(request, |request, length| request.header("content-length", length.to_string()));
        request.send(SendBody::from_reader(&mut spaces)).unwrap().status().as_u16()
    };
    for (role, token) in &held {
        let status = if role.name() == "publish" { 413 } else { 403 };
        assert_eq!(asked(token, None), status, "{role:?}");
        assert_eq!(asked(token, Some(LARGE_BYTES)), status, "{role:?}");
    }
    assert_eq!(asked("tidemill_guess", None), 401);
    assert_eq!(served.post_json(EVENTS, &json!(transaction(1))).0, 202);
    served.stop();
}

#[test]
fn a_body_without_an_end_is_read_so_far_and_no_further() {
    let limits = Limits { discarded_bytes_max: 4 * BODY_BYTES_MAX, ..Limits::USUAL };
    let dir = tempfile::tempdir().unwrap();
    let served = Served::limited(dir.path(), Listener::bind("127.0.0.1:0").unwrap(), limits);
    let mut wire = Wire::connect(served.running.address);
    // Buffers of the system between us hold a few megabytes.
    let error = wire.post_spaces(EVENTS, 128 * BODY_BYTES_MAX, Framing::Chunked, "").unwrap_err();
    assert!(matches!(error.kind(), std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe), "{error}");
    assert_eq!(served.post_json(EVENTS, &transaction(1)).0, 202);
    served.stop();
}

#[test]
fn a_body_that_trickles_is_read_so_long_and_no_longer() {
    let limits = Limits { discard_ms_max: 50, ..Limits::USUAL };
    let dir = tempfile::tempdir().unwrap();
    let served = Served::limited(dir.path(), Listener::bind("127.0.0.1:0").unwrap(), limits);
    let mut wire = Wire::connect(served.running.address);
    wire.begin(&format!("POST {EVENTS}")).unwrap();
    wire.send(&format!("content-length: {LARGE_BYTES}\r\n\r\n")).unwrap();
    assert_eq!(wire.answer().status, 413);
    let wire = std::cell::RefCell::new(wire);
    served.deployment.wait(&[], || wire.borrow_mut().send(" ").is_err());
    served.stop();
}
