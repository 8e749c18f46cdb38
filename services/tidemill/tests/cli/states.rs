//! What `plan` says of the state of tasks is what they do when they are started: kept, built again, or refused.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use runtime::embedded::Embedded;
use runtime::log::{Log, TopicPartition};
use serde_json::Value;

use super::metrics::page;
use super::plan::{FILE, Place, of_task};
use super::{Running, command, folder, transactions, wait_for};

/// Longest that tasks may take to be where they were. A limit on hanging, no timing.
const WAIT: Duration = Duration::from_secs(60);

/// Counters of services on a metrics page.
fn counters(page: &str, metric: &str) -> BTreeMap<String, u64> {
    let prefix = format!("{metric}{{service=\"");
    let series = page.lines().filter_map(|line| line.strip_prefix(&prefix)?.split_once("\"} "));
    series.map(|(service, value)| (service.to_owned(), value.parse().expect("a count"))).collect()
}

/// Of each task that keeps a state, the partitions in which it has read something, and the records that it is to read again.
fn promised(dir: &Path, shown: &Value) -> BTreeMap<String, (u64, u64)> {
    let log = Embedded::open(dir.join(".tidemill/log")).expect("the log");
    let partitions = |topic: &String| log.partitions(topic).expect("an answer").unwrap_or(0);
    let topics = log.topics().expect("topics");
    let of =
        |topic: &String| (0..partitions(topic)).map(|at| TopicPartition::new(topic.as_str(), at)).collect::<Vec<_>>();
    let all: Vec<TopicPartition> = topics.iter().flat_map(of).collect();
    let begun = |group: &str| {
        let committed = log.committed(group, &all).expect("an answer");
        committed.into_iter().flatten().filter(|committed| committed.offset > 0).count() as u64
    };
    let tasks = shown["tasks"].as_array().expect("tasks").iter();
    let told = tasks.map(|task| {
        let text = |name: &str| task[name].as_str().expect("a text").to_owned();
        (text("task"), (begun(&text("group")), task["records_again"].as_u64().expect("a count")))
    });
    let keeps_state = |name: &str| ["featurizer.", "scorer", "monitor."].iter().any(|part| name.starts_with(part));
    told.filter(|(name, _)| keeps_state(name)).collect()
}

/// Starts all services: every task that has read something is restored, by as many records as were shown.
#[track_caller]
fn restored_as_shown(dir: &Path, shown: &Value) {
    let promised = promised(dir, shown);
    let up = command(dir, &[&["up", "--listen", "127.0.0.1:0"], &FILE[..]].concat()).stderr(Stdio::null()).spawn();
    let mut up = Running(up.expect("the binary runs"));
    wait_for(&dir.join(".tidemill/gateway"));
    let deadline = Instant::now() + WAIT;
    let (restores, again) = loop {
        let page = page(dir);
        let restores = counters(&page, "tidemill_restores_total");
        if promised.iter().all(|(task, (partitions, _))| restores.get(task) >= Some(partitions)) {
            break (restores, counters(&page, "tidemill_records_again_total"));
        }
        assert!(Instant::now() < deadline, "{promised:?} are not restored: {restores:?}");
        std::thread::sleep(Duration::from_millis(20));
    };
    let found = promised.keys().map(|task| (task.clone(), (restores[task], again[task]))).collect();
    assert_eq!(promised, found, "partitions restored and records read again by task, as shown and as done");
    let pid = i32::try_from(up.0.id()).expect("a pid");
    // SAFETY: the process is our child and was not waited for yet, so the number is still its.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGINT) }, 0);
    assert_eq!(up.0.wait().expect("it ends").code(), Some(130));
}

/// All files below a folder.
fn files(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path.display().to_string()] }).collect()
}

