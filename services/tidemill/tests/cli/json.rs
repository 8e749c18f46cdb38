//! `--output json` of every command: one walk through all of them, in an order in which each has something to work on.
//! What is printed are lines of JSON; what goes wrong is told as one.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use super::models::quick;
use super::{Running, command, folder, lines, text, tidemill, transactions, wait_for};

/// Stands for the id of a dead letter.
const LETTER: &str = "LETTER";

/// Each command with its arguments and what it ends with.
const CALLS: &[(&str, &[&str], i32)] = &[
    ("init", &["mine"], 0),
    ("test", &["mine/pipeline.test.yaml", "--pipeline", "mine/pipeline.yaml"], 0),
    ("validate", &[], 0),
    ("validate", &["--pipeline", "nowhere.yaml"], 2),
    ("graph", &[], 0),
    ("asyncapi", &[], 0),
    ("schema", &[], 0),
    ("schema", &["--reference"], 0),
    ("settings", &[], 0),
    ("explain", &[], 0),
    ("explain", &["TM0002"], 0),
    ("completions", &["bash"], 0),
    ("man", &["pages"], 0),
    ("token", &["me", "--role", "read"], 0),
    ("health", &["--gateway", "127.0.0.1:1"], 3),
    ("demo", &["--export", "a.parquet", "--days", "1-17"], 0),
    ("features compute", &["a.parquet", "--out", "f.parquet"], 0),
    ("dataset build", &["--file", "f.parquet"], 0),
    ("train", &["--file", "f.parquet"], 0),
    ("evaluate", &["fraud@1", "--file", "f.parquet"], 0),
    ("score", &["fraud@1", "f.parquet", "--out", "s.parquet"], 0),
    ("model list", &[], 0),
    ("model show", &["fraud"], 0),
    ("plan", &["--detailed-exitcode"], 6),
    ("apply", &[], 0),
    ("plan", &[], 0),
    ("model promote", &["fraud", "1", "--without-readiness"], 0),
    ("rules check", &["transactions.csv"], 2),
    ("publish", &["transactions.csv", "--label-column", "TX_FRAUD"], 0),
    ("label", &["--event", "3", "--value", "true"], 0),
    ("run", &["validator", "--drain", "--idle-timeout", "500ms"], 0),
    ("up", &["--drain", "--idle-timeout", "500ms", "--listen", "127.0.0.1:0"], 0),
    ("tap", &["features.log", "--limit", "3"], 0),
    ("topics", &[], 0),
    ("sql", &["select 1 as one"], 0),
    ("sql", &["select one"], 2),
    ("compact", &["--files-min", "2"], 0),
    ("compact", &["--files"], 0),
    ("retain", &["--dry-run"], 0),
    ("snapshot list", &[], 0),
    ("snapshot show", &[], 0),
    ("snapshot verify", &[], 0),
    ("snapshot restore", &[], 0),
    ("ledger verify", &[], 0),
    ("ledger show", &["3"], 0),
    ("dlq list", &[], 0),
    ("dlq show", &[LETTER], 0),
    ("repair", &["--dry-run"], 0),
    ("repartition", &["--partitions", "8"], 0),
    ("dlq retry", &["--all", "--dry-run"], 0),
    ("dlq retry", &["--all"], 0),
    ("bench pipeline", &["--transactions", "300", "--idle-timeout", "500ms", "--pipeline", "fraud"], 0),
    ("bench recovery", &["--keys", "1000", "--snapshot-interval", "500ms", "--pipeline", "fraud"], 0),
];

/// Those that need somebody to ask.
const ASKING: &[(&str, &[&str], i32)] =
    &[("health", &[], 0), ("health", &["--ready"], 0), ("top", &["--once", "--interval", "300ms"], 0)];

/// All commands that do something, by the manual pages that there are: a page per command of the command line.
fn commands(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir.join("pages")).expect("a folder").map(|page| {
        let page = page.expect("an entry").file_name().into_string().expect("text");
        page.strip_suffix(".1").expect("a page").to_owned()
    });
    let names: Vec<String> = names.collect();
    let has_more = |name: &str| names.iter().any(|other| other.starts_with(&format!("{name}-")));
    let mut found: Vec<String> = names.iter().filter(|name| !has_more(name)).map(|name| name.to_owned()).collect();
    found.sort();
    found.iter().map(|name| name.strip_prefix("tidemill-").expect("a command").replace('-', " ")).collect()
}

