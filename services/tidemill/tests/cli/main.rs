//! The command line as a user meets it: the built binary, its exit codes, and a whole run on the embedded log.

mod asyncapi;
mod bodies;
mod categories;
mod classes;
mod compact;
mod compose;
mod contracts;
mod demo;
mod disk;
mod dlq;
mod doors;
mod foreign;
mod help;
mod init;
mod json;
mod kafka;
mod label;
mod ledger;
mod metrics;
mod mistakes;
mod models;
mod pages;
mod plan;
mod promotion;
mod readme;
mod retention;
mod rules;
mod s3;
mod schema;
mod schema_registry;
mod settings;
mod shipped;
mod snippets;
mod sql;
mod states;
mod testing;
mod top;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use arrow::datatypes::{Float64Type, Int64Type};
use serde_json::Value;

/// The binary, in a folder of its own.
fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
    command.current_dir(dir).args(args).env_remove("RUST_LOG");
    let names = [
        "PIPELINE",
        "DATA",
        "STORE",
        "BROKERS",
        "KAFKA",
        "SCHEMA_REGISTRY",
        "GATEWAY",
        "GATEWAY_CA",
        "TOKEN",
        "TOKENS",
        "LISTEN",
        "PUBLIC",
        "OUTPUT",
        "IDLE_TIMEOUT",
        "LOG_FORMAT",
        "SETTINGS",
        "PROFILE",
    ];
    names.iter().for_each(|name| {
        command.env_remove(format!("TIDEMILL_{name}"));
    });
    command
}

