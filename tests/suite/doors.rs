//! The gateway's public door: tokens with roles, TLS, its OpenAPI document, and predictions for those who wait for them.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gateway::tokens::{Holder, Role, Tokens};
use gateway::{Certificate, Listener};
use registry::models::Models;
use serde_json::{Value, json};
use tests::models;
use tests::pipeline::Running;
use tests::python::Python;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use crate::served::{EVENTS, Served, ids, transaction};

/// Sources are quiet at once, so that events go through without others behind them.
const IDLE: Duration = Duration::from_millis(50);
const COMMIT: Duration = Duration::from_millis(50);

/// A token for each role, and the file that lets them in.
pub fn tokens() -> (Vec<(Role, String)>, Tokens) {
    let made: Vec<_> = Role::ALL.map(|role| (role, Holder::new(role.name(), vec![role]).unwrap())).into();
    let line = |(_, (_, holder)): &(Role, (String, Holder))| serde_json::to_string(holder).unwrap();
    let text = format!("[{}]", made.iter().map(line).collect::<Vec<_>>().join(","));
    let held = made.into_iter().map(|(role, (token, _))| (role, token)).collect();
    (held, Tokens::parse(&text).unwrap())
}

/// Asks through the public door: the status and the body.
fn ask(agent: &ureq::Agent, url: &str, token: Option<&str>, body: Option<&Value>) -> (u16, Value) {
    let authorization = token.map(|token| format!("Bearer {token}"));
    let mut answer = match body {
        None => {
            let request = agent.get(url);
            authorization.iter().fold(request, |request, value| request.header("authorization", value)).call()
        }
        Some(body) => {
            let request = agent.post(url).header("content-type", "application/json");
            let request = authorization.iter().fold(request, |request, value| request.header("authorization", value));
            request.send(body.to_string())
        }
    }
    .unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

#[test]
fn a_token_is_good_for_its_roles() {
    let dir = tempfile::tempdir().unwrap();
    let (held, known) = tokens();
    let listener = Listener::bind("127.0.0.1:0").unwrap().public("127.0.0.1:0", known, None).unwrap();
    let public = listener.public_address().unwrap();
    let served = Served::through(dir.path(), listener);
    let url = |path: &str| format!("http://{public}{path}");
    let asked = |path: &str, token: Option<&str>, body: Option<&Value>| ask(&served.agent, &url(path), token, body);
    let token = |role: Role| held.iter().find(|(of, _)| *of == role).map(|(_, token)| token.as_str());

    assert_eq!(asked("/livez", None, None).0, 200, "health is for everybody");
    assert_eq!(asked("/openapi.json", None, None).0, 200);
    let (status, answer) = asked("/v1/topics", None, None);
    assert_eq!((status, &answer["error"]), (401, &json!("this needs a token")), "{answer}");
    assert_eq!(asked("/v1/topics", Some("tidemill_guess"), None).0, 401);
    let challenge = served.agent.get(url("/v1/topics")).call().unwrap();
    assert_eq!(challenge.headers()["www-authenticate"], "Bearer");

    let (status, answer) = asked(EVENTS, token(Role::Read), Some(&transaction(1)));
    let said = "the token of `read` is good for read, and this needs publish";
    assert_eq!((status, &answer["error"]), (403, &json!(said)));
    assert_eq!(asked(EVENTS, token(Role::Publish), Some(&transaction(2))).0, 202);
    assert_eq!(asked("/v1/score?timeout_ms=0", token(Role::Score), Some(&transaction(3))).0, 202);
    let rows = served.deployment.rows(&served.deployment.context.plan.names.events);
    assert_eq!(ids(&rows), [2, 3], "what was refused was not published");
    assert_eq!(served.get_json("/v1/topics").0, 200, "programs of this machine need none at their own door");
    served.stop();
}

#[test]
fn every_operation_wants_the_role_that_it_names() {
    let dir = tempfile::tempdir().unwrap();
    let (held, known) = tokens();
    let listener = Listener::bind("127.0.0.1:0").unwrap().public("127.0.0.1:0", known, None).unwrap();
    let public = listener.public_address().unwrap();
    let served = Served::through(dir.path(), listener);
    let events = &served.deployment.context.plan.names.events;
    let parts = [("{source}", "transactions"), ("{topic}", events), ("{model}", "fraud"), ("{version}", "1")];
    let (_, listed) = served.get_json("/");
    let mut named = BTreeSet::new();
    for one in listed.as_array().unwrap() {
        let (method, path) = one["path"].as_str().unwrap().split_once(' ').unwrap();
        let path = parts.iter().fold(path.to_owned(), |path, (name, value)| path.replace(name, value));
        let query = if path.ends_with("/tap") { "?follow=false&limit=0" } else { "" };
        let url = format!("http://{public}{path}{query}");
        // Nothing can be made of a text, so nobody changes anything.
        let body = (method == "POST").then_some(json!("no object"));
        let asked = |token: Option<&str>| ask(&served.agent, &url, token, body.as_ref());
        let admitted = |(status, answer): (u16, Value)| {
            assert!(status != 401 && status != 403, "{method} {path}: {status} {answer}");
            assert!(status != 405 && answer["help"] != "GET / lists what there is", "{method} {path}: {answer}");
        };
        let Some(wanted) = one["role"].as_str() else {
            admitted(asked(None));
            continue;
        };
        named.insert(wanted.to_owned());
        assert_eq!(asked(None).0, 401, "{method} {path}");
        assert_eq!(asked(Some("tidemill_guess")).0, 401, "{method} {path}");
        for (role, token) in &held {
            match role.name() == wanted {
                true => admitted(asked(Some(token))),
                false => assert_eq!(asked(Some(token)).0, 403, "{method} {path} by {role:?}"),
            }
        }
    }
    let all: BTreeSet<String> = Role::ALL.map(|role| role.name().to_owned()).into();
    assert_eq!(named, all, "each role is good for something");
    assert!(served.deployment.rows(events).is_empty());
    served.stop();
}

/// A certificate for 127.0.0.1 and its key, in files.
pub fn certificate(dir: &Path) -> (std::path::PathBuf, std::path::PathBuf) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (chain, key) = (dir.join("chain.pem"), dir.join("key.pem"));
    std::fs::write(&chain, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (chain, key)
}

/// A client that trusts a certificate and no other.
pub fn trusting(chain: &Path) -> ureq::Agent {
    let text = std::fs::read(chain).unwrap();
    let items = parse_pem(&text).map(|item| match item.unwrap() {
        PemItem::Certificate(certificate) => certificate,
        _ => panic!("a key in the chain"),
    });
    let trusted: Vec<_> = items.collect();
    let tls = TlsConfig::builder().root_certs(RootCerts::Specific(Arc::new(trusted))).build();
    let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None);
    config.tls_config(tls).build().new_agent()
}