#[test]
fn a_plan_says_what_happens_to_the_state_of_tasks() {
    let dir = folder();
    let place = Place { dir: dir.path(), more: Vec::new() };
    place.write(&[]);
    let file = transactions(dir.path());
    place.run(&["publish", file.to_str().expect("a path"), "--label-column", "TX_FRAUD"], 0, &[]);
    place.run(&["up", "--drain", "--idle-timeout", "500ms", "--listen", "127.0.0.1:0"], 0, &[]);
    let idle = place.json(&["plan"], 0);
    for task in ["validator", "featurizer.customer", "featurizer.journal", "scorer", "monitor.features"] {
        let found = of_task(&idle, task);
        assert_eq!((&found["state"], &found["records_ahead"]), (&"kept".into(), &0.into()), "{found}");
    }
    assert_eq!(idle["left_behind"]["topics"], serde_json::json!([]));
    assert!(promised(dir.path(), &idle).values().all(|(partitions, again)| *partitions > 0 && *again == 0), "{idle}");
    restored_as_shown(dir.path(), &idle);

    // Other windows of the monitor: what it counted is counted again.
    place.write(&[("    window: 1d\n", "    window: 2d\n")]);
    let shown = place.json(&["plan", "--detailed-exitcode"], 0);
    let monitor = of_task(&shown, "monitor.features");
    assert_eq!(monitor["state"], "rebuilt");
    assert!(monitor["records_again"].as_i64() > Some(0) && monitor["bytes_again"].as_i64() > Some(0), "{monitor}");
    assert_eq!(of_task(&shown, "featurizer.customer")["state"], "kept");
    place.run(&["plan"], 0, &["~ monitor.features  state is built again from", "KiB"]);
    restored_as_shown(dir.path(), &shown);
    let kept = place.json(&["plan"], 0);
    assert_eq!(of_task(&kept, "monitor.features")["state"], "kept", "and not built a second time");

    // Late events skipped by one feature are other values; the default written out is not.
    for (late, code, state) in [("apply", 0, "kept"), ("skip", 2, "refused")] {
        place.write(&[("tx_amount_avg: avg(amount)", &format!("tx_amount_avg: {{ of: avg(amount), late: {late} }}"))]);
        assert_eq!(of_task(&place.json(&["plan"], code), "featurizer.customer")["state"], state, "late: {late}");
    }

    // Other features: nothing goes on with the old state, and `apply` says so, too.
    place.write(&[("tx_amount_avg: avg(amount)", "tx_amount_avg: max(amount)")]);
    let why = ["validator", "fraud.customer.log.f1.g1/", "another configuration", "tidemill apply --rebuild"];
    let shown = place.json(&["plan"], 2);
    assert_eq!(of_task(&shown, "featurizer.customer")["state"], "refused");
    place.run(&["plan"], 2, &why[1..]);
    place.run(&["apply"], 2, &why[1..]);
    let shown = place.apply_as_shown(&["--rebuild"]);
    assert_eq!(shown["generation"], 2);
    assert_eq!(of_task(&shown, "validator")["records_ahead"], 80, "events and labels are read again");
    let left = place.json(&["plan"], 0)["left_behind"].clone();
    let named = |topic: &str| left["topics"].as_array().into_iter().flatten().any(|one| one["topic"] == topic);
    assert!(
        named("fraud.customer.log.f1.g1") && named("fraud.journal.log.g1") && !named("fraud.outcomes.v1"),
        "{left}"
    );
    place.run(&["topics"], 0, &["fraud.customer.log.f1.g1"]);
    place.run(&["apply", "--rebuild", "--delete-left-behind"], 2, &["cannot be used with"]);
    let shown: Vec<Value> = left["topics"].as_array().into_iter().flatten().map(|one| one["topic"].clone()).collect();
    let applied = place.json(&["apply", "--delete-left-behind"], 0);
    assert_eq!(applied["topics_deleted"], Value::from(shown));
    let states = applied["states_deleted"].as_array().cloned().unwrap_or_default();
    assert!(states.iter().any(|state| state["log"] == "fraud.customer.log.f1.g1"), "{applied}");
    assert_eq!(place.json(&["plan"], 0)["left_behind"], serde_json::json!({ "topics": [], "tasks": [] }));
    place.run(&["snapshot", "list"], 0, &[]);
    let kept = |folder: &str| dir.path().join(".tidemill/store").join(folder).join("fraud.featurizer.customer");
    for (folder, log) in [("snapshots", "fraud.customer.log.f1.g1/0"), ("tasks", "fraud.customer.log.f1.g1")] {
        let left = files(&kept(folder).join(log));
        assert_eq!(left, [""; 0], "nothing of the old state is left");
    }
    let topics = place.run(&["topics"], 0, &["fraud.customer.log.f1.g2", "fraud.outcomes.v1"]);
    assert!(!topics.contains(".g1"), "{topics}");
    place.run(&["apply", "--delete-left-behind"], 0, &["generation 2"]);
    place.run(&["up", "--drain", "--idle-timeout", "500ms", "--listen", "127.0.0.1:0"], 0, &[]);
    place.run(&["ledger", "verify", "--offline"], 0, &["everything agrees"]);
}