fn tidemill(dir: &Path, args: &[&str]) -> Output {
    command(dir, args).output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn check(dir: &Path, args: &[&str], exit: i32, said: &[&str]) -> String {
    let output = tidemill(dir, args);
    let all = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(exit), "{args:?}: {all}");
    for part in said {
        assert!(all.contains(part), "{args:?} does not say `{part}`: {all}");
    }
    text(&output.stdout)
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

fn shipped() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../topologies/pipelines/fraud.yaml");
    std::fs::read_to_string(file).expect("the pipeline")
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// Forty transactions of four customers at two terminals, a day apart for each customer.
fn transactions(dir: &Path) -> PathBuf {
    let mut csv = String::from("TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD\n");
    for id in 0..40 {
        let (day, hour) = (1 + id / 4, id % 4);
        csv += &format!(
            "{id},2024-05-{day:02} {hour:02}:00:00,{},{},{}.5,{}\n",
            id % 4,
            id % 2,
            id,
            u8::from(id % 10 == 0)
        );
    }
    let path = dir.join("transactions.csv");
    std::fs::write(&path, csv).expect("a file");
    path
}

#[test]
fn the_shipped_pipeline_is_valid_and_drawn() {
    let dir = folder();
    check(dir.path(), &["validate"], 0, &["is valid"]);
    check(dir.path(), &["graph"], 0, &["flowchart LR"]);
    check(dir.path(), &["graph", "--format", "dot"], 0, &["digraph"]);
    let json = check(dir.path(), &["validate", "--output", "json"], 0, &[]);
    assert_eq!(lines(&json)[0]["valid"], true);
    assert!(!dir.path().join(".tidemill").exists(), "looking at a file leaves nothing behind");
}

#[test]
fn all_problems_of_a_pipeline_are_shown_with_their_places() {
    let dir = folder();
    let bad = shipped().replace("avg(amount)", "avg(amuont)").replace("delivery: low_latency", "delivery: fast");
    std::fs::write(dir.path().join("bad.yaml"), bad).expect("a file");
    let args = ["validate", "--pipeline", "bad.yaml"];
    check(dir.path(), &args, 2, &["amuont", "did you mean `amount`?", "`fast` is no choice", "bad.yaml:"]);
    let json = check(dir.path(), &[&args[..], &["--output", "json"]].concat(), 2, &[]);
    let problems = lines(&json)[0]["problems"].as_array().cloned().expect("problems");
    assert!(problems.len() >= 2 && problems.iter().all(|problem| problem["line"].as_u64() > Some(1)));
}

#[test]
fn what_is_not_there_is_said_with_what_to_do() {
    let dir = folder();
    check(dir.path(), &["validate", "--pipeline", "nowhere.yaml"], 2, &["no pipeline file nowhere.yaml"]);
    check(dir.path(), &["tap", "x"], 2, &["tidemill up"]);
    check(dir.path(), &["publish", "nowhere.parquet"], 2, &["no such file"]);
    assert!(!dir.path().join(".tidemill").exists(), "a slip leaves nothing behind");
    check(dir.path(), &["run", "validator"], 2, &["tidemill apply"]);
    check(dir.path(), &["apply", "--kafka", "a=b"], 2, &["--brokers"]);
    check(dir.path(), &["model", "show", "nothing"], 2, &["nothing was published under that name"]);
    check(dir.path(), &["frobnicate"], 2, &["unrecognized subcommand"]);
    check(dir.path(), &["apply", "--brokers", "127.0.0.1:1"], 3, &["127.0.0.1:1"]);
}

#[test]
fn a_file_without_a_needed_column_is_refused_with_its_columns() {
    let dir = folder();
    std::fs::write(dir.path().join("a.csv"), "TRANSACTION_ID,WHEN,CUSTOMER,TERMINAL_ID,TX_AMOUNT\n").expect("a file");
    check(dir.path(), &["publish", "a.csv"], 2, &["no column for `event_time`", "--map event_time=", "`TX_AMOUNT`"]);
    let map = ["publish", "a.csv", "--map", "event_time=WHEN"];
    check(dir.path(), &map, 2, &["no column for `customer_id`", "`CUSTOMER`"]);
}

#[test]
fn published_events_come_out_as_features() {
    let dir = folder();
    // In order of arrival, averages would depend on which of the four partitions is read first.
    let ordered = shipped().replace("ordering: arrival", "ordering: event_time");
    std::fs::write(dir.path().join("ordered.yaml"), ordered).expect("a file");
    let file = transactions(dir.path());
    let file = file.to_str().expect("a path");
    let args = ["publish", file, "--label-column", "TX_FRAUD", "--output", "json"];
    let json = check(dir.path(), &args, 0, &[]);
    assert_eq!((&lines(&json)[0]["events"], &lines(&json)[0]["labels"]), (&40.into(), &40.into()));
    let up = ["up", "--drain", "--idle-timeout", "500ms", "--pipeline", "ordered.yaml", "--listen", "127.0.0.1:0"];
    check(dir.path(), &up, 0, &["running validator", "everything is committed"]);
    let features = lines(&check(dir.path(), &["tap", "features.log"], 0, &[]));
    assert_eq!(features.len(), 40);
    let one = lines(&check(dir.path(), &["tap", "features.log", "--filter", "transaction_id=36"], 0, &[]));
    // Customer 0 paid once a day, the tenth time here; 0.5, 4.5 and so on up to 36.5 on average 18.5.
    assert_eq!(one[0]["features"]["customer_tx_count_30d"], 10.0);
    assert_eq!(one[0]["features"]["customer_tx_amount_avg_30d"], 18.5);
    assert_eq!(one[0]["origin"].as_str().map(|origin| origin.contains("events.v1/")), Some(true));
    let last = check(dir.path(), &["tap", "transactions.events.v1", "--from", "-1", "--limit", "2"], 0, &[]);
    assert_eq!(lines(&last).len(), 2);
    let outcomes = check(dir.path(), &["tap", "outcomes"], 0, &[]);
    assert_eq!(lines(&outcomes).len(), 40, "every label found its event");
    let marks = check(dir.path(), &["tap", "journal", "--marks"], 0, &[]);
    assert!(lines(&marks).iter().any(|line| line.get("fence").is_some()));
    // Run again: nothing is left to do, and nothing comes twice.
    check(dir.path(), &up, 0, &[]);
    assert_eq!(lines(&check(dir.path(), &["tap", "features.log"], 0, &[])).len(), 40);
}

#[test]
fn features_of_a_file_are_computed_without_a_stream() {
    let dir = folder();
    let file = transactions(dir.path());
    let args = ["features", "compute", file.to_str().expect("a path"), "--out", "f.parquet", "--output", "json"];
    let json = check(dir.path(), &args, 0, &[]);
    assert_eq!((&lines(&json)[0]["rows"], &lines(&json)[0]["label_column"]), (&40.into(), &"TX_FRAUD".into()));
    let table = offline::table::Table::open(&dir.path().join("f.parquet")).expect("a table");
    let names: Vec<String> = table.schema().fields().iter().map(|field| field.name().clone()).collect();
    let first = ["transaction_id", "event_time", "customer_id", "terminal_id", "amount", "row_is_weekend"];
    assert_eq!(names[..6], first);
    assert_eq!((names.len(), names.last().map(String::as_str)), (5 + 14 + 1, Some("is_fraud")));
}

#[test]
fn a_second_process_is_told_who_has_the_log() {
    let dir = folder();
    check(dir.path(), &["apply"], 0, &["generation 1"]);
    let held = runtime::embedded::Embedded::open(dir.path().join(".tidemill/log")).expect("the log");
    check(dir.path(), &["topics"], 3, &[&format!("pid {}", std::process::id()), "gateway"]);
    drop(held);
    check(dir.path(), &["topics"], 0, &["fraud.transactions.events.v1"]);
    check(dir.path(), &["apply", "--rebuild"], 0, &["generation 2", "customer.log.f1.g2"]);
}

/// `up` in the background; killed with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits for a file that a process writes when it is ready.
fn wait_for(file: &Path) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !file.exists() {
        assert!(Instant::now() < deadline, "{} did not appear", file.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn commands_reach_a_running_up_and_ctrl_c_ends_it_cleanly() {
    let dir = folder();
    let up = command(dir.path(), &["up", "--listen", "127.0.0.1:0"]).stderr(Stdio::piped()).spawn();
    let mut up = Running(up.expect("the binary runs"));
    let address = dir.path().join(".tidemill/gateway");
    wait_for(&address);
    let file = transactions(dir.path());
    let args = ["publish", file.to_str().expect("a path"), "--label-column", "TX_FRAUD"];
    check(dir.path(), &args, 0, &["published 40 events and 40 labels"]);
    let follow = ["tap", "features.log", "--follow", "--from", "start", "--limit", "40"];
    assert_eq!(lines(&check(dir.path(), &follow, 0, &[])).len(), 40);
    check(dir.path(), &["topics"], 0, &["fraud.transactions.events.v1"]);
    check(dir.path(), &["model", "promote", "fraud"], 2, &["nothing was published under that name"]);
    check(dir.path(), &["apply"], 3, &[&format!("pid {}", up.0.id())]);
    let pid = i32::try_from(up.0.id()).expect("a pid");
    // SAFETY: the process is our child and was not waited for yet, so the number is still its.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGINT) }, 0);
    let ended = up.0.wait().expect("it ends");
    assert_eq!(ended.code(), Some(130));
    let mut said = String::new();
    up.0.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
    assert!(said.contains("stopped; everything is committed"), "{said}");
    assert!(!address.exists(), "nobody is sent to a gateway that is gone");
    check(dir.path(), &["topics"], 0, &["fraud.features.log.f1.g1"]);
    // It stopped before a snapshot was due, and took one all the same.
    let logs = ["fraud.customer.log", "fraud.terminal.log", "fraud.features.log", "fraud.journal.log"];
    check(dir.path(), &["snapshot", "list"], 0, &logs);
    check(dir.path(), &["snapshot", "verify"], 0, &[]);
}

#[test]
fn services_run_as_processes_of_their_own_on_kafka() {
    let Some(kafka) = tests::kafka::kafka() else { return };
    let dir = folder();
    let on = |args: &[&str]| {
        let place = ["--brokers", kafka.brokers(), "--idle-timeout", "500ms", "--pipeline", "ordered.yaml"];
        check(dir.path(), &[args, &place[..]].concat(), 0, &[])
    };
    let ordered = shipped().replace("ordering: arrival", "ordering: event_time");
    std::fs::write(dir.path().join("ordered.yaml"), ordered).expect("a file");
    let file = transactions(dir.path());
    on(&["apply"]);
    on(&["publish", file.to_str().expect("a path"), "--label-column", "TX_FRAUD"]);
    on(&["run", "validator", "--drain"]);
    on(&["run", "featurizer", "--drain"]);
    let features = lines(&on(&["tap", "features.log"]));
    assert_eq!(features.len(), 40);
    let one = lines(&on(&["tap", "features.log", "--filter", "transaction_id=36"]));
    assert_eq!(one[0]["features"]["customer_tx_amount_avg_30d"], 18.5);
    assert_eq!(lines(&on(&["tap", "outcomes"])).len(), 40);
    assert!(!dir.path().join(".tidemill/log").exists(), "the log is Kafka's");
}

/// Witness: the handbook's own feature files, see `tests::fraud`.
#[test]
fn features_computed_from_the_handbook_are_the_published_ones() {
    let Some(folder) = tests::fraud::data() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let file = folder.join("transactions_2018-04-01_2018-07-09.parquet");
    check(
        dir.path(),
        &["features", "compute", file.to_str().expect("a path"), "--out", "f.parquet"],
        0,
        &["959229 events"],
    );
    let published = tests::fraud::published(&folder);
    let mut found = 0;
    for batch in offline::table::read(&dir.path().join("f.parquet")).expect("a table") {
        let ids = batch.column_by_name("transaction_id").expect("ids").as_primitive::<Int64Type>().clone();
        let features = tests::fraud::PUBLISHED.map(|(name, _)| {
            batch.column_by_name(name).unwrap_or_else(|| panic!("no {name}")).as_primitive::<Float64Type>().clone()
        });
        for row in 0..batch.num_rows() {
            let Some(expected) = published.get(&ids.value(row)) else { continue };
            found += 1;
            for (at, (name, _)) in tests::fraud::PUBLISHED.iter().enumerate() {
                let ours = features[at].value(row);
                assert!(
                    tests::fraud::equal(at, ours, expected[at]),
                    "{}: {name} {ours} {}",
                    ids.value(row),
                    expected[at]
                );
            }
        }
    }
    assert_eq!((found, published.len()), (134_318, 134_318));
}

#[test]
fn a_gateway_runs_alone_and_a_taken_port_is_said() {
    let dir = folder();
    check(dir.path(), &["apply"], 0, &[]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    check(
        dir.path(),
        &["run", "gateway", "--listen", &address],
        3,
        &[&address, "`--listen 127.0.0.1:0` takes a free port"],
    );
    check(dir.path(), &["run", "gateway", "--listen", "0.0.0.0:0"], 2, &["--public 0.0.0.0:0 --tokens FILE"]);
}
