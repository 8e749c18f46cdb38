//! What `plan` shows is what `apply` does, and after that there is nothing to do.

use std::path::Path;

use runtime::log::Log;
use serde_json::Value;

use super::{check, folder, lines, shipped, transactions};

const FILE: [&str; 2] = ["--pipeline", "own.yaml"];

/// A place with a pipeline file of its own, which changes.
struct Place<'a> {
    dir: &'a Path,
    more: Vec<&'a str>,
}

impl Place<'_> {
    /// The shipped pipeline with other words.
    fn write(&self, replace: &[(&str, &str)]) {
        let mut text = shipped().replace("ordering: arrival", "ordering: event_time");
        for (from, to) in replace {
            assert!(text.contains(from), "the file says {from:?}");
            text = text.replace(from, to);
        }
        std::fs::write(self.dir.join("own.yaml"), text).expect("a file");
    }

    #[track_caller]
    fn run(&self, args: &[&str], exit: i32, said: &[&str]) -> String {
        check(self.dir, &[args, &FILE, &self.more].concat(), exit, said)
    }

    #[track_caller]
    fn json(&self, args: &[&str], exit: i32) -> Value {
        lines(&self.run(&[args, &["--output", "json"]].concat(), exit, &[])).remove(0)
    }

    /// Applies what is shown, and sees that it was that and all.
    #[track_caller]
    fn apply_as_shown(&self, rebuild: &[&str]) -> Value {
        let shown = self.json(&[&["plan", "--detailed-exitcode"], rebuild].concat(), 6);
        let applied = self.json(&[&["apply"], rebuild].concat(), 0);
        let names = |list: &Value, change: &str| -> Vec<Value> {
            let all = list.as_array().cloned().unwrap_or_default();
            all.into_iter().filter(|one| one["change"] == change).map(|one| one["topic"].clone()).collect()
        };
        assert_eq!(Value::from(names(&shown["topics"], "create")), applied["topics_created"]);
        assert_eq!(Value::from(names(&shown["topics"], "grow")), applied["topics_grown"]);
        assert_eq!(shown["fences"], applied["fences_written"]);
        let told = |of: &Value| -> Vec<(Value, Value)> {
            of.as_array().into_iter().flatten().map(|one| (one["topic"].clone(), one["setting"].clone())).collect()
        };
        assert_eq!(told(&shown["settings"]), told(&applied["settings_changed"]));
        let modes: Vec<(String, Value)> = shown["modes"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|mode| (mode["topic"].as_str().unwrap_or_default().to_owned(), mode["mode"].clone()))
            .collect();
        assert_eq!(Value::Object(modes.into_iter().collect()), applied["compatibility_set"]);
        let named: Vec<&Value> = applied["parents_named"].as_array().into_iter().flatten().map(|one| &one[0]).collect();
        assert_eq!(shown["parents"].as_array().map(|all| all.iter().collect::<Vec<_>>()), Some(named));
        assert_eq!(shown["generation"], applied["generation"]);
        self.run(&["plan", "--detailed-exitcode"], 0, &["nothing to do"]);
        shown
    }
}

fn of_task<'v>(shown: &'v Value, name: &str) -> &'v Value {
    let all = shown["tasks"].as_array().expect("tasks");
    all.iter().find(|task| task["task"] == name).unwrap_or_else(|| panic!("no {name} in {shown}"))
}

