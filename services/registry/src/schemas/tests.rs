//! Tests of the schema registries. The client's happy path runs against a real server in `tests/`; here a socket gives
//! the answers that a real one gives only on a bad day.

#![allow(clippy::unwrap_used)]

use std::net::TcpListener;
use std::sync::{Arc, Barrier};

use ::schemas::registry::{RegisterError, SchemaRegistry};

use super::{Compatibility, ConfluentRegistry, FileRegistry};
use crate::scripted::serve;
use crate::store::Store;

fn record(fields: &str) -> String {
    format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#)
}

const ID: &str = r#"{"name":"id","type":"long"}"#;
const NOTE: &str = r#"{"name":"note","type":["null","string"],"default":null}"#;
const AMOUNT: &str = r#"{"name":"amount","type":"double"}"#;

#[test]
fn a_registered_schema_is_found_by_id_and_subject() {
    let registry = FileRegistry::new(Store::memory());
    assert_eq!(registry.by_id(1).unwrap(), None);
    assert_eq!(registry.latest("a-value").unwrap(), None);
    let one = registry.register("a-value", &record(ID)).unwrap();
    let two = registry.register("a-value", &record(&format!("{ID},{NOTE}"))).unwrap();
    assert!(one >= 1 && two != one);
    assert_eq!(registry.by_id(one).unwrap().as_deref(), Some(record(ID).as_str()));
    let (id, text) = registry.latest("a-value").unwrap().unwrap();
    assert_eq!((id, &*text), (two, record(&format!("{ID},{NOTE}")).as_str()));
    assert_eq!(registry.versions("a-value").unwrap(), [one, two]);
    assert_eq!(registry.subjects().unwrap(), ["a-value"]);
}

#[test]
fn the_same_schema_has_one_id_however_written_and_under_any_subject() {
    let registry = FileRegistry::new(Store::memory());
    let id = registry.register("a", &record(ID)).unwrap();
    let spaced = r#"{ "name": "R", "type": "record", "fields": [ {"type": "long", "name": "id"} ] }"#;
    assert_eq!(registry.register("a", spaced).unwrap(), id);
    assert_eq!(registry.register("b", spaced).unwrap(), id);
    assert_eq!(registry.versions("a").unwrap(), [id]);
    let with_default = record(r#"{"name":"id","type":"long","default":0}"#);
    assert_ne!(registry.register("c", &with_default).unwrap(), id);
}

#[test]
fn schemas_that_break_the_rule_or_are_none_leave_nothing_behind() {
    let store = Store::memory();
    let registry = FileRegistry::new(store.clone());
    registry.register("a", &record(ID)).unwrap();
    let before = store.list("").unwrap();
    let refused = registry.register("a", &record(&format!("{ID},{AMOUNT}"))).unwrap_err();
    assert!(matches!(refused, RegisterError::Incompatible { .. }), "{refused}");
    for text in ["{", r#"{"type":"recrod"}"#] {
        let refused = registry.register("a", text).unwrap_err();
        assert!(matches!(refused, RegisterError::Invalid { .. }), "{refused}");
    }
    assert_eq!(store.list("").unwrap(), before);
    let lax = FileRegistry::with_rule(store, Compatibility::None);
    lax.register("a", &record(AMOUNT)).unwrap();
}

#[test]
fn compatibility_is_judged_against_all_versions() {
    let registry = FileRegistry::new(Store::memory());
    let note_as_int = r#"{"name":"note","type":["null","int"],"default":null}"#;
    registry.register("a", &record(&format!("{ID},{NOTE}"))).unwrap();
    registry.register("a", &record(ID)).unwrap();
    let refused = registry.register("a", &record(&format!("{ID},{note_as_int}"))).unwrap_err();
    assert!(matches!(refused, RegisterError::Incompatible { .. }), "{refused}");
}

#[test]
fn processes_that_register_at_once_agree() {
    const RACERS: usize = 6;
    let dir = tempfile::tempdir().unwrap();
    let gate = Barrier::new(RACERS);
    let ids: Vec<Vec<u32>> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..RACERS)
            .map(|_| {
                let (dir, gate) = (dir.path(), &gate);
                scope.spawn(move || {
                    let registry = FileRegistry::new(Store::local(dir).unwrap());
                    (0..10)
                        .map(|n| {
                            gate.wait();
                            let schema = record(&format!(r#"{{"name":"f{n}","type":"long","default":0}}"#));
                            registry.register("s", &schema).unwrap()
                        })
                        .collect()
                })
            })
            .collect();
        racers.into_iter().map(|r| r.join().unwrap()).collect()
    });
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "{ids:?}");
    let registry = FileRegistry::new(Store::local(dir.path()).unwrap());
    assert_eq!(registry.versions("s").unwrap(), ids[0]);
}

