//! Records that are older than declared go from the embedded log and stay in the archive; on Kafka brokers are told.

use std::path::Path;

use runtime::log::Log;
use serde_json::Value;

use super::{check, command, folder, lines, shipped, transactions};

const RETENTION: &str = "retention: { results: 1s, rejected: 1s }\n";

fn write(dir: &Path, more: &str) {
    let text = shipped().replace("ordering: arrival", "ordering: event_time") + more;
    std::fs::write(dir.join("pipeline.yaml"), text).expect("a file");
}

/// How many records of a topic are deleted, and how many are left.
fn bounds(dir: &Path, topic: &str) -> (i64, i64) {
    let listed = lines(&check(dir, &["topics", "--output", "json"], 0, &[])).remove(0);
    let of = listed.as_array().and_then(|all| all.iter().find(|one| one["topic"] == topic));
    let number = |name: &str| of.and_then(|one: &Value| one[name].as_i64()).unwrap_or_else(|| panic!("{topic} {name}"));
    (number("deleted"), number("records"))
}

#[test]
fn old_records_go_by_themselves_or_by_hand_and_the_archive_keeps_them() {
    let dir = folder();
    let dir = dir.path();
    write(dir, "");
    let file = transactions(dir);
    let publish = ["--publish", file.to_str().expect("a path"), "--label-column", "TX_FRAUD"];
    let up = ["up", "--drain", "--idle-timeout", "300ms", "--listen", "127.0.0.1:0", "--retention-interval", "200ms"];
    check(dir, &["retain"], 2, &["there is no log in"]);
    check(dir, &[&up[..], &publish].concat(), 0, &[]);
    let outcomes = "fraud.outcomes.v1";
    let (deleted, kept) = bounds(dir, outcomes);
    assert!(deleted == 0 && kept >= 40, "nothing is declared: {deleted}, {kept}");
    check(dir, &["retain", "outcomes"], 2, &["no topic that has a retention or is compacted is meant"]);
    check(dir, &["retain"], 0, &["nothing is beyond its topic's retention"]);

    write(dir, RETENTION);
    check(dir, &["retain", "--brokers", "127.0.0.1:1"], 2, &["brokers delete", "`tidemill apply` tells them"]);
    check(dir, &["retain", "no.such.topic"], 2, &["`tidemill topics` lists all"]);
    check(dir, &["retain", "outcomes", "--dry-run"], 0, &[outcomes, "nothing was deleted"]);
    assert_eq!(bounds(dir, outcomes), (0, kept));
    check(dir, &["retain", "outcomes"], 0, &[outcomes, "NEEDED BY"]);
    assert_eq!(bounds(dir, outcomes), (kept, 0));
    check(dir, &["retain", "outcomes"], 0, &["nothing is beyond its topic's retention"]);
    let read = check(dir, &["tap", outcomes, "--from", "0"], 0, &["begins at offset", "in the archive"]);
    assert_eq!(read, "", "and nothing is shown in place of it");

    // The same while services run.
    let more = dir.join("more.csv");
    let text = std::fs::read_to_string(&file).expect("the file");
    let (head, rows) = text.split_once('\n').expect("rows");
    let later: Vec<String> = rows.lines().map(|row| format!("10{}", row.replace("2024-05", "2024-06"))).collect();
    std::fs::write(&more, format!("{head}\n{}\n", later.join("\n"))).expect("a file");
    let publish = ["--publish", more.to_str().expect("a path"), "--label-column", "TX_FRAUD"];
    check(dir, &[&up[..], &publish].concat(), 0, &["records beyond the topic's retention are deleted"]);
    let (deleted, left) = bounds(dir, outcomes);
    assert!(deleted > kept && left == 0, "{deleted} of {kept} and as many again");
    let count = check(dir, &["sql", "select count(*) as n from \"fraud.outcomes.v1\"", "--output", "json"], 0, &[]);
    assert_eq!(lines(&count)[0]["n"], deleted, "the archive has them all");
    check(dir, &["ledger", "verify", "--offline"], 0, &["everything agrees"]);

    // A query of the topic says what it does not see, and where that is.
    let gone = [
        "note: offsets ",
        " of partition 0",
        "of fraud.outcomes.v1 are deleted",
        "the table outcomes has what was archived",
    ];
    for part in ["'outcomes'", "'outcomes', 0", "'outcomes', -1", "'outcomes', '2000-01-01'"] {
        let told =
            check(dir, &["sql", &format!("select count(*) as n from topic({part})"), "--output", "json"], 0, &gone);
        assert_eq!(lines(&told)[0]["n"], 0, "{part}");
    }
    for part in ["'outcomes', 'end'", "'transactions'"] {
        let asked = command(dir, &["sql", &format!("select count(*) from topic({part})")]).output().expect("it runs");
        let said = String::from_utf8_lossy(&asked.stderr).into_owned();
        assert!(asked.status.success() && !said.contains("deleted"), "{part}: {said}");
    }
}

