//! A full disk: `up` stops with an exit code of its own and says where and what to do; with room it goes on, and what comes
//! out is what comes out where nothing happened.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use tests::disk::SmallDisk;

use crate::{check, folder, lines, shipped};

/// Events: more than the room that is left takes.
const EVENTS: usize = 4_000;
/// Size of the small disk; the log of all events fits well.
const DISK_BYTES: usize = 64 << 20;
/// Of the room that the work takes, so much is there: one part in this many.
const LEFT_DIVISOR: u64 = 3;
/// What the system says.
const NO_ROOM: &str = "No space left on device";

/// Events of forty customers, a minute apart, and the pipeline that takes them in their order.
fn prepare(dir: &Path) {
    let mut csv = String::from("TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD\n");
    for id in 0..EVENTS {
        let (day, hour, minute) = (1 + id / 1_440, id / 60 % 24, id % 60);
        let (customer, terminal, fraud) = (id * 7 % 40, id * 3 % 11, u8::from(id % 50 == 0));
        csv +=
            &format!("{id},2024-05-{day:02} {hour:02}:{minute:02}:00,{customer},{terminal},{}.25,{fraud}\n", id % 97);
    }
    std::fs::write(dir.join("events.csv"), csv).expect("a file");
    // In order of arrival, results would depend on which of the four partitions is read first.
    let ordered = shipped().replace("ordering: arrival", "ordering: event_time");
    std::fs::write(dir.join("pipeline.yaml"), ordered).expect("a file");
}

const UP: [&str; 6] = ["up", "--drain", "--idle-timeout", "500ms", "--listen", "127.0.0.1:0"];

fn publish(dir: &Path, exit: i32, said: &[&str]) {
    check(dir, &["publish", "events.csv", "--label-column", "TX_FRAUD"], exit, said);
}

/// What was computed of each event, and each label's outcome.
fn results(dir: &Path) -> BTreeMap<String, (Value, Value)> {
    let id = |line: &Value| line["event"]["transaction_id"].to_string();
    let features = lines(&check(dir, &["tap", "features.log"], 0, &[]));
    assert_eq!(features.len(), EVENTS, "each event has its features once");
    let outcomes = lines(&check(dir, &["tap", "outcomes"], 0, &[]));
    let labels: Vec<Value> = outcomes.into_iter().collect();
    assert_eq!(labels.len(), EVENTS, "each label has its outcome once");
    let label = |id: &str| {
        let found = labels.iter().find(|line| line["event_id"].as_str() == Some(id.trim_matches('"')));
        found.map_or(Value::Null, |line| line["label"].clone())
    };
    features.iter().map(|line| (id(line), (line["features"].clone(), label(&id(line))))).collect()
}

fn bytes(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry"));
    let size = |entry: std::fs::DirEntry| match entry.file_type().expect("a type").is_dir() {
        true => bytes(&entry.path()),
        false => entry.metadata().map_or(0, |metadata| metadata.len()),
    };
    entries.map(size).sum()
}

#[test]
fn a_full_disk_stops_up_with_its_own_code_and_the_results_are_those_of_a_run_without_it() {
    let (calm, harmed) = (folder(), folder());
    let Some(disk) = SmallDisk::mount(&harmed.path().join(".tidemill"), DISK_BYTES) else { return };
    [calm.path(), harmed.path()].into_iter().for_each(prepare);
    publish(calm.path(), 0, &[]);
    let published = bytes(&calm.path().join(".tidemill"));
    check(calm.path(), &UP, 0, &["everything is committed"]);
    let room = (bytes(&calm.path().join(".tidemill")) - published) / LEFT_DIVISOR;
    let expected = results(calm.path());

    // Everything is acknowledged while there is room; the work then takes more than there is.
    publish(harmed.path(), 0, &[]);
    disk.fill();
    disk.leave(room);
    let path = disk.folder().canonicalize().expect("a path").display().to_string();
    let told = [NO_ROOM, "free some room there and start again"];
    let said = |exit: i32| {
        let output = crate::tidemill(harmed.path(), &UP);
        let all = crate::text(&output.stdout) + &crate::text(&output.stderr);
        assert_eq!(output.status.code(), Some(exit), "{all}");
        all
    };
    for _ in 0..2 {
        let all = said(7);
        let last = all.lines().rfind(|line| line.starts_with("error: ")).unwrap_or_default();
        assert!(told.iter().all(|part| last.contains(part)), "{all}");
        assert!(last.contains(".tidemill/") || last.contains(&path), "it names the place: {last}");
    }
    // What is sent to a disk without room is not acknowledged.
    // The first command cuts what the last write left half done, and that makes room.
    check(harmed.path(), &["topics"], 0, &[]);
    disk.refill();
    publish(harmed.path(), 7, &told);

    disk.empty();
    let all = said(0);
    assert!(all.contains("everything is committed"), "{all}");
    assert_eq!(results(harmed.path()), expected);
    check(harmed.path(), &["ledger", "verify"], 0, &["everything agrees"]);
    check(harmed.path(), &["snapshot", "verify"], 0, &[]);
    check(harmed.path(), &["compact"], 0, &[]);
}