/// Calls a command, and returns what it printed.
#[track_caller]
fn call(dir: &Path, (name, args, exit): &(&str, &[&str], i32)) -> Vec<Value> {
    let letter = || {
        let listed = lines(&text(&tidemill(dir, &["dlq", "list", "--output", "json"]).stdout)).remove(0);
        listed["letters"][0]["id"].as_str().expect("a letter").to_owned()
    };
    let args: Vec<String> = args.iter().map(|&arg| if arg == LETTER { letter() } else { arg.to_owned() }).collect();
    let mut all: Vec<&str> = name.split(' ').collect();
    all.extend(args.iter().map(String::as_str));
    all.extend(["--output", "json"]);
    let output = tidemill(dir, &all);
    let (said, told) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(*exit), "{all:?}: {said}{told}");
    let mut found = Vec::new();
    for line in said.lines() {
        found
            .push(serde_json::from_str(line).unwrap_or_else(|error| panic!("{all:?} prints no JSON, {error}: {line}")));
    }
    if found.is_empty() && *exit != 0 {
        let last = told.lines().last().unwrap_or_default();
        let error: Value = serde_json::from_str(last).unwrap_or_else(|_| panic!("{all:?} tells no JSON: {told}"));
        assert!(error["error"]["message"].is_string() && error["error"]["kind"].is_string(), "{all:?}: {error}");
        found.push(error);
    }
    assert!(!found.is_empty(), "{all:?} prints nothing: {told}");
    found
}

#[test]
fn every_command_speaks_json() {
    let dir = folder();
    let dir = dir.path();
    quick(dir);
    std::fs::rename(dir.join("quick.yaml"), dir.join("pipeline.yaml")).expect("a pipeline");
    let csv = transactions(dir);
    // One that a rule rejects.
    let rows = std::fs::read_to_string(&csv).expect("a file") + "40,2024-05-11 00:00:00,0,0,-1.0,0\n";
    std::fs::write(csv, rows).expect("a file");
    for row in CALLS {
        call(dir, row);
    }
    let mut tried: Vec<&str> = CALLS.iter().chain(ASKING).map(|(name, ..)| *name).collect();
    tried.sort_unstable();
    tried.dedup();
    assert_eq!(commands(dir), tried, "every command is called here");
    let up = command(dir, &["up", "--listen", "127.0.0.1:0"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let _up = Running(up.expect("the binary runs"));
    wait_for(&dir.join(".tidemill/gateway"));
    for row in ASKING {
        call(dir, row);
    }
}

#[test]
fn a_command_line_that_cannot_be_read_is_told_as_json_too() {
    let dir = folder();
    let wrong: [(&str, &[&str], i32); 3] = [("frobnicate", &[], 2), ("tap", &[], 2), ("plan", &["--frobnicate"], 2)];
    for row in &wrong {
        let told = call(dir.path(), row).remove(0);
        let message = told["error"]["message"].as_str().expect("text");
        assert!(!message.starts_with("error:") && message.contains("--help"), "{told}");
    }
    let asked = command(dir.path(), &["frobnicate"]).env("TIDEMILL_OUTPUT", "json").output().expect("it runs");
    assert!(serde_json::from_slice::<Value>(&asked.stderr).is_ok());
    assert!(text(&tidemill(dir.path(), &["plan", "--help", "--output", "json"]).stdout).contains("Usage"));
}

#[test]
fn what_shells_and_editors_read_is_in_it() {
    let dir = folder();
    let dir = dir.path();
    let script = call(dir, &("completions", &["zsh"], 0)).remove(0);
    assert_eq!(script["shell"], "zsh");
    let printed = text(&tidemill(dir, &["completions", "zsh"]).stdout);
    assert_eq!(script["script"].as_str().map(str::trim_end), Some(printed.trim_end()));
    let reference = call(dir, &("schema", &["--reference"], 0)).remove(0);
    let printed = text(&tidemill(dir, &["schema", "--reference"]).stdout);
    assert_eq!(reference["reference"].as_str().map(str::trim_end), Some(printed.trim_end()));
}