#[test]
fn a_store_that_fails_is_unavailable_not_unknown() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::local(dir.path()).unwrap();
    let registry = FileRegistry::new(store);
    std::fs::create_dir_all(dir.path().join("schemas/subjects/s")).unwrap();
    std::fs::write(dir.path().join("schemas/subjects/s/0000000001"), "torn").unwrap();
    let message = registry.latest("s").unwrap_err().message;
    assert!(message.contains("not a schema id"), "{message}");
}

#[test]
fn found_schemas_are_asked_for_once() {
    let (url, requests) = serve(vec![(200, r#"{"schema":"\"long\""}"#)]);
    let registry = ConfluentRegistry::new(&format!("{url}/apis/ccompat/v7/")).unwrap();
    for _ in 0..3 {
        assert_eq!(registry.by_id(7).unwrap(), Some(Arc::from("\"long\"")));
    }
    assert!(requests.recv().unwrap().starts_with("GET /apis/ccompat/v7/schemas/ids/7 "));
    assert!(requests.recv().is_err());
}

#[track_caller]
fn check_unavailable(status: u16, body: &'static str, expected: &str) {
    let (url, _requests) = serve(vec![(status, body)]);
    let message = ConfluentRegistry::new(&url).unwrap().by_id(7).unwrap_err().message;
    assert!(message.contains(expected) && message.contains(&url), "{message}");
}

#[test]
fn only_the_registrys_own_404_means_unknown() {
    let (url, requests) = serve(vec![(404, r#"{"error_code":40403,"message":"Schema 7 not found"}"#)]);
    let registry = ConfluentRegistry::new(&url).unwrap();
    assert_eq!(registry.by_id(7).unwrap(), None);
    // Within the time to live the answer is believed: the socket would not answer again.
    assert_eq!(registry.by_id(7).unwrap(), None);
    assert_eq!(requests.iter().count(), 1);

    check_unavailable(404, "<html>no such page</html>", "check the path");
    check_unavailable(404, r#"{"error_code":404,"message":"HTTP 404"}"#, "check the path");
    check_unavailable(401, "", "credentials");
    check_unavailable(500, r#"{"error_code":50001}"#, "problem of its own");
    check_unavailable(503, "busy", "503");
    check_unavailable(200, "not json", "200");
}

#[test]
fn a_registry_that_is_down_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let registry = ConfluentRegistry::new(&url).unwrap();
    let message = registry.by_id(7).unwrap_err().message;
    assert!(message.contains(&url) && message.contains("did not answer"), "{message}");
    let refused = registry.register("s", "\"long\"").unwrap_err();
    assert!(matches!(refused, RegisterError::Unavailable(_)), "{refused}");
}

#[test]
fn credentials_are_sent_and_never_shown() {
    let (url, requests) = serve(vec![(403, "no")]);
    let with_user = url.replace("http://", "http://ann:p%40ss@");
    let message = ConfluentRegistry::new(&with_user).unwrap().by_id(1).unwrap_err().message;
    assert!(!message.contains("p@ss") && !message.contains("p%40ss"), "{message}");
    let request = requests.recv().unwrap().to_lowercase();
    // `printf 'ann:p@ss' | base64` says YW5uOnBAc3M=
    assert!(request.contains("authorization: basic yw5uonbac3m="), "{request}");
}

#[test]
fn registration_errors_are_told_apart() {
    let (url, requests) = serve(vec![
        (200, r#"{"id":12}"#),
        (409, r#"{"error_code":409,"message":"field amount has no default"}"#),
        (422, r#"{"error_code":42201,"message":"not avro"}"#),
    ]);
    let registry = ConfluentRegistry::new(&url).unwrap();
    assert_eq!(registry.register("a/b", "\"long\"").unwrap(), 12);
    assert!(requests.recv().unwrap().starts_with("POST /subjects/a%2Fb/versions "));
    let refused = registry.register("s", "\"long\"").unwrap_err();
    assert!(matches!(&refused, RegisterError::Incompatible { detail, .. } if detail.contains("amount")), "{refused}");
    let refused = registry.register("s", "\"lung\"").unwrap_err();
    assert!(matches!(refused, RegisterError::Invalid { .. }), "{refused}");
}

#[test]
fn addresses_that_are_none_are_refused() {
    for url in ["localhost:8081", "ftp://x", "http://", "http://u:p@/x", "http://u%zz:p@h"] {
        let refused = ConfluentRegistry::new(url).unwrap_err().to_string();
        assert!(refused.contains("http://user:password@host:8081"), "{refused}");
    }
}