#[test]
fn what_is_shown_is_applied_and_then_nothing_is_left_to_do() {
    let dir = folder();
    let place = Place { dir: dir.path(), more: Vec::new() };
    place.write(&[]);
    let begins =
        ["+ fraud.transactions.events.v1  4 partitions", "+ fraud.predictions.v1", "+ validator", "tidemill apply"];
    place.run(&["plan"], 0, &begins);
    let silent = ["the gateway at http://127.0.0.1:1 does not answer"];
    let answer = place.run(&["plan", "--gateway", "127.0.0.1:1"], 3, &silent);
    assert_eq!(answer, "", "nothing is shown of a log that was not seen");
    place.run(&["apply", "--gateway", "127.0.0.1:1"], 3, &silent);
    assert!(!dir.path().join(".tidemill").exists(), "looking makes nothing");
    assert_eq!(place.apply_as_shown(&[])["topics"].as_array().map(Vec::len), Some(23));

    // Chosen modes, and a source that grows.
    let label = "topic: fraud.labels.events.v1";
    let grown = format!("{label}\n    partitions: 6");
    place.write(&[(label, &grown), ("pipeline: fraud\n", "pipeline: fraud\ncompatibility: FULL\n")]);
    place.run(&["plan"], 0, &["^ fraud.labels.events.v1  4 -> 6 partitions", "mode FULL_TRANSITIVE -> FULL"]);
    let shown = place.apply_as_shown(&[]);
    assert_eq!(shown["parents"], serde_json::json!(["fraud.journal.log.g1"]));
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

    // Other windows of the monitor: what it counted is counted again.
    place.write(&[("    window: 1d\n", "    window: 2d\n")]);
    let shown = place.json(&["plan", "--detailed-exitcode"], 0);
    let monitor = of_task(&shown, "monitor.features");
    assert_eq!(monitor["state"], "rebuilt");
    assert!(monitor["records_again"].as_i64() > Some(0) && monitor["bytes_again"].as_i64() > Some(0), "{monitor}");
    assert_eq!(of_task(&shown, "featurizer.customer")["state"], "kept");
    place.run(&["plan"], 0, &["~ monitor.features  state is built again from", "KiB"]);

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

#[test]
fn plans_are_compared_with_a_real_cluster() {
    let Some(kafka) = tests::kafka::kafka() else { return };
    let dir = folder();
    let place = Place { dir: dir.path(), more: vec!["--brokers", kafka.brokers()] };
    let own = [
        ("pipeline: fraud\n", "pipeline: shown\n"),
        ("fraud.transactions.", "shown.transactions."),
        ("fraud.labels.", "shown.labels."),
        ("fraud.alerts.", "shown.alerts."),
    ];
    place.write(&own);
    assert_eq!(place.apply_as_shown(&[])["topics"].as_array().map(Vec::len), Some(23));
    let label = "topic: shown.labels.events.v1";
    let grown = format!("{label}\n    partitions: 6");
    place.write(&[&own[..], &[(label, &grown)]].concat());
    assert_eq!(place.apply_as_shown(&[])["parents"], serde_json::json!(["shown.journal.log.g1"]));
    place.write(&[&own[..], &[("\npartitions: 4", "\npartitions: 5")]].concat());
    place.run(
        &["plan"],
        2,
        &["shown.predictions.v1 has 4 partitions and not 5", "tidemill repartition --partitions 5"],
    );
    place.write(&own);
    assert_eq!(place.apply_as_shown(&["--rebuild"])["generation"], 2);
    settings_and_leftovers(&place, kafka.brokers());
}

/// How topics keep their records is put right, and what operators set besides stays; leftovers go.
fn settings_and_leftovers(place: &Place, brokers: &str) {
    let log = runtime::kafka::Kafka::connect(brokers, &Default::default()).expect("a cluster");
    let told =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let (internal, results) = ("shown.journal.log.g2", "shown.predictions.v1");
    log.set_settings(internal, &told(&[("retention.ms", "3600000"), ("segment.ms", "60000")])).expect("set");
    log.set_settings(results, &told(&[("retention.ms", "3600000"), ("cleanup.policy", "compact")])).expect("set");
    let shown = place.apply_as_shown(&[]);
    let change = |at: usize| (shown["settings"][at]["topic"].clone(), shown["settings"][at]["setting"].clone());
    let expected = [(internal.into(), "retention.ms".into()), (results.into(), "cleanup.policy".into())];
    let mut found = [change(0), change(1)];
    found.sort_by_key(|(topic, _)| topic.to_string());
    assert_eq!(found, expected);
    assert_eq!(
        shown["settings"].as_array().map(Vec::len),
        Some(2),
        "how long results are kept is their readers' matter"
    );
    let settings = log.settings(&[internal, results]).expect("an answer");
    assert_eq!((&*settings[0]["retention.ms"], &*settings[1]["cleanup.policy"]), ("-1", "delete"));
    assert_eq!(settings[1]["retention.ms"], "3600000", "what was not to be changed stays");

    let topics = || -> Vec<String> {
        let all = log.topics().expect("an answer").into_iter();
        all.filter(|name| name.starts_with("shown.") && name.ends_with(".g1")).collect()
    };
    let before = topics();
    let applied = place.json(&["apply", "--delete-left-behind"], 0);
    assert_eq!(applied["topics_deleted"], Value::from(before));
    assert_eq!(topics(), [""; 0]);
}

#[test]
fn another_store_than_that_of_the_logs_is_told() {
    let dir = folder();
    let place = Place { dir: dir.path(), more: Vec::new() };
    place.write(&[]);
    const TOLD: &str = "and this store knows nothing of them";
    let said = place.run(&["apply"], 0, &[]) + &place.run(&["plan"], 0, &["nothing to do"]);
    assert!(!said.contains(TOLD), "{said}");
    // Schemas are in the store, too, so that the logs cannot be read.
    place.run(&["plan", "--store", "elsewhere"], 1, &[TOLD, "two pipelines need two names"]);
    place.run(&["apply", "--store", "elsewhere"], 1, &[TOLD]);
    place.run(&["plan"], 0, &["nothing to do"]);
}
