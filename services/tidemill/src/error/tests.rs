#![allow(clippy::unwrap_used)]

use super::Error;
use crate::exit::Exit;
use runtime::{log, shell};

#[track_caller]
fn check(error: impl Into<Error>, exit: Exit) {
    let error = error.into();
    assert_eq!(error.exit(), exit, "{error}");
}

fn no_broker() -> log::Error {
    log::Error::NoBroker { brokers: "here:1".into(), waited_ms: 1, detail: "refused".into() }
}

#[test]
fn exit_codes_say_who_can_help() {
    check(Error::Input("no such file".into()), Exit::Input);
    check(Error::Pipeline { text: String::new(), json: serde_json::Value::Null }, Exit::Input);
    check(no_broker(), Exit::Unavailable);
    check(log::Error::Locked { path: "log".into(), pid: Some(7) }, Exit::Unavailable);
    check(log::Error::MissingTopic { topic: "a".into() }, Exit::Input);
    check(log::Error::Full { doing: "writing", path: "log".into(), detail: "no".into() }, Exit::Full);
    check(log::Error::Stopped { detail: "disk".into() }, Exit::Failed);
    check(shell::Error::Log(no_broker()), Exit::Unavailable);
    check(shell::Error::Stop(flow::processor::Stop::Other("a gap".into())), Exit::Stopped);
    check(Error::Interrupted, Exit::Interrupted);
    check(Error::Closed, Exit::Ok);
}

#[test]
fn a_service_ends_with_the_code_of_its_cause() {
    let source = Box::new(Error::from(shell::Error::Stop(flow::processor::Stop::Other("too many".into()))));
    let error = Error::Service { service: "validator".into(), source };
    assert_eq!(error.to_string(), "validator: too many");
    check(error, Exit::Stopped);
}

#[test]
fn numbers_never_change() {
    let all = [Exit::Ok, Exit::Failed, Exit::Input, Exit::Unavailable, Exit::Stopped, Exit::Full, Exit::Interrupted];
    assert_eq!(all.map(Exit::number), [0, 1, 2, 3, 4, 7, 130]);
}

#[test]
fn json_carries_kind_and_message() {
    let error = Error::Input("no such file".into());
    assert_eq!(error.json().to_string(), r#"{"error":{"kind":"input","message":"no such file"}}"#);
}
