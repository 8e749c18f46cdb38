//! `tidemill compact` as a user meets it: few files in place of many, the same rows whoever dies when, and a list of files
//! for tools that read Parquet.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;

use crate::models::{json, quick};
use crate::{check, command, folder, lines, text, transactions};

/// What a tool reads from the files that are named: how many, and each row's offset and bytes of its value, in order.
fn read(dir: &Path, topic: &str) -> (usize, Vec<String>) {
    let listed = check(dir, &["compact", topic, "--files"], 0, &[]);
    let mut rows = Vec::new();
    let of_topic = format!("/topic={topic}/");
    let files: Vec<&str> = listed.lines().filter(|file| file.contains(&of_topic)).collect();
    for file in &files {
        for batch in offline::table::read(Path::new(file)).expect("a file that is named is there") {
            let offsets = batch["_offset"].as_primitive::<Int64Type>().clone();
            let partition = file.split("partition=").nth(1).and_then(|rest| rest.split('/').next()).expect("a number");
            let row = |row: usize| {
                let cells = batch.columns().iter().map(|column| format!("{:?}", column.slice(row, 1)));
                let cells: String = cells.collect();
                format!("{partition} {} {cells}", offsets.value(row))
            };
            rows.extend((0..batch.num_rows()).map(row));
        }
    }
    (files.len(), rows)
}

/// A pipeline whose archive has several small files of each topic.
fn archived(dir: &Path) -> String {
    let file = transactions(dir);
    let file = file.to_str().expect("a path");
    let up = ["up", "--drain", "--idle-timeout", "300ms", "--listen", "127.0.0.1:0", "--publish", file];
    for _ in 0..3 {
        check(dir, &up, 0, &[]);
    }
    let topics = lines(&check(dir, &["compact", "--files", "--output", "json"], 0, &[]));
    let events = topics.iter().filter_map(|row| row["topic"].as_str()).find(|topic| topic.contains("transactions"));
    events.expect("events are archived").to_owned()
}

#[test]
fn small_files_become_few_and_old_ones_go_when_they_are_told_to() {
    let dir = folder();
    let topic = archived(dir.path());
    let (before, rows) = read(dir.path(), &topic);
    assert!(before >= 6 && rows.len() >= 120, "{before} files, {} rows", rows.len());
    check(dir.path(), &["compact", "no.such.topic"], 2, &["no topic that is meant is archived in"]);

    let said = lines(&check(dir.path(), &["compact", "--output", "json"], 0, &[]))[0].clone();
    let ours = said.as_array().expect("rows").iter().filter(|row| row["topic"] == topic.as_str());
    let (files, merged) = ours.fold((0, 0), |(files, merged), row| {
        assert_eq!((&row["outcome"], &row["generation"], &row["deleted"]), (&"compacted".into(), &1.into(), &0.into()));
        (files + row["files"].as_u64().unwrap_or(0), merged + row["merged_files"].as_u64().unwrap_or(0))
    });
    assert_eq!(files as usize, before);
    let (after, same) = read(dir.path(), &topic);
    assert_eq!((after as u64, same), (merged, rows.clone()));

    // A second call finds nothing to merge and says so in one line.
    let json = lines(&check(dir.path(), &["compact", "--output", "json"], 0, &[]))[0].clone();
    let all = json.as_array().expect("rows");
    let waiting: u64 = all.iter().filter_map(|row| row["waiting"].as_u64()).sum();
    assert!(all.len() > 1 && waiting > 0 && all.iter().all(|row| row["outcome"] == "unneeded"), "{json}");
    let fine = format!("nothing to do in {0} of {0} partitions", all.len());
    let expected = format!("{fine}; {waiting} merged files there stay until --delete-older-than\n");
    assert_eq!(check(dir.path(), &["compact"], 0, &[]), expected);

    check(dir.path(), &["compact", &topic, "--delete-older-than", "1h"], 0, &["WAITING", "ORPHANS"]);
    let folder = dir.path().join(".tidemill/store/archive").join(format!("topic={topic}"));
    let left = || {
        let partitions = std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        let files = partitions.flat_map(|partition| std::fs::read_dir(partition).expect("a folder"));
        files.filter(|entry| entry.as_ref().expect("an entry").path().extension().is_some()).count()
    };
    assert_eq!(left(), before, "nothing is deleted within the hour");
    check(dir.path(), &["compact", &topic, "--delete-older-than", "0s"], 0, &[]);
    assert_eq!(left(), 0);
    let said = check(dir.path(), &["compact", &topic, "--delete-older-than", "0s"], 0, &["nothing to do in"]);
    assert!(said.lines().count() == 1 && !said.contains("WAITING"), "{said}");
    assert_eq!(read(dir.path(), &topic).1, rows);

    // Services go on behind what was merged, and the ledger counts the archive as before.
    let file = transactions(dir.path());
    let file = file.to_str().expect("a path");
    let up = ["up", "--drain", "--idle-timeout", "300ms", "--listen", "127.0.0.1:0", "--publish", file];
    check(dir.path(), &up, 0, &[]);
    let (_, more) = read(dir.path(), &topic);
    assert_eq!(more.len(), rows.len() / 3 * 4);
    check(dir.path(), &["ledger", "verify", "--offline"], 0, &[]);
}

