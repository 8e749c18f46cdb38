//! What `plan` shows is what `apply` does, and after that there is nothing to do.

use std::collections::BTreeMap;
use std::path::Path;

use registry::schemas::FileRegistry;
use registry::store::Store;
use runtime::log::Log;
use schemas::registry::value_subject;
use serde_json::Value;

use super::{check, folder, lines, shipped};

pub const FILE: [&str; 2] = ["--pipeline", "own.yaml"];

/// A place with a pipeline file of its own, which changes.
pub struct Place<'a> {
    pub dir: &'a Path,
    pub more: Vec<&'a str>,
}

impl Place<'_> {
    /// The shipped pipeline with other words.
    pub fn write(&self, replace: &[(&str, &str)]) {
        let mut text = shipped().replace("ordering: arrival", "ordering: event_time");
        for (from, to) in replace {
            assert!(text.contains(from), "the file says {from:?}");
            text = text.replace(from, to);
        }
        std::fs::write(self.dir.join("own.yaml"), text).expect("a file");
    }

    #[track_caller]
    pub fn run(&self, args: &[&str], exit: i32, said: &[&str]) -> String {
        check(self.dir, &[args, &FILE, &self.more].concat(), exit, said)
    }

    #[track_caller]
    pub fn json(&self, args: &[&str], exit: i32) -> Value {
        lines(&self.run(&[args, &["--output", "json"]].concat(), exit, &[])).remove(0)
    }

    /// Ids of the versions of every subject that the registry has.
    fn versions(&self) -> BTreeMap<String, Vec<u32>> {
        let place = self.dir.join(".tidemill/store");
        if !place.exists() {
            return BTreeMap::new();
        }
        let registry = FileRegistry::new(Store::local(&place).expect("the store"));
        let of = |subject: String| {
            let versions = registry.versions(&subject).expect("versions");
            (subject, versions)
        };
        registry.subjects().expect("subjects").into_iter().map(of).collect()
    }

    /// Applies what is shown, and sees that it was that and all.
    #[track_caller]
    pub fn apply_as_shown(&self, rebuild: &[&str]) -> Value {
        let shown = self.json(&[&["plan", "--detailed-exitcode"], rebuild].concat(), 6);
        let before = self.versions();
        let applied = self.json(&[&["apply"], rebuild].concat(), 0);
        versions_as_shown(&shown["schemas"], before, &self.versions());
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

/// Each schema that was shown is its subject's next version, and no other subject has gained one.
#[track_caller]
fn versions_as_shown(shown: &Value, before: BTreeMap<String, Vec<u32>>, after: &BTreeMap<String, Vec<u32>>) {
    let mut expected: BTreeMap<String, usize> =
        before.iter().map(|(subject, versions)| (subject.clone(), versions.len())).collect();
    for schema in shown.as_array().expect("schemas") {
        let count = expected.entry(value_subject(schema["topic"].as_str().expect("a topic"))).or_default();
        *count += 1;
        assert_eq!(schema["version"], *count, "{schema}");
    }
    let found: BTreeMap<String, usize> =
        after.iter().map(|(subject, versions)| (subject.clone(), versions.len())).collect();
    assert_eq!(found, expected, "versions of each subject");
    for (subject, versions) in before {
        assert!(after[&subject].starts_with(&versions), "versions of {subject} that were there stay");
    }
}

pub fn of_task<'v>(shown: &'v Value, name: &str) -> &'v Value {
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
    let shown = place.apply_as_shown(&[]);
    assert_eq!(shown["topics"].as_array().map(Vec::len), Some(23));
    assert!(shown["schemas"].as_array().is_some_and(|all| all.len() > 10), "{shown}");

    // Chosen modes, and a source that grows.
    let label = "topic: fraud.labels.events.v1";
    let grown = format!("{label}\n    partitions: 6");
    place.write(&[(label, &grown), ("pipeline: fraud\n", "pipeline: fraud\ncompatibility: FULL\n")]);
    place.run(&["plan"], 0, &["^ fraud.labels.events.v1  4 -> 6 partitions", "mode FULL_TRANSITIVE -> FULL"]);
    let shown = place.apply_as_shown(&[]);
    assert_eq!(shown["parents"], serde_json::json!(["fraud.journal.log.g1"]));
    assert_eq!(shown["schemas"], serde_json::json!([]), "all that are needed are registered");

    // Events with one more field that may be missing.
    let schema = schemas::contracts::avro("fraud/Transaction.avsc").expect("a schema");
    let more = r#", {"name": "channel", "type": ["null", "string"], "default": null}"#;
    let end = schema.rfind(']').expect("fields");
    std::fs::write(dir.path().join("Own.avsc"), [&schema[..end], more, &schema[end..]].concat()).expect("a file");
    place.write(&[(label, &grown), ("fraud/Transaction.avsc", "Own.avsc")]);
    let events = serde_json::json!({ "topic": "fraud.transactions.events.v1", "version": 2 });
    let shown = place.apply_as_shown(&["--rebuild"]);
    assert!(shown["schemas"].as_array().is_some_and(|all| all.contains(&events)), "{shown}");
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
