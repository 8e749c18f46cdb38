//! A disk that is full: of the embedded log, of snapshots and decisions, of the archive. Whoever cannot write says where,
//! loses nothing, and goes on once there is room.

use super::gap::wait;
use super::{ARGUMENTS, contents, partitions, subscriber};
use crate::monitor::{promote, transactions};
use offline::archive::Archive;
use registry::store::Store;
use runtime::embedded::Embedded;
use runtime::snapshot::{Owner, Vault};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tests::disk::SmallDisk;
use tests::fraud::Transactions;
use tests::kafka::Kafka;
use tests::pipeline::{Deployment, Running, fraud, fraud_text};
use tests::service::{Place, Process, State};

/// Size of a disk.
const DISK_BYTES: usize = 32 * 1024 * 1024;
/// What is left of the disk with the embedded log: some requests fit.
const LEFT_BYTES: u64 = 256 * 1024;
/// Events of a request to the gateway.
const EVENTS: usize = 10;
/// What the system says.
const FULL: &str = "No space left on device";
/// A limit on hanging, no timing.
const PATIENCE: Duration = Duration::from_secs(120);

#[track_caller]
fn await_so(what: &str, done: impl Fn() -> bool) {
    let since = Instant::now();
    while !done() {
        assert!(since.elapsed() < PATIENCE, "{what} did not come");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// Sends rows to a gateway; says how many it acknowledged before it refused some or was gone.
fn send(gateway: &mut Process, rows: &Transactions, from: usize) -> usize {
    while !gateway.said().contains("gateway at ") {
        if gateway.state() != State::Runs {
            return from;
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    let at = super::ingest::address(gateway);
    let agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().new_agent();
    for request in (from..rows.len()).step_by(EVENTS) {
        let event = |row: usize| {
            json!({
                "transaction_id": rows.id[row], "event_time": rows.time_ms[row], "customer_id": rows.customer[row],
                "terminal_id": rows.terminal[row], "amount": rows.amount[row],
            })
        };
        let events: Vec<_> = (request..rows.len().min(request + EVENTS)).map(event).collect();
        let path = format!("{at}/v1/sources/transactions/events");
        let answer = agent.post(path).header("content-type", "application/json").send(json!(events).to_string());
        if answer.map_or(0, |answer| answer.status().as_u16()) != 202 {
            return request;
        }
    }
    rows.len()
}

#[test]
fn a_full_disk_stops_the_embedded_log_and_what_it_acknowledged_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(&dir.path().join("log"), DISK_BYTES) else { return };
    std::fs::write(dir.path().join("pipeline.yaml"), fraud_text(&[])).unwrap();
    let open = || {
        let log = Embedded::open(disk.folder()).unwrap();
        Deployment::new(Arc::new(log), Store::local(&dir.path().join("store")).unwrap(), fraud(&[]))
    };
    promote(&open(), &Store::local(&dir.path().join("store")).unwrap());
    let arguments = ["--idle-timeout", "1s", "--listen", "127.0.0.1:0"].map(str::to_owned).to_vec();
    let place = Place { dir: dir.path().to_owned(), brokers: None, arguments };
    let services = "validator featurizer scorer gateway";
    let rows = transactions(0..20);

    disk.fill();
    disk.leave(LEFT_BYTES);
    let mut process = place.start(services, &[], None);
    let acknowledged = send(&mut process, &rows, 0);
    let state = process.ended();
    assert!(matches!(state, State::Ended(status) if !status.success()), "{state:?}: {}", process.tail());
    let (said, path) = (process.said(), disk.folder().canonicalize().unwrap());
    let is_told =
        |line: &str| line.contains(FULL) && (line.contains("./log/") || line.contains(path.to_str().unwrap()));
    assert!(said.lines().any(is_told), "{}", process.tail());
    assert!(acknowledged > 0 && acknowledged < rows.len(), "{acknowledged} of {}", rows.len());

    // Still no room: it says so again.
    let mut process = place.start(services, &[], None);
    let more = send(&mut process, &rows, acknowledged);
    assert!(more < rows.len(), "{more} of {}", rows.len());
    let state = process.ended();
    assert!(matches!(state, State::Ended(status) if !status.success()), "{state:?}: {}", process.tail());

    disk.empty();
    let mut process = place.start(services, &[], None);
    assert_eq!(send(&mut process, &rows, more), rows.len(), "{}", process.tail());
    process.ask_to_stop();
    process.ended_well();
    let mut process = place.start("validator featurizer scorer", &["--drain"], None);
    process.ended_well();
    let deployment = open();
    let ids: BTreeSet<String> = rows.id.iter().map(ToString::to_string).collect();
    let features = deployment.features(rows.len(), &Running::default());
    assert!(features.keys().eq(&ids), "{} of {}", features.len(), ids.len());
    let predictions = subscriber::all(&deployment.context, &deployment.context.plan.names.predictions, true);
    assert!(predictions.ids.keys().eq(&ids), "{} of {}", predictions.ids.len(), ids.len());
}

fn place(dir: &Path, kafka: &Kafka) -> Place {
    let arguments = ARGUMENTS.map(str::to_owned).to_vec();
    Place { dir: dir.to_owned(), brokers: Some(kafka.brokers().to_owned()), arguments }
}

/// The newest snapshots of the first stage, summed up.
fn snapshots(deployment: &Deployment, store: &Store) -> i64 {
    let vault = Vault::new(store.clone());
    let (context, log) = (&deployment.context, &deployment.context.plan.names.entity_logs[0]);
    let newest = partitions(context, log).map(|tp| {
        let owner = Owner { group: "fraud.featurizer.customer".to_owned(), log: log.clone(), partition: tp.partition };
        vault.list(&owner).unwrap().iter().map(|name| name.position).max().unwrap_or(0)
    });
    newest.sum()
}

#[test]
fn a_full_store_holds_up_decisions_and_the_archive_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(&dir.path().join("store"), DISK_BYTES) else { return };
    let Some(kafka) = Kafka::start() else { return };
    let _alone = super::ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    std::fs::write(dir.path().join("pipeline.yaml"), fraud_text(&[])).unwrap();
    let store = Store::local(disk.folder()).unwrap();
    let deployment = Deployment::new(kafka.log(), store.clone(), fraud(&[]));
    let context = &deployment.context;
    let place = place(dir.path(), &kafka);
    let rows = transactions(0..12);
    let third = rows.len() / 3;
    // The last partition comes later: its first record wants a decision.
    let publish = |part: std::ops::Range<usize>, partitions: usize| {
        let order: Vec<_> = part.map(|row| (row, (row % partitions) as i32)).collect();
        deployment.publish(rows.events(context, &order));
    };
    let mut validator = place.start("validator", &[], None);
    let mut featurizer = place.start("featurizer", &[], None);
    let mut archiver = place.start("archiver", &[], None);
    publish(0..third, 3);
    deployment.features(third, &Running::default());
    wait(&mut [&mut featurizer], "snapshots", || snapshots(&deployment, &store) > 0);

    disk.fill();
    publish(third..2 * third, 3);
    // Features need no decision and no snapshot.
    deployment.features(2 * third, &Running::default());
    let full = |process: &Process, what: &str| {
        let path = disk.folder().canonicalize().unwrap().display().to_string();
        process.said().lines().any(|line| line.contains(what) && line.contains(FULL) && line.contains(&path))
    };
    await_so("a word on the snapshot", || full(&featurizer, "no snapshot could be taken"));
    await_so("a word on the archive", || full(&archiver, "starting over from what is done"));
    publish(2 * third..rows.len(), 4);
    await_so("a word on the decision", || full(&validator, "nothing is rejected meanwhile"));
    // A death with the disk full costs reading more of the log, no more.
    featurizer.kill();
    featurizer = place.start("featurizer", &[], None);
    await_so("a restart", || featurizer.said().contains("state is that of the commit"));
    if super::is_deep() {
        let state = archiver.ended();
        assert!(matches!(state, State::Ended(status) if !status.success()), "{state:?}: {}", archiver.tail());
        assert!(full(&archiver, "ended, and everything else stops"), "{}", archiver.tail());
    }

    let before = snapshots(&deployment, &store);
    disk.empty();
    // It may have tried often enough.
    if archiver.state() != State::Runs {
        archiver = place.start("archiver", &[], None);
    }
    let features = deployment.features(rows.len(), &Running::default());
    let ids: BTreeSet<String> = rows.id.iter().map(ToString::to_string).collect();
    assert!(features.keys().eq(&ids), "{} of {}", features.len(), ids.len());
    wait(&mut [&mut featurizer], "snapshots", || snapshots(&deployment, &store) > before);
    super::archive::await_whole(context, &Archive::new(store.clone()));
    for process in [&mut validator, &mut featurizer, &mut archiver] {
        process.ask_to_stop();
        process.ended_well();
    }
    let archive = Archive::new(store.clone());
    assert_eq!(super::archive::rows(&archive, &context.plan.names.events), rows.len(), "each event is archived once");
    for (log, items) in contents::written(context) {
        assert_eq!(super::archive::rows(&archive, &log), items.len(), "each item of {log} is archived once");
    }
}
