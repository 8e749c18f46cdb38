//! A gateway that dies between the log and its answer: what it acknowledged is there, and what is sent again because no
//! answer came is there, too.

use super::partitions;
use crate::monitor::transactions;
use registry::store::Store;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tests::pipeline::{Deployment, fraud, fraud_text};
use tests::service::{Place, Process, State};

/// Events of one request.
const EVENTS: usize = 10;
/// Deaths of the gateway, after one request more each time.
const DEATHS: u64 = 5;
/// A limit on hanging, no timing.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until a gateway says where it listens.
pub(super) fn address(gateway: &mut Process) -> String {
    let since = Instant::now();
    loop {
        if let Some((_, rest)) = gateway.said().split_once("gateway at ")
            && let Some((address, _)) = rest.split_once(": ")
        {
            return address.to_owned();
        }
        assert!(gateway.state() == State::Runs && since.elapsed() < PATIENCE, "{}", gateway.tail());
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

fn wait_killed(gateway: &mut Process) {
    let since = Instant::now();
    while gateway.state() != State::Killed {
        assert!(since.elapsed() < PATIENCE, "{}", gateway.tail());
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn a_gateway_that_dies_loses_nothing_that_it_acknowledged() {
    let Some(kafka) = tests::kafka::Kafka::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("pipeline.yaml"), fraud_text(&[])).unwrap();
    let deployment = Deployment::new(kafka.log(), Store::local(&dir.path().join("store")).unwrap(), fraud(&[]));
    let arguments = vec!["--listen".to_owned(), "127.0.0.1:0".to_owned()];
    let place = Place { dir: dir.path().to_owned(), brokers: Some(kafka.brokers().to_owned()), arguments };
    let rows = transactions(0..1);
    let body = |row: usize| {
        let time = rows.time_ms[row];
        json!({
            "transaction_id": rows.id[row], "event_time": time, "customer_id": rows.customer[row],
            "terminal_id": rows.terminal[row], "amount": rows.amount[row],
        })
    };
    let agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().new_agent();
    let (mut acknowledged, mut sent, mut deaths) = (BTreeSet::new(), 0, 0);
    let start = |deaths: u64| {
        let failpoint = (deaths < DEATHS).then(|| format!("kill ingested {} fraud.gateway", deaths + 1));
        let mut gateway = place.start("gateway", &[], failpoint.as_deref());
        let address = address(&mut gateway);
        (gateway, address)
    };
    let (mut gateway, mut at) = start(0);
    for request in (0..rows.len()).collect::<Vec<_>>().chunks(EVENTS) {
        let events: Vec<_> = request.iter().map(|row| body(*row)).collect();
        loop {
            sent += 1;
            let path = format!("{at}/v1/sources/transactions/events");
            match agent.post(path).header("content-type", "application/json").send(json!(events).to_string()) {
                Ok(mut answer) => {
                    let said = answer.body_mut().read_to_string().unwrap();
                    assert_eq!(answer.status().as_u16(), 202, "{said}");
                    break;
                }
                Err(_) => {
                    wait_killed(&mut gateway);
                    deaths += 1;
                    (gateway, at) = start(deaths);
                }
            }
        }
        acknowledged.extend(request.iter().map(|row| rows.id[*row].to_string()));
    }
    assert_eq!(deaths, DEATHS);
    let context = &deployment.context;
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for tp in partitions(context, &context.plan.names.events) {
        for record in super::contents::records(context, &tp) {
            *found.entry(String::from_utf8(record.key.unwrap().to_vec()).unwrap()).or_insert(0) += 1;
        }
    }
    assert!(found.keys().eq(acknowledged.iter()), "{} of {}", found.len(), acknowledged.len());
    let repeats = found.values().filter(|times| **times > 1).count();
    assert_eq!(repeats as u64, DEATHS * EVENTS as u64, "what had no answer was sent again, {sent} requests in all");
}