#[test]
fn a_dataset_that_is_named_gives_the_same_model_after_its_files_were_merged() {
    let dir = folder();
    let dir = dir.path();
    quick(dir);
    for (days, file) in [("1-9", "a.parquet"), ("10-17", "b.parquet")] {
        check(dir, &["demo", "--export", file, "--days", days], 0, &[]);
        let up = ["up", "--drain", "--idle-timeout", "300ms", "--listen", "127.0.0.1:0", "--pipeline", "quick.yaml"];
        let labels = ["--publish", file, "--label-column", "TX_FRAUD", "--label-delay", "7d"];
        check(dir, &[&up[..], &labels].concat(), 0, &[]);
    }
    let first = json(dir, &["train"]);
    let dataset = first["dataset"]["digest"].as_str().expect("a digest");
    let merged = json(dir, &["compact", "--files-min", "2"]);
    let is_merged = |row: &serde_json::Value| row["outcome"] == "compacted";
    assert!(merged.as_array().is_some_and(|rows| rows.iter().any(is_merged)), "{merged}");
    json(dir, &["compact", "--delete-older-than", "0s"]);
    let again = json(dir, &["train", "--dataset", &dataset[..9]]);
    assert_eq!((&again["dataset"]["digest"], &again["digest"]), (&first["dataset"]["digest"], &first["digest"]));
    assert_eq!(again["version"], 1, "it is the same version");
}

#[test]
fn a_kill_at_any_place_leaves_every_row_once() {
    let dir = folder();
    let topic = archived(dir.path());
    let (before, rows) = read(dir.path(), &topic);
    let compact = ["compact", &topic, "--delete-older-than", "0s"];
    for place in ["compact.written", "compact.checked", "compact.committed", "compact.deleted"] {
        let mut killed = command(dir.path(), &compact);
        let output = killed.env("TIDEMILL_FAILPOINT", format!("kill {place} 1")).output().expect("the binary runs");
        assert_eq!(output.status.signal(), Some(9), "{place}: {}", text(&output.stderr));
        let (files, same) = read(dir.path(), &topic);
        assert_eq!(same, rows, "{place}");
        assert!(files <= before, "{place}: {files} files");
    }
    // What the dead ones left is told, and gone after one run that commits.
    let said = lines(&check(dir.path(), &[&compact[..], &["--output", "json"]].concat(), 0, &[]))[0].clone();
    let orphans: u64 = said.as_array().expect("rows").iter().filter_map(|row| row["orphans"].as_u64()).sum();
    let partitions = rows.iter().filter_map(|row| row.split(' ').next()).collect::<BTreeSet<_>>().len();
    assert_eq!(read(dir.path(), &topic), (partitions, rows));
    assert!(orphans > 0, "{said}");
    let folder = dir.path().join(".tidemill/store/compacted").join(format!("topic={topic}"));
    let mut pending = vec![folder];
    let mut files = 0;
    while let Some(at) = pending.pop() {
        for entry in std::fs::read_dir(at).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            match entry.is_dir() {
                true => pending.push(entry),
                false => files += usize::from(entry.extension().is_some_and(|extension| extension == "parquet")),
            }
        }
    }
    assert_eq!(files, partitions, "one merged file for each partition, and no orphan");
}