#[test]
fn a_rebuild_says_which_sources_are_cut() {
    let dir = folder();
    let dir = dir.path();
    write(dir, "");
    let file = transactions(dir);
    let up = ["up", "--drain", "--idle-timeout", "300ms", "--listen", "127.0.0.1:0"];
    check(dir, &[&up[..], &["--publish", file.to_str().expect("a path")]].concat(), 0, &[]);
    let log = runtime::embedded::Embedded::open(dir.join(".tidemill/log")).expect("the log");
    let source = "fraud.transactions.events.v1";
    let tp = runtime::log::TopicPartition::new(source, 0);
    let (_, end) = log.watermarks(&tp).expect("bounds");
    log.delete_records(&tp, end).expect("deleted");
    drop(log);
    let said = format!("! {source}  its first {end} records are deleted, and nothing is computed of them");
    check(dir, &["plan", "--rebuild"], 0, &[&said]);
    assert!(!check(dir, &["plan"], 0, &[]).contains(source), "who goes on does not need them");
}

#[test]
fn brokers_are_told_how_long_records_are_kept() {
    let Some(kafka) = tests::kafka::kafka() else { return };
    let dir = folder();
    let write = |retention: &str| {
        let text = shipped().replace("pipeline: fraud\n", "pipeline: keeping\n");
        let text = ["transactions", "labels", "alerts"]
            .iter()
            .fold(text, |text, topic| text.replace(&format!("fraud.{topic}."), &format!("keeping.{topic}.")));
        std::fs::write(dir.path().join("pipeline.yaml"), text + retention).expect("a file");
    };
    let run = |args: &[&str], exit: i32, said: &[&str]| {
        check(dir.path(), &[args, &["--brokers", kafka.brokers()]].concat(), exit, said)
    };
    let log = runtime::kafka::Kafka::connect(kafka.brokers(), &Default::default()).expect("a cluster");
    let topics = [
        "keeping.transactions.events.v1",
        "keeping.journal.log.g1",
        "keeping.predictions.v1",
        "keeping.alerts.v1",
        "keeping.transactions.events.v1.late",
    ];
    let kept = || -> Vec<String> {
        let settings = log.settings(&topics).expect("an answer");
        settings.iter().map(|of| format!("{} {}", of["retention.ms"], of["retention.bytes"])).collect()
    };
    write("retention: { logs: { time: 7d, bytes: 1GiB }, results: 30d }\n");
    run(
        &["plan"],
        0,
        &["+ keeping.predictions.v1  4 partitions, kept for 30d", "kept for 7d, at most 1.0 GiB a partition"],
    );
    run(&["apply"], 0, &[]);
    assert_eq!(kept(), ["-1 -1", "604800000 1073741824", "2592000000 -1", "-1 -1", "-1 -1"]);
    run(&["plan", "--detailed-exitcode"], 0, &["nothing to do"]);

    // Other words; what is not declared any more stays for results and sources, and logs go back to for ever.
    write("retention: { sources: 100d, rejected: { time: 14d } }\n");
    let shown = [
        "^ keeping.transactions.events.v1  retention.ms -1 -> 8640000000",
        "^ keeping.journal.log.g1  retention.ms 604800000 -> -1",
        "^ keeping.journal.log.g1  retention.bytes 1073741824 -> -1",
        "^ keeping.transactions.events.v1.late  retention.ms -1 -> 1209600000",
    ];
    let plan = run(&["plan", "--detailed-exitcode"], 6, &shown);
    assert!(!plan.contains("predictions"), "{plan}");
    run(&["apply"], 0, &["^ keeping.journal.log.g1 has retention.ms -1 now, and had 604800000"]);
    assert_eq!(kept(), ["8640000000 -1", "-1 -1", "2592000000 -1", "-1 -1", "1209600000 -1"]);
    run(&["plan", "--detailed-exitcode"], 0, &["nothing to do"]);

    // `forever` is a declaration, too.
    write("retention: { results: forever, rejected: 14d, sources: 100d }\n");
    run(&["plan"], 0, &["^ keeping.predictions.v1  retention.ms 2592000000 -> -1"]);
    run(&["apply"], 0, &[]);
    assert_eq!(kept()[2], "-1 -1");
    run(&["retain"], 2, &["brokers delete"]);
}