#[test]
fn the_public_door_speaks_tls() {
    let dir = tempfile::tempdir().unwrap();
    let (held, known) = tokens();
    let (chain, key) = certificate(dir.path());
    let listener = || Listener::bind("127.0.0.1:0").unwrap();
    let swapped = Certificate { chain: &key, key: &chain };
    let error = listener().public("127.0.0.1:0", known.clone(), Some(swapped)).unwrap_err().to_string();
    assert!(error.contains("in PEM files"), "{error}");
    let pair = Certificate { chain: &chain, key: &key };
    let listener = listener().public("127.0.0.1:0", known, Some(pair)).unwrap();
    let public = listener.public_address().unwrap();
    let served = Served::through(dir.path(), listener);

    let agent = trusting(&chain);
    let url = format!("https://{public}/v1/topics");
    let read = held.iter().find(|(role, _)| *role == Role::Read).map(|(_, token)| token.as_str());
    let (status, topics) = ask(&agent, &url, read, None);
    assert_eq!(status, 200, "{topics}");
    assert!(topics.as_array().is_some_and(|topics| !topics.is_empty()));
    assert_eq!(ask(&agent, &url, None, None).0, 401);
    served.agent.get(&url).call().unwrap_err();
    // Who does not speak TLS is not answered, and others are still served.
    served.agent.get(format!("http://{public}/livez")).call().unwrap_err();
    assert_eq!(ask(&agent, &url, read, None).0, 200);
    served.stop();
}

