//! What the gateway decides before it asks anybody.
#![allow(clippy::unwrap_used)]

use axum::http::{HeaderMap, HeaderName, StatusCode};

use crate::decode::Start;
use crate::{BODY_BYTES_MAX, Error, Limits, guard, ingest, listener, publisher, raw, tap};

#[track_caller]
fn check_address(listen: &str, said: Option<&str>) {
    match (listener::loopback(listen), said) {
        (Ok(address), None) => assert!(address.ip().is_loopback(), "{address}"),
        (Err(error), Some(said)) => assert!(error.to_string().contains(said), "{listen}: {error}"),
        (result, _) => panic!("{listen}: {result:?}"),
    }
}

#[test]
fn only_loopback_addresses_are_listened_on() {
    check_address("127.0.0.1:0", None);
    check_address("127.3.2.1:80", None);
    check_address("[::1]:0", None);
    check_address("0.0.0.0:80", Some("does not listen on 0.0.0.0:80"));
    check_address("[::]:80", Some("--tokens FILE"));
    check_address("192.168.0.1:80", Some("--tokens FILE"));
    check_address("here", Some("`here` is no address"));
    check_address("127.0.0.1:x", Some("write HOST:PORT"));
    assert!(matches!(listener::loopback("10.0.0.1:1"), Err(Error::NotLoopback { .. })));
}

#[track_caller]
fn check_guard(headers: &[(&'static str, &'static str)], allowed: bool) {
    let pairs = headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
    let map: HeaderMap = pairs.collect();
    assert_eq!(guard::local(&map).is_ok(), allowed, "{headers:?}");
}

#[test]
fn foreign_pages_and_names_are_refused() {
    check_guard(&[], true);
    check_guard(&[("host", "127.0.0.1:7077")], true);
    check_guard(&[("host", "localhost")], true);
    check_guard(&[("host", "[::1]:7077")], true);
    check_guard(&[("host", "evil.example:7077")], false);
    check_guard(&[("host", "localhost.evil.example")], false);
    check_guard(&[("host", "localhost"), ("origin", "http://localhost:3000")], true);
    check_guard(&[("host", "localhost"), ("origin", "https://evil.example")], false);
    check_guard(&[("host", "localhost"), ("origin", "null")], false);
}

#[track_caller]
fn check_objects(body: &str, lines: bool, expected: Result<usize, &str>) {
    match (ingest::objects(body.as_bytes(), lines), expected) {
        (Ok(values), Ok(count)) => assert_eq!(values.len(), count, "{body}"),
        (Err(problem), Err(said)) => assert!(problem.error.contains(said), "{body}: {problem:?}"),
        (result, _) => panic!("{body}: {result:?}"),
    }
}

#[test]
fn a_body_is_an_object_an_array_or_lines() {
    check_objects("{}", false, Ok(1));
    check_objects("[{}, 1, null]", false, Ok(3));
    check_objects("{}\n\n {} \r\n", true, Ok(2));
    check_objects("{}\n{}", false, Err("not JSON"));
    check_objects("{}\n{\n", true, Err("line 2 is not JSON"));
    check_objects("", false, Err("not JSON"));
    check_objects("[]", false, Err("no records"));
    check_objects("\n", true, Err("no records"));
    let many = "1\n".repeat(ingest::OBJECTS_MAX + 1);
    check_objects(&many, true, Err("at most 10000"));
    assert_eq!(ingest::objects(many.as_bytes(), true).unwrap_err().status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[test]
fn raw_records_keep_their_bytes() {
    let body = br#"{"key":"Aw==","value":"AAEC","headers":[["a","/w=="],["b",null]],"partition":1}
{"value":null}"#;
    let records = raw::records("t", 2, body).unwrap();
    assert_eq!(records[0].key.as_deref(), Some(&[3][..]));
    assert_eq!(records[0].value.as_deref(), Some(&[0, 1, 2][..]));
    assert_eq!((records[0].partition, records[1].partition), (Some(1), None));
    assert_eq!(records[0].headers[0].value.as_deref(), Some(&[0xff][..]));
    assert_eq!((&records[0].headers[1].value, &records[1].value), (&None, &None));
}

#[track_caller]
fn check_raw(body: &str, said: &str) {
    let problem = raw::records("t", 2, body.as_bytes()).unwrap_err();
    assert!(problem.error.contains(said), "{body}: {problem:?}");
}

#[test]
fn raw_records_that_do_not_fit_are_refused() {
    check_raw("", "no records");
    check_raw("{}\n{", "line 2");
    check_raw(r#"{"partition":2}"#, "the partitions 0 to 1");
    check_raw(r#"{"partition":-1}"#, "the partitions 0 to 1");
    check_raw(r#"{"value":"?"}"#, "line 1");
    check_raw(r#"{"valeu":""}"#, "unknown field");
}

#[test]
fn a_tap_takes_its_options_from_the_query() {
    let pairs = |text: &str| -> Vec<(String, String)> {
        text.split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    };
    let wanted = tap::wanted(&pairs("from=-3&limit=5&filter=a=b&filter=c=1&follow=false&marks=true")).unwrap();
    assert_eq!((wanted.from, wanted.limit, wanted.follow, wanted.marks), (Start::Last(3), 5, false, true));
    assert!(wanted.filter.wants(&serde_json::json!({ "a": "b", "c": 1 })));
    assert!(!wanted.filter.wants(&serde_json::json!({ "a": "b" })));
    for bad in ["from=middle", "limit=x", "filter=a", "follow=maybe", "colour=red"] {
        assert_eq!(tap::wanted(&pairs(bad)).unwrap_err().status, StatusCode::BAD_REQUEST, "{bad}");
    }
}

#[test]
fn limits_are_those_of_the_documentation() {
    let Limits { connections_max, handshake_ms_max, silence_ms_max, requests_max, taps_max, .. } = Limits::USUAL;
    let (discarded, discard_s) = (Limits::USUAL.discarded_bytes_max >> 20, Limits::USUAL.discard_ms_max / 1_000);
    let (body, objects, queue) = (BODY_BYTES_MAX >> 20, ingest::OBJECTS_MAX / 1_000, publisher::QUEUE_REQUESTS_MAX);
    let busy = "429 with `Retry-After`";
    let table = format!(
        "\
| body of a request | {body} MiB | 413 |
| a refused body, which is read on and thrown away | {discarded} MiB or {discard_s} s | closed |
| records of a request | {objects},000 | 413 |
| requests in work at once | {requests_max} | {busy} |
| requests that wait to be published | {queue} | {busy} |
| taps at once | {taps_max} | {busy} |
| connections at once, for each door | {connections_max} | wait to be accepted |
| TLS handshake | {} s | closed |
| a connection on which nothing comes or goes | {} s | closed |
",
        handshake_ms_max / 1_000,
        silence_ms_max / 1_000,
    );
    assert!(include_str!("../../../docs/reference/gateway.md").contains(&table), "{table}");
}
