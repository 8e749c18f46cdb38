//! The registry between processes, and its client against a real schema registry.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use registry::decisions::{Decisions, Verdict};
use registry::schemas::{Compatibility, ConfluentRegistry, FileRegistry};
use registry::store::Store;
use schemas::registry::{RegisterError, SchemaRegistry};
use tests::apicurio::Apicurio;

/// Decisions that the processes race for.
const DECISIONS: i64 = 150;
/// Tells a child process where the registry lies.
const CHILD_DIR: &str = "TIDEMILL_TEST_REGISTRY_DIR";

/// Not a test of its own: the body of a process that decides, started by the test below.
#[test]
fn a_deciding_process() {
    let Some(dir) = std::env::var_os(CHILD_DIR) else { return };
    let store = Store::local(Path::new(&dir)).expect("a store");
    let decisions = Decisions::new(store.clone());
    let schemas = FileRegistry::new(store);
    let mine = Verdict::Reject { code: "UNKNOWN_SCHEMA".to_owned(), detail: std::process::id().to_string() };
    for offset in 0..DECISIONS {
        let Verdict::Reject { detail, .. } = decisions.verdict("t", 0, offset, &mine).expect("a verdict") else {
            panic!("nobody accepts");
        };
        let schema = format!(r#"{{"type":"fixed","name":"F{}","size":4}}"#, offset / 10);
        let id = schemas.register(&format!("s{}", offset / 10), &schema).expect("an id");
        writeln!(std::io::stdout(), "decided {offset} {detail} {id}").expect("a listening parent");
    }
}

fn spawn_decider(dir: &Path) -> Child {
    let binary = std::env::current_exe().expect("this binary");
    Command::new(binary)
        .args(["--exact", "registry::a_deciding_process", "--nocapture"])
        .env(CHILD_DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child process")
}

fn decided(lines: impl Iterator<Item = std::io::Result<String>>) -> impl Iterator<Item = String> {
    lines.map_while(Result::ok).filter(|line| line.starts_with("decided"))
}

#[test]
fn processes_agree_on_decisions_even_when_one_is_killed() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut children: Vec<Child> = (0..3).map(|_| spawn_decider(dir.path())).collect();
    let output = children[0].stdout.take().expect("its output");
    let victims: Vec<String> = decided(BufReader::new(output).lines()).take(40).collect();
    children[0].kill().expect("a running or ended child");
    children[0].wait().expect("an ended child");
    let survivors: Vec<Vec<String>> = children
        .split_off(1)
        .into_iter()
        .map(|child| {
            let output = child.wait_with_output().expect("an ended child");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
            decided(output.stdout.lines()).collect()
        })
        .collect();
    assert_eq!(survivors[0].len(), usize::try_from(DECISIONS).expect("small"));
    assert_eq!(survivors[0], survivors[1]);
    assert_eq!(victims, survivors[0][..victims.len()]);
}

fn record(fields: &str) -> String {
    format!(r#"{{"type":"record","name":"R","namespace":"tidemill.test","fields":[{fields}]}}"#)
}

/// What both registries must do alike.
fn behaves_like_a_registry(registry: &dyn SchemaRegistry, subject: &str) {
    let id_only = record(r#"{"name":"id","type":"long"}"#);
    let with_note = record(r#"{"name":"id","type":"long"},{"name":"note","type":["null","string"],"default":null}"#);
    assert_eq!(registry.latest(subject).expect("an answer"), None);
    let one = registry.register(subject, &id_only).expect("an id");
    assert_eq!(registry.register(subject, &id_only).expect("an id"), one);
    let two = registry.register(subject, &with_note).expect("an id");
    assert_ne!(one, two);
    let (latest, text) = registry.latest(subject).expect("an answer").expect("a schema");
    assert_eq!(latest, two);
    let same = |a: &str, b: &str| {
        let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("json");
        parse(a) == parse(b)
    };
    assert!(same(&text, &with_note), "{text}");
    let by_id = registry.by_id(one).expect("an answer").expect("a schema");
    assert!(same(&by_id, &id_only), "{by_id}");
    assert_eq!(registry.by_id(987_654).expect("an answer"), None);

    let incompatible = record(r#"{"name":"id","type":"long"},{"name":"amount","type":"double"}"#);
    let refused = registry.register(subject, &incompatible).expect_err("a refusal");
    assert!(matches!(refused, RegisterError::Incompatible { .. }), "{refused}");
    let refused = registry.register(subject, r#"{"type":"recrod"}"#).expect_err("a refusal");
    assert!(matches!(refused, RegisterError::Invalid { .. }), "{refused}");
}

/// What both registries must say of a subject's rule, and do.
fn keeps_to_the_rule_that_is_set(registry: &dyn SchemaRegistry, subject: &str) {
    let id_only = record(r#"{"name":"id","type":"long"}"#);
    let with_amount = record(r#"{"name":"id","type":"long"},{"name":"amount","type":"double"}"#);
    assert_eq!(registry.refusal(subject, &id_only, None).expect("an answer"), None, "there is nothing to agree with");
    assert!(registry.history(subject).expect("an answer").is_empty());
    registry.set_rule(subject, Compatibility::Backward).expect("a rule");
    registry.register(subject, &id_only).expect("an id");
    let refusal = registry.refusal(subject, &with_amount, None).expect("an answer").expect("a refusal");
    let said = (refusal.rule, refusal.version, refusal.breach.field.as_deref());
    assert_eq!(said, (Compatibility::Backward, 1, Some("amount")));
    let refused = registry.register(subject, &with_amount).expect_err("a refusal");
    assert!(matches!(refused, RegisterError::Incompatible { .. }), "{refused}");
    for mode in Compatibility::ALL {
        registry.set_rule(subject, mode).expect("a rule");
        assert_eq!(registry.rule(subject).expect("an answer"), Some(mode));
        let takes = [Compatibility::None, Compatibility::Forward, Compatibility::ForwardTransitive].contains(&mode);
        let chosen = registry.refusal(subject, &with_amount, Some(mode)).expect("an answer");
        assert_eq!(chosen.is_none(), takes, "{mode}");
        assert_eq!(registry.refusal(subject, &with_amount, None).expect("an answer"), chosen, "{mode}");
    }
    registry.set_rule(subject, Compatibility::Forward).expect("a rule");
    registry.register(subject, &with_amount).expect("an id");
    assert_eq!(registry.history(subject).expect("an answer").len(), 2);
    let before = registry.refusal(subject, &id_only, Some(Compatibility::FullTransitive));
    assert_eq!(before.expect("an answer"), None, "what is there may come again");
}

#[test]
fn the_file_registry_behaves_like_a_registry() {
    let registry = FileRegistry::new(Store::memory());
    behaves_like_a_registry(&registry, "a.events.v1-value");
    keeps_to_the_rule_that_is_set(&registry, "rules.events.v1-value");
}

#[test]
fn a_real_registry_is_spoken_to_and_its_end_is_noticed() {
    let Some(mut server) = Apicurio::start() else { return };
    let client = ConfluentRegistry::new(server.url()).expect("a url");
    let subject = "a.events.v1-value";
    let any = record(r#"{"name":"id","type":"long"}"#);
    assert_eq!(client.incompatibility("none-value", &any).expect("an answer"), None);
    for subject in [subject, "b-value"] {
        client.set_rule(subject, Compatibility::FullTransitive).expect("a rule");
    }
    client.register("b-value", &any).expect("an id");
    let incompatible = record(r#"{"name":"id","type":"string"}"#);
    assert!(client.incompatibility("b-value", &incompatible).expect("an answer").is_some());
    assert_eq!(client.incompatibility("b-value", &any).expect("an answer"), None);

    let known = client.register("c-value", r#""long""#).expect("an id");
    assert!(client.by_id(known).expect("an answer").is_some());
    behaves_like_a_registry(&client, subject);
    keeps_to_the_rule_that_is_set(&client, "rules.events.v1-value");

    let url = server.url().to_owned();
    server.stop();
    assert!(client.by_id(known).expect("what is known needs no server").is_some());
    let message = client.by_id(987_655).expect_err("a server that is down").message;
    assert!(message.contains(&url) && message.contains("did not answer"), "{message}");
}
