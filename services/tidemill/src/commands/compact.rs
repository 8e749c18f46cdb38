//! `tidemill compact`: few large files in place of many small ones.

use offline::archive::{self, Archive, Compaction, Swept};
use registry::store::Store;
use runtime::embedded::system_clock;
use runtime::failpoint::{self, COMPACT_CHECKED, COMPACT_COMMITTED, COMPACT_DELETED, COMPACT_WRITTEN};
use serde_json::{Value, json};

use crate::cli::Global;
use crate::cli::compact::Compact;
use crate::environment::open_store;
use crate::error::Error;
use crate::output::{Output, note, table};
use crate::rehearsal;

/// Whose the places are where a test lets the command die.
const PLACES_OF: &str = "compact";

/// What became of one partition.
struct Row {
    topic: String,
    partition: i32,
    compaction: Compaction,
    swept: Swept,
}

impl Row {
    /// Whether nothing was done, and nothing is left to be done by a call that deletes what is old, or by one that does
    /// not.
    fn is_fine(&self, deletes: bool) -> bool {
        let Swept { merged, waiting, orphans } = self.swept;
        let waiting = if deletes { waiting } else { 0 };
        self.compaction == Compaction::Unneeded && merged + waiting + orphans == 0
    }
}

pub fn run(global: &Global, output: Output, options: &Compact) -> Result<(), Error> {
    rehearsal::arm()?;
    let store = open_store(global)?;
    let archive = Archive::new(store.clone());
    let topics: Vec<String> = archive.topics()?.into_iter().filter(|topic| options.means(topic)).collect();
    if topics.is_empty() {
        let place = store.place();
        return Err(Error::Input(format!(
            "no topic that is meant is archived in {place}; run the archiver, or name the place with --data or --store"
        )));
    }
    if options.files {
        return files(global, output, &store, &archive, &topics);
    }
    let mut rows = Vec::new();
    for topic in topics {
        for partition in archive.partitions(&topic)? {
            rows.push(one(&archive, &topic, partition, options)?);
        }
    }
    output.show(|| text(&rows, options.delete_older_than.is_some()), || rows.iter().map(value).collect())?;
    let lost = rows.iter().filter(|row| row.compaction == Compaction::Lost).count();
    if lost > 0 {
        note(&format!(
            "{lost} partitions were compacted by somebody else at the same time; run it again for what is left"
        ));
    }
    Ok(())
}

fn one(archive: &Archive, topic: &str, partition: i32, options: &Compact) -> Result<Row, Error> {
    let mut watch = |step: archive::Step| {
        failpoint::pass(place(step), PLACES_OF);
        Ok(())
    };
    let now_ms = system_clock()();
    let compaction = archive.compact(topic, partition, &options.options(), now_ms, &mut watch)?;
    let swept = archive.sweep(topic, partition, options.delete_older_than, now_ms, &mut watch)?;
    Ok(Row { topic: topic.to_owned(), partition, compaction, swept })
}

fn place(step: archive::Step) -> &'static str {
    match step {
        archive::Step::Written => COMPACT_WRITTEN,
        archive::Step::Checked => COMPACT_CHECKED,
        archive::Step::Committed => COMPACT_COMMITTED,
        archive::Step::Deleted => COMPACT_DELETED,
    }
}

/// Names the files of some topics, as other tools take them.
fn files(global: &Global, output: Output, store: &Store, archive: &Archive, topics: &[String]) -> Result<(), Error> {
    let place = match (store.local_dir(), &global.store) {
        (Some(dir), _) => dir.display().to_string(),
        (None, Some(url)) => url.trim_end_matches('/').to_owned(),
        (None, None) => store.place(),
    };
    for topic in topics {
        for file in archive.files(topic)? {
            let path = format!("{place}/{}", file.key);
            output.show(
                || path.clone(),
                || {
                    json!({ "file": path, "topic": file.topic, "partition": file.partition,
                        "start": file.start, "end": file.end, "rows": file.rows })
                },
            )?;
        }
    }
    Ok(())
}

/// The partitions for which there is something to do, done or waited for, and a line about all others.
fn text(rows: &[Row], deletes: bool) -> String {
    let (fine, touched): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.is_fine(deletes));
    let mut text = String::new();
    if !touched.is_empty() {
        let headings = ["TOPIC", "PARTITION", "FILES", "INTO", "ROWS", "BYTES", "NOW", "DELETED", "WAITING", "ORPHANS"];
        text = table(&headings, &touched.into_iter().map(cells).collect::<Vec<_>>());
    }
    if !fine.is_empty() {
        text.push_str(&format!("nothing to do in {} of {} partitions", fine.len(), rows.len()));
        let waiting: usize = fine.iter().map(|row| row.swept.waiting).sum();
        if waiting > 0 {
            text.push_str(&format!("; {waiting} merged files there stay until --delete-older-than"));
        }
    }
    text
}

fn cells(row: &Row) -> Vec<String> {
    let mut cells = vec![row.topic.clone(), row.partition.to_string()];
    match &row.compaction {
        Compaction::Done(merged) => {
            let counts =
                [merged.files as u64, merged.merged_files as u64, merged.rows, merged.bytes, merged.merged_bytes];
            cells.extend(counts.map(|count| count.to_string()));
        }
        Compaction::Unneeded => cells.extend(["-"; 5].map(str::to_owned)),
        Compaction::Lost => cells.extend(["lost", "-", "-", "-", "-"].map(str::to_owned)),
    }
    let Swept { merged, waiting, orphans } = row.swept;
    cells.extend([merged, waiting, orphans].map(|count| count.to_string()));
    cells
}

fn value(row: &Row) -> Value {
    let (outcome, merged) = match &row.compaction {
        Compaction::Done(merged) => ("compacted", Some(merged)),
        Compaction::Unneeded => ("unneeded", None),
        Compaction::Lost => ("lost", None),
    };
    json!({
        "topic": row.topic, "partition": row.partition, "outcome": outcome,
        "generation": merged.map(|merged| merged.generation),
        "files": merged.map(|merged| merged.files), "merged_files": merged.map(|merged| merged.merged_files),
        "rows": merged.map(|merged| merged.rows),
        "bytes": merged.map(|merged| merged.bytes), "merged_bytes": merged.map(|merged| merged.merged_bytes),
        "deleted": row.swept.merged, "waiting": row.swept.waiting, "orphans": row.swept.orphans,
    })
}
