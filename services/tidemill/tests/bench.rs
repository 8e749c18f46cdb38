//! `tidemill bench` as a user calls it, on a few transactions: that everything is counted and told. What the figures are is
//! nothing for a test.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

const SERVICES: [&str; 4] = ["validator", "featurizer", "scorer", "monitor"];

/// Runs `bench pipeline` and returns what it says.
fn bench(dir: &Path, args: &[&str]) -> Value {
    bench_of("pipeline", dir, args)
}

/// Runs a benchmark and returns what it says.
fn bench_of(what: &str, dir: &Path, args: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
    command.current_dir(dir).env_remove("RUST_LOG").env_remove("TIDEMILL_BROKERS").env_remove("TIDEMILL_PIPELINE");
    command.args(["bench", what, "--output", "json", "--idle-timeout", "500ms"]).args(args);
    let output = command.output().expect("the binary runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{args:?}: {said}");
    assert_eq!(said.contains("no measurement"), cfg!(debug_assertions), "{said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}: {said}"))
}

#[track_caller]
fn check_counts(told: &Value, transactions: u64) {
    for name in ["events", "labels", "predictions", "outcomes"] {
        assert_eq!(told["counts"][name], transactions, "{name}: {told}");
    }
    assert_eq!((&told["counts"]["events_refused"], &told["counts"]["labels_refused"]), (&0.into(), &0.into()));
}

/// The rows of the table, with a figure in each.
#[track_caller]
fn rows(told: &Value) -> Vec<String> {
    let rows = told["services"].as_array().expect("services");
    for row in rows.iter().chain([&told["total"]]) {
        for name in ["cpu_us_per_transaction", "user_us_per_transaction", "system_us_per_transaction", "share"] {
            assert!(row[name].is_f64(), "{name}: {row}");
        }
    }
    assert!(told["total"]["cpu_us_per_transaction"].as_f64() > Some(0.0));
    rows.iter().map(|row| row["service"].as_str().expect("a name").to_owned()).collect()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

#[test]
fn a_replay_on_the_embedded_log_loses_nothing_and_tells_who_used_the_cpu() {
    let dir = folder();
    let told = bench(dir.path(), &["--transactions", "3000", "--with", "archiver"]);
    check_counts(&told, 3_000);
    assert_eq!(rows(&told), [&SERVICES[..], &["archiver", "rest"]].concat());
    assert_eq!(
        (&told["mode"], &told["log"], &told["source"]),
        (&"replay".into(), &"embedded".into(), &"simulated".into())
    );
    assert_eq!(told["measurement"], !cfg!(debug_assertions));
    assert!(told["services"][0]["records"].as_u64() >= Some(6_000), "the validator reads events and labels");
    assert!(told["machine"]["cores"].as_u64() > Some(0));
    assert!(told["processes"][0]["peak_memory_bytes"].as_u64() > Some(1 << 20));
    assert!(told["transactions_per_s"].as_f64() > Some(0.0));
    assert_eq!(std::fs::read_dir(dir.path()).expect("the folder").count(), 0, "nothing is left behind");
}

#[test]
fn a_killed_pipeline_goes_on_with_more_keys_than_are_in_memory() {
    let dir = folder();
    let told =
        bench_of("recovery", dir.path(), &["--keys", "12000", "--state-memory", "0B", "--snapshot-interval", "500ms"]);
    assert_eq!((&told["mode"], &told["keys"]), (&"recovery".into(), &12_000.into()));
    let seconds = |name: &str| told[name].as_f64().expect("seconds");
    assert!(seconds("open_seconds") < seconds("first_committed_seconds"));
    assert!(seconds("first_committed_seconds") <= seconds("all_committed_seconds"));
    assert!(told["snapshot_bytes"].as_u64() > Some(12_000 * 50));
    assert_eq!(std::fs::read_dir(dir.path()).expect("the folder").count(), 0, "nothing is left behind");
}

#[test]
fn events_by_the_clock_are_measured_from_event_to_prediction() {
    let dir = folder();
    let told = bench(dir.path(), &["--transactions", "500", "--live", "500", "--seconds", "2"]);
    assert_eq!((&told["mode"], &told["transactions"]), (&"live".into(), &1_000.into()));
    assert_eq!((&told["counts"]["events"], &told["counts"]["predictions"]), (&1_500.into(), &1_500.into()));
    assert_eq!(rows(&told), [&SERVICES[..], &["rest"]].concat());
    for name in ["p50", "p99", "p99_9", "max"] {
        assert!(told["latency_ms"][name].as_f64() > Some(0.0), "{told}");
    }
    assert!(told["rate_published_per_s"].as_f64() > Some(0.0));
}

#[test]
fn a_file_of_events_is_taken_and_what_does_not_fit_is_said() {
    let dir = folder();
    let mut csv = String::from("TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD\n");
    for id in 0..200 {
        let (minute, amount) = (id % 60, if id == 7 { "-1.0" } else { "12.5" });
        csv += &format!("{id},2024-05-01 {:02}:{minute:02}:00,{},{},{amount},0\n", id / 60, id % 4, id % 2);
    }
    std::fs::write(dir.path().join("t.csv"), csv).expect("a file");
    let told = bench(dir.path(), &["--events", "t.csv", "--label-column", "TX_FRAUD"]);
    let counts = &told["counts"];
    assert_eq!(
        (&counts["events"], &counts["predictions"], &counts["events_refused"]),
        (&200.into(), &199.into(), &1.into())
    );
    assert_eq!((&counts["labels"], &counts["outcomes"]), (&200.into(), &199.into()), "a refused event has no outcome");
    assert_eq!(told["source"], "t.csv");
}

#[test]
fn idle_services_are_measured() {
    let told = bench(folder().path(), &["--idle", "--seconds", "1", "--transactions", "100"]);
    assert_eq!(told["mode"], "idle");
    let names: Vec<&str> =
        told["services"].as_array().expect("rows").iter().filter_map(|row| row["service"].as_str()).collect();
    for name in [&SERVICES[..], &["trainer", "archiver", "gateway", "rest"]].concat() {
        assert!(names.contains(&name), "{name}: {told}");
    }
    assert!(told["total_percent_of_a_core"].is_f64());
}

#[test]
fn on_kafka_each_service_is_a_process_and_no_topic_stays() {
    let Some(kafka) = tests::kafka::kafka() else { return };
    let dir = folder();
    let told = bench(dir.path(), &["--transactions", "2000", "--brokers", kafka.brokers()]);
    check_counts(&told, 2_000);
    assert_eq!(rows(&told), SERVICES);
    assert_eq!((&told["log"], told["processes"].as_array().map(Vec::len)), (&"kafka".into(), Some(4)));
    let left: Vec<String> =
        kafka.log().topics().expect("topics").into_iter().filter(|name| name.contains("-bench-")).collect();
    assert!(left.is_empty(), "{left:?}");
}