#[test]
fn the_interface_describes_itself() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(dir.path());
    let (status, document) = served.get_json("/openapi.json");
    assert_eq!((status, &document["openapi"]), (200, &json!("3.1.0")));
    let (_, listed) = served.get_json("/");
    for one in listed.as_array().unwrap() {
        let (method, path) = one["path"].as_str().unwrap().split_once(' ').unwrap();
        let told = &document["paths"][path][method.to_lowercase()];
        assert_eq!(told["summary"], one["what"], "{method} {path}");
    }
    let event = &document["components"]["schemas"]["Event"];
    let required = ["transaction_id", "event_time", "customer_id", "terminal_id", "amount"];
    assert_eq!(event["required"], json!(required), "{event}");
    served.stop();
    let Some(python) = Python::find() else { return };
    let script = "
import json, sys
from openapi_spec_validator import validate
import jsonschema
document = json.loads(sys.argv[1])
validate(document)
event = document['components']['schemas']['Event']
jsonschema.validate(json.loads(sys.argv[2]), event)
for wrong in json.loads(sys.argv[3]):
    try:
        jsonschema.validate(wrong, event)
    except jsonschema.ValidationError:
        continue
    raise AssertionError(wrong)
print('valid')
";
    let (mut odd, mut short) = (transaction(1), transaction(1));
    odd["amount"] = json!("much");
    short.as_object_mut().unwrap().remove("terminal_id");
    let wrong = json!([odd, short]).to_string();
    let said = python.run(script, &[&document.to_string(), &transaction(1).to_string(), &wrong]);
    assert_eq!(said, "valid");
}

#[test]
fn who_waits_for_predictions_gets_them() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(dir.path());
    let score = "/v1/score?timeout_ms=20000";
    let (status, answer) = served.post_json("/v1/score?timeout_ms=1", &transaction(1));
    assert_eq!((status, &answer["accepted"]), (202, &json!(1)), "nobody scores: {answer}");
    assert_eq!(answer["predictions"], json!([{ "id": "1", "prediction": null }]));

    let feature_set = &served.deployment.context.pipeline.features.digest;
    let artefact = models::of_amount(feature_set, 0.0, &[0.0, 50.0, 100.0, 150.0]);
    Models::new(served.store.clone()).publish("fraud", artefact.files()).unwrap();
    let wanted = json!({ "model": "fraud", "version": 1, "threshold": 0.25, "without_readiness": true });
    assert_eq!(served.post_json("/v1/control/promote", &wanted).0, 200);
    let mut running: Running = served.deployment.start(COMMIT, IDLE);
    served.deployment.start_scorer(COMMIT, &mut running);

    let (status, answer) = served.post_json(score, &json!([transaction(2), transaction(3)]));
    assert_eq!(status, 200, "{answer}");
    let rows = served.deployment.rows(&served.deployment.context.plan.names.predictions);
    for one in answer["predictions"].as_array().unwrap() {
        let row = rows.iter().find(|row| row["event_id"] == one["id"]).unwrap();
        assert_eq!(&one["prediction"], row, "what others read");
    }
    let (status, again) = served.post_json(score, &json!([transaction(3)]));
    assert_eq!((status, &again["predictions"][0]), (200, &answer["predictions"][1]), "an event that is sent again");

    // Bad ones are refused before anything is published.
    let (status, answer) = served.post_json(score, &json!([transaction(4), { "transaction_id": 5 }]));
    assert_eq!((status, &answer["accepted"]), (422, &json!(0)), "{answer}");
    assert_eq!(served.post_json("/v1/score?timeout_ms=soon", &transaction(6)).0, 400);
    assert_eq!(served.post_json("/v1/score?wait=1", &transaction(6)).0, 400);
    assert_eq!(running.stop(), Vec::<String>::new());
    served.stop();
}
