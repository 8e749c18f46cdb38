//! Settings in layers: each layer wins over those below it, mistakes are said with their place, secrets are hidden, and a
//! protected profile asks.

use std::io::Write;
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use super::{check, command, folder, lines, text};

const FILE: &str = "\
gather: 20ms
backlog: 7
poll_records: 8
brokers: everywhere:9092
profiles:
  dev:
  prod:
    protected: true
    backlog: 70
    poll_records: 80
    token: geheim
    kafka: { sasl.username: ada, sasl.password: ge;heim }
    schema_registry: https://ada:geheim@registry:8081/v7
";

/// A folder with a settings file.
fn with(file: &str) -> tempfile::TempDir {
    let dir = folder();
    std::fs::write(dir.path().join("tidemill.yaml"), file).expect("a file");
    dir
}

/// The settings as the program shows them, with variables and options.
fn shown(dir: &Path, variables: &[(&str, &str)], options: &[&str]) -> Value {
    let args = [&["settings", "--output", "json"][..], options].concat();
    let output = command(dir, &args).envs(variables.iter().copied()).output().expect("the binary runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
    lines(&text(&output.stdout)).remove(0)
}

/// Value and layer of one of them.
fn one(shown: &Value, name: &str) -> (String, String) {
    let all = shown["settings"].as_array().expect("settings");
    let found = all.iter().find(|one| one["setting"] == name).unwrap_or_else(|| panic!("no {name}: {shown}"));
    let value = found["value"].as_str().unwrap_or("-").to_owned();
    (value, found["where"].as_str().expect("a layer").to_owned())
}

#[track_caller]
fn is(shown: &Value, name: &str, value: &str, origin: &str) {
    assert_eq!(one(shown, name), (value.to_owned(), origin.to_owned()), "{name}");
}

#[test]
fn each_layer_wins_over_those_below() {
    let dir = with(FILE);
    let variables = [("TIDEMILL_POLL_RECORDS", "800"), ("TIDEMILL_SNAPSHOT_INTERVAL", "5s")];
    let all = shown(dir.path(), &variables, &["--profile", "prod", "--snapshot-interval", "3s"]);
    is(&all, "data", ".tidemill", "default");
    is(&all, "store", "-", "default");
    is(&all, "gather", "20ms", "tidemill.yaml:1");
    is(&all, "backlog", "70", "profile prod, tidemill.yaml:9");
    is(&all, "poll_records", "800", "TIDEMILL_POLL_RECORDS");
    is(&all, "snapshot_interval", "3s", "--snapshot-interval");
    // In the order of the help, whichever layer won.
    let names = |shown: &Value| -> Vec<Value> {
        shown["settings"].as_array().expect("settings").iter().map(|one| one["setting"].clone()).collect()
    };
    assert_eq!(names(&all), names(&shown(folder().path(), &[], &[])));
    let help = check(dir.path(), &["settings", "--help"], 0, &[]);
    let places = names(&all).into_iter().map(|name| {
        let option = format!("--{}", name.as_str().expect("a name").replace('_', "-"));
        help.find(&format!(" {option} ")).or_else(|| help.find(&format!(" {option}\n"))).expect("an option")
    });
    assert!(places.is_sorted(), "{help}");
    // One step lower, layer by layer.
    let all = shown(dir.path(), &[], &["--profile", "prod"]);
    is(&all, "poll_records", "80", "profile prod, tidemill.yaml:10");
    is(&all, "snapshot_interval", "10s", "default");
    let all = shown(dir.path(), &[("TIDEMILL_PROFILE", "dev")], &[]);
    is(&all, "poll_records", "8", "tidemill.yaml:3");
    assert_eq!((&all["profile"], &all["protected"]), (&"dev".into(), &false.into()));
    std::fs::remove_file(dir.path().join("tidemill.yaml")).expect("removed");
    is(&shown(dir.path(), &[], &[]), "gather", "10ms", "default");
}

#[test]
fn settings_of_the_file_are_those_that_commands_use() {
    let dir = with("data: here\npipeline: bikes\nprofiles: { far: { data: there, kafka: { a: b } } }\n");
    check(dir.path(), &["apply"], 0, &["pipeline bikes"]);
    assert!(dir.path().join("here/log").is_dir() && !dir.path().join(".tidemill").exists());
    check(dir.path(), &["apply", "--profile", "far"], 2, &["--kafka sets the Kafka client, but no --brokers"]);
    check(dir.path(), &["validate", "--pipeline", "fraud"], 0, &["pipeline fraud"]);
    // Another file, named.
    std::fs::write(dir.path().join("other.yaml"), "pipeline: electricity\n").expect("a file");
    check(dir.path(), &["validate", "--settings", "other.yaml"], 0, &["pipeline electricity"]);
    check(dir.path(), &["validate", "--settings", "none.yaml"], 2, &["cannot read the settings file none.yaml"]);
}

#[test]
fn secrets_are_not_shown() {
    let dir = with(FILE);
    for form in ["text", "json"] {
        let said = check(dir.path(), &["settings", "--profile", "prod", "--output", form], 0, &["***"]);
        assert!(!said.contains("heim"), "{said}");
    }
    let all = shown(dir.path(), &[("TIDEMILL_TOKEN", "geheim")], &["--profile", "prod"]);
    is(&all, "token", "***", "TIDEMILL_TOKEN");
    is(&all, "kafka", "sasl.username=ada; sasl.password=***", "profile prod, tidemill.yaml:12");
    is(&all, "schema_registry", "https://***@registry:8081/v7", "profile prod, tidemill.yaml:13");
    let help = command(dir.path(), &["settings", "--help"]).env("TIDEMILL_TOKEN", "geheim").output().expect("it runs");
    assert!(!text(&help.stdout).contains("geheim"));
}

#[test]
fn mistakes_in_the_file_are_said_at_once_with_their_places() {
    let dir = with(
        "gathr: 20ms\nbacklog: many\noutput: yaml\nbrokers: [a, b]\nstore: 5\nprofiles:\n  prod:\n    protectd: true\n    idle_timeout: 5\n  dev: 5\n",
    );
    let said = [
        "tidemill.yaml:1:1",
        "the settings file has no setting `gathr`",
        "did you mean `gather`?",
        "tidemill.yaml:2:10",
        "`backlog`: invalid digit",
        "`yaml` is no choice for `output`; known: text, json",
        "`brokers` must be a text, not a list",
        "`store` must be a text, not a number",
        "write it between quotes",
        "profile `prod` has no setting `protectd`",
        "did you mean `protected`?",
        "`5` is no length of time",
        "profile `dev` must be a map, not a number",
        "8 problems in tidemill.yaml",
    ];
    check(dir.path(), &["settings"], 2, &said);
    let json = check(dir.path(), &["validate", "--output", "json"], 2, &[]);
    let problems = lines(&json).remove(0);
    assert_eq!((&problems["problems"][0]["code"], &problems["problems"][0]["line"]), (&"TM0002".into(), &1.into()));
    let broken = with("data: here\n  gather: 10ms\n");
    check(broken.path(), &["settings"], 2, &["not valid YAML", "tidemill.yaml:2"]);
    check(with("").path(), &["settings"], 0, &["settings file: tidemill.yaml"]);
}

#[test]
fn an_unknown_profile_is_refused_with_what_was_meant() {
    let dir = with(FILE);
    check(
        dir.path(),
        &["settings", "--profile", "prd"],
        2,
        &["no profile `prd` in tidemill.yaml", "did you mean `prod`?"],
    );
    check(dir.path(), &["settings", "--profile", "staging"], 2, &["it has dev, prod"]);
    check(with("gather: 1ms").path(), &["settings", "--profile", "prod"], 2, &["it has none"]);
    check(folder().path(), &["settings", "--profile", "prod"], 2, &["there is no settings file", "--settings"]);
}

/// Where somebody types: both ends of a terminal.
fn terminal() -> (std::fs::File, Stdio) {
    let (mut ours, mut theirs) = (0, 0);
    // SAFETY: two places for descriptors, and no name, mode or size.
    let opened = unsafe {
        libc::openpty(&mut ours, &mut theirs, std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut())
    };
    assert_eq!(opened, 0, "a terminal");
    // SAFETY: both were just opened, and nobody else has them.
    let (ours, theirs) = unsafe { (OwnedFd::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) };
    (ours.into(), theirs.into())
}

/// What a command ends with when this is typed.
fn typed(dir: &Path, args: &[&str], answer: &str) -> (Option<i32>, String) {
    let (mut keyboard, input) = terminal();
    keyboard.write_all(answer.as_bytes()).expect("typed");
    let output = command(dir, args).stdin(input).output().expect("the binary runs");
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn a_protected_profile_asks_before_it_destroys() {
    let dir = with("profiles:\n  dev: {}\n  prod: { protected: true }\n");
    let dir = dir.path();
    check(dir, &["apply", "--profile", "prod"], 0, &["generation 1"]);
    let rebuild = ["apply", "--rebuild", "--profile", "prod"];
    // Nobody is there to be asked.
    check(dir, &rebuild, 2, &["profile prod is protected", "begins a new generation", "nothing was done", "--yes"]);
    let (exit, said) = typed(dir, &rebuild, "y\n");
    assert_eq!(exit, Some(2), "{said}");
    assert!(said.contains("Type prod to go on:") && said.contains("nothing was done"), "{said}");
    check(dir, &["plan"], 0, &["generation 1"]);
    let (exit, said) = typed(dir, &rebuild, "prod\n");
    assert_eq!(exit, Some(0), "{said}");
    assert!(said.contains("generation 2"), "{said}");
    check(dir, &[&rebuild[..], &["--yes"]].concat(), 0, &["generation 3"]);
    check(dir, &["apply", "--rebuild", "--profile", "dev"], 0, &["generation 4"]);
}

#[test]
fn every_command_that_destroys_is_asked_about() {
    let dir = with("profiles: { prod: { protected: true } }\n");
    let destroying: &[&[&str]] = &[
        &["apply", "--rebuild"],
        &["apply", "--delete-left-behind"],
        &["compact", "--delete-older-than", "1h"],
        &["repartition", "--partitions", "8"],
        &["repartition", "--withdraw"],
        &["repair"],
        &["retain"],
        &["model", "promote", "fraud"],
        &["train", "--promote"],
        &["demo", "--fresh", "--keep", "kept"],
    ];
    for args in destroying {
        check(dir.path(), &[*args, &["--profile", "prod"]].concat(), 2, &["profile prod is protected"]);
    }
    assert!(!dir.path().join(".tidemill").exists(), "nothing was done");
    let output = command(dir.path(), &["repair", "--dry-run", "--profile", "prod"]).output().expect("it runs");
    assert!(!text(&output.stderr).contains("is protected"), "what only looks is not asked about");
}
