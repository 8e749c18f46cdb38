#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use super::*;

const REJECTS: &str = include_str!("../../rejects.md");

#[test]
fn every_code_has_a_row_and_every_row_a_code() {
    let mut documented = BTreeSet::new();
    for row in REJECTS.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [code, cause, example, remedy] = cells[..] else { panic!("not four cells: {row}") };
        assert!(cause.len() > 20 && example.len() > 15 && remedy.len() > 15, "say more in: {row}");
        let code = code.trim_matches('`');
        let Some(known) = Code::parse(code) else { panic!("{code} is documented but does not exist") };
        assert_eq!(known.help(), Some(Help { cause, example, remedy }));
        assert!(documented.insert(code), "{code} has two rows");
    }
    let missing: Vec<&Code> = Code::ALL.iter().filter(|code| !documented.contains(code.as_str())).collect();
    assert!(missing.is_empty(), "no row in rejects.md for {missing:?}");
}

#[test]
fn codes_are_read_back_from_their_text() {
    for code in Code::ALL {
        assert_eq!(Code::parse(code.as_str()), Some(*code));
        assert!(code.as_str().bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'), "{code}");
    }
    assert_eq!(Code::parse("avro_decode"), None);
}

fn letter() -> DeadLetter<'static> {
    DeadLetter {
        topic: "fraud.transactions.events.v1",
        partition: 3,
        offset: 12_345,
        service: "validator",
        version: "0.1.0",
        pipeline: "fraud",
        attempt: 0,
    }
}

type Headers = Vec<(String, Option<Vec<u8>>)>;

fn text(headers: &Headers) -> Vec<(&str, &str)> {
    let text = |value: &'_ Option<Vec<u8>>| -> &'static str {
        value.as_ref().map_or("<null>", |bytes| String::from_utf8_lossy(bytes).into_owned().leak())
    };
    headers.iter().map(|(name, value)| (name.as_str(), text(value))).collect()
}

#[test]
fn dead_letter_keeps_original_headers_and_adds_ours() {
    let original: [(&str, Option<&[u8]>); 4] =
        [("traceparent", Some(b"00-ab")), ("trace", None), ("traceparent", Some(b"00-cd")), ("", Some(b""))];
    let headers = dead_letter_headers(original, &letter(), &Reject::new(Code::AvroDecode, "field amount: bad"));
    let expected = [
        ("traceparent", "00-ab"),
        ("trace", "<null>"),
        ("traceparent", "00-cd"),
        ("", ""),
        ("tidemill.dlq.reason", "AVRO_DECODE"),
        ("tidemill.dlq.detail", "field amount: bad"),
        ("tidemill.dlq.service", "validator"),
        ("tidemill.dlq.version", "0.1.0"),
        ("tidemill.dlq.pipeline", "fraud"),
        ("tidemill.dlq.identity", "fraud.transactions.events.v1/3/12345/validator"),
        ("tidemill.dlq.attempt", "0"),
        ("__connect.errors.topic", "fraud.transactions.events.v1"),
        ("__connect.errors.partition", "3"),
        ("__connect.errors.offset", "12345"),
        ("__connect.errors.connector.name", "fraud"),
        ("__connect.errors.task.id", "3"),
        ("__connect.errors.stage", "validator"),
        ("__connect.errors.exception.class.name", "AVRO_DECODE"),
        ("__connect.errors.exception.message", "AVRO_DECODE: field amount: bad"),
    ];
    assert_eq!(text(&headers), expected);
    assert_eq!(expected[4..].iter().map(|(name, _)| *name).collect::<Vec<_>>(), names::ALL);
}

#[test]
fn retried_dead_letter_names_its_latest_failure_only() {
    let first = dead_letter_headers([("a", Some(&b"1"[..]))], &letter(), &Reject::new(Code::SchemaUnknown, "id 9"));
    let again = first.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
    let second =
        dead_letter_headers(again, &DeadLetter { attempt: 1, ..letter() }, &Reject::new(Code::RuleFailed, "r"));
    assert_eq!(second.len(), first.len());
    let of = |name: &str| text(&second).into_iter().find(|(header, _)| *header == name).unwrap().1;
    assert_eq!((of("a"), of(names::REASON), of(names::ATTEMPT)), ("1", "RULE_FAILED", "1"));
}

#[test]
fn long_details_are_cut_between_characters() {
    let reject = Reject::new(Code::RuleFailed, format!("x{}", "ä".repeat(DETAIL_BYTES_MAX)));
    let headers = dead_letter_headers([], &letter(), &reject);
    let detail = text(&headers).into_iter().find(|(name, _)| *name == names::DETAIL).unwrap().1;
    assert_eq!((detail.len(), detail.chars().last()), (DETAIL_BYTES_MAX - 1, Some('ä')));
}
