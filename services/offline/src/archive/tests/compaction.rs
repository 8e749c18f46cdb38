//! Tests of compaction: readers see each row once, before, while and after files are merged, whoever dies when.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::*;
use crate::archive::{CompactOptions, Compaction, Merged, Step, Swept, generation};

/// Larger than all files of a test together.
const ALL: CompactOptions = CompactOptions { target_bytes: 1 << 30, files_min: 2 };
/// A grace period of a second.
const GRACE: Option<Duration> = Some(Duration::from_secs(1));

/// Every row of the topic as it is read, in the tools' own words.
fn rows(archive: &Archive) -> Vec<String> {
    let mut rows = Vec::new();
    for part in archive.read(TOPIC, &Selection::default()).unwrap() {
        let part = part.unwrap();
        for row in 0..part.rows.num_rows() {
            let cells = part.rows.columns().iter().map(|column| format!("{:?}", column.slice(row, 1)));
            rows.push(format!("{} {}", part.partition, cells.collect::<String>()));
        }
    }
    rows
}

fn compact_at(archive: &Archive, now_ms: i64) -> Compaction {
    archive.compact(TOPIC, 0, &ALL, now_ms, &mut |_| Ok(())).unwrap()
}

fn sweep_at(archive: &Archive, grace: Option<Duration>, now_ms: i64) -> Swept {
    archive.sweep(TOPIC, 0, grace, now_ms, &mut |_| Ok(())).unwrap()
}

#[track_caller]
fn merged(compaction: Compaction) -> Merged {
    match compaction {
        Compaction::Done(merged) => merged,
        other => panic!("{other:?}"),
    }
}

/// Appends offsets and makes a file after every `each`.
fn fill(archive: &Archive, offsets: std::ops::Range<i64>, each: i64) {
    let mut writer = archive.writer(TOPIC, 0, offsets.start).unwrap();
    for offset in offsets {
        assert_eq!(append(&mut writer, offset, 2), Outcome::Kept);
        if offset % each == each - 1 {
            flush(&mut writer);
        }
    }
}

#[test]
fn small_files_become_one_with_the_same_rows_and_the_archive_goes_on() {
    let store = Store::memory();
    let archive = Archive::new(store.clone());
    fill(&archive, 0..40, 4);
    let (before, origins) = (rows(&archive), archive.files(TOPIC).unwrap());
    let done = merged(compact_at(&archive, 0));
    assert_eq!((done.generation, done.files, done.merged_files, done.rows), (1, 10, 1, 80));
    assert!(done.merged_bytes < done.bytes, "{done:?}");

    let files = archive.files(TOPIC).unwrap();
    assert_eq!(files.len(), 1);
    let file = &files[0];
    assert_eq!((file.start, file.end, file.rows, file.numbers.as_str()), (0, 40, 80, r#"{"after":39}"#));
    assert_eq!(file.schema, note("s1"));
    let expected: Vec<_> =
        origins.iter().map(|file| (file.start, file.end, archive.origins(file).unwrap().remove(0).sha256)).collect();
    let stands_for = archive.origins(file).unwrap();
    assert_eq!(stands_for.into_iter().map(|o| (o.start, o.end, o.sha256)).collect::<Vec<_>>(), expected);
    assert_eq!(rows(&archive), before);
    assert_eq!(compact_at(&archive, 0), Compaction::Unneeded);

    // The archiver's files stay for readers in flight, and go once the grace period is over.
    let readers = archive.read(TOPIC, &Selection::default()).unwrap();
    assert_eq!(sweep_at(&archive, None, 999), Swept { waiting: 10, ..Swept::default() });
    assert_eq!(sweep_at(&archive, GRACE, 999), Swept { waiting: 10, ..Swept::default() });
    assert_eq!(readers.map(|part| part.unwrap().rows.num_rows()).sum::<usize>(), 80);
    assert_eq!(sweep_at(&archive, GRACE, 1_000), Swept { merged: 10, ..Swept::default() });
    assert_eq!(sweep_at(&archive, GRACE, 1_000), Swept::default());
    assert_eq!(rows(&archive), before);
    assert!(!store.list("archive").unwrap().iter().any(|key| key.ends_with(".parquet")));

    // The next writer goes on behind, with the numbers of the last file that was merged.
    let resume = archive.writer(TOPIC, 0, 0).unwrap().resume();
    assert_eq!((resume.offset, resume.numbers.as_deref()), (40, Some(r#"{"after":39}"#)));
    fill(&archive, 40..48, 4);
    let done = merged(compact_at(&archive, 2_000));
    assert_eq!((done.generation, done.files, done.merged_files), (2, 3, 1));
    assert_eq!(archive.origins(&archive.files(TOPIC).unwrap()[0]).unwrap().len(), 12);
    assert_eq!(positions(&archive, &Selection::default()).len(), 96);
    assert_eq!(rows(&archive)[..80], before);
    assert_eq!(sweep_at(&archive, GRACE, 3_000), Swept { merged: 3, ..Swept::default() });
    assert_eq!(generation::numbers(&store, TOPIC, 0).unwrap(), [2]);
}

#[test]
fn a_reader_in_flight_goes_on_in_the_generation_it_began_with() {
    let archive = three_files(&Store::memory());
    let before = rows(&archive);
    let mut parts = archive.read(TOPIC, &Selection::default()).unwrap();
    let first = parts.next().unwrap().unwrap().rows.num_rows();
    merged(compact_at(&archive, 5_000));
    assert_eq!(sweep_at(&archive, GRACE, 5_999).merged, 0, "the grace period is that of the last generation");
    assert_eq!(first + parts.map(|part| part.unwrap().rows.num_rows()).sum::<usize>(), before.len());
}

#[test]
fn neighbours_of_another_schema_and_large_files_stay_apart() {
    let archive = Archive::new(Store::memory());
    let mut writer = archive.writer(TOPIC, 0, 0).unwrap();
    for offset in 0..12 {
        let digest = if (4..8).contains(&offset) { "s2" } else { "s1" };
        assert_eq!(append_rows(&mut writer, offset, &record_rows(offset, 2), digest).unwrap(), Outcome::Kept);
        if offset % 2 == 1 {
            flush(&mut writer);
        }
    }
    // Fewer columns under the same schema, then a file that is large enough.
    let narrower = record_rows(12, 2).project(&[0, 1, 2, 3]).unwrap();
    assert_eq!(append_rows(&mut writer, 12, &narrower, "s1").unwrap(), Outcome::Kept);
    assert_eq!(append(&mut writer, 13, 20_000), Outcome::Kept);
    flush(&mut writer);
    let before = rows(&archive);
    let large = archive.store.size(&file_key(TOPIC, 0, 13)).unwrap();
    let options = CompactOptions { target_bytes: large, files_min: 2 };
    let done = merged(archive.compact(TOPIC, 0, &options, 0, &mut |_| Ok(())).unwrap());
    assert_eq!((done.files, done.merged_files, done.rows), (6, 3, 24));
    let ranges: Vec<_> = archive.files(TOPIC).unwrap().iter().map(|file| (file.start, file.end)).collect();
    assert_eq!(ranges, [(0, 4), (4, 8), (8, 12), (12, 13), (13, 14)]);
    assert_eq!(rows(&archive), before);
    let three = CompactOptions { files_min: 3, ..ALL };
    assert_eq!(archive.compact(TOPIC, 0, &three, 0, &mut |_| Ok(())).unwrap(), Compaction::Unneeded);
}

/// Lets the work die after some steps.
fn dying(after: usize) -> impl FnMut(Step) -> crate::archive::Result<()> {
    let mut left = after;
    move |_| {
        left = left.checked_sub(1).ok_or(Error::Interrupted)?;
        Ok(())
    }
}

#[test]
fn a_death_at_any_step_leaves_the_old_or_the_new_generation_and_the_next_run_cleans_up() {
    for after in 0.. {
        let store = Store::memory();
        let archive = three_files(&store);
        fill(&archive, 12..20, 4);
        let before = rows(&archive);
        let mut watch = dying(after);
        let died = archive
            .compact(TOPIC, 0, &ALL, 0, &mut watch)
            .and_then(|_| archive.sweep(TOPIC, 0, GRACE, 1_000, &mut watch));
        let generations = generation::numbers(&store, TOPIC, 0).unwrap().len();
        assert_eq!(rows(&archive), before, "after {after} steps");
        let files = archive.files(TOPIC).unwrap().len();
        assert_eq!(files, if generations == 0 { 5 } else { 1 }, "after {after} steps: one or the other");
        match &died {
            Ok(_) => assert!(after > 7, "{after}: one file written, checked, committed, five deleted"),
            Err(error) => assert!(matches!(error, Error::Interrupted), "{error}"),
        }

        // Two more files come, and the next run leaves nothing behind but its own.
        fill(&archive, 20..24, 2);
        let before = rows(&archive);
        merged(compact_at(&archive, 2_000));
        let swept = sweep_at(&archive, GRACE, 3_000);
        assert_eq!(swept.orphans, usize::from(generations == 0 && after < 3), "after {after} steps: {swept:?}");
        assert_eq!(rows(&archive), before, "after {after} steps");
        let left = store.list("").unwrap().iter().filter(|key| key.ends_with(".parquet")).count();
        assert_eq!(left, 1, "after {after} steps");
        if died.is_ok() {
            return;
        }
    }
}

#[test]
fn of_two_compactions_at_once_exactly_one_wins() {
    let dir = tempfile::tempdir().unwrap();
    three_files(&Store::local(dir.path()).unwrap());
    let before = rows(&Archive::new(Store::local(dir.path()).unwrap()));
    let gate = Barrier::new(2);
    let run = || {
        let archive = Archive::new(Store::local(dir.path()).unwrap());
        let mut watch = |step| {
            if step == Step::Checked {
                gate.wait();
            }
            Ok(())
        };
        archive.compact(TOPIC, 0, &ALL, 0, &mut watch).unwrap()
    };
    let outcomes = std::thread::scope(|scope| [scope.spawn(run), scope.spawn(run)].map(|one| one.join().unwrap()));
    let won = outcomes.iter().filter(|outcome| matches!(outcome, Compaction::Done(_))).count();
    let lost = outcomes.iter().filter(|outcome| **outcome == Compaction::Lost).count();
    assert_eq!((won, lost), (1, 1), "{outcomes:?}");
    let store = Store::local(dir.path()).unwrap();
    assert_eq!(store.list("compacted").unwrap().len(), 2, "a generation and its file");
    assert_eq!(rows(&Archive::new(store)), before);
}

#[test]
fn a_reader_in_a_loop_sees_every_row_once_while_files_are_written_and_merged() {
    const RECORDS: i64 = 400;
    let dir = tempfile::tempdir().unwrap();
    let open = || Archive::new(Store::local(dir.path()).unwrap());
    fill(&open(), 0..20, 2);
    let (written, looks) = (AtomicBool::new(false), AtomicBool::new(false));
    let item = |offset: i64, item: i32| (0, offset, item);
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| fill(&open(), 20..RECORDS, 2));
        let merging = scope.spawn(|| {
            let (archive, mut generations) = (open(), 0);
            while !written.load(Ordering::Relaxed) || generations < 3 {
                let files_min = if written.load(Ordering::Relaxed) { 2 } else { 5 };
                let options = CompactOptions { files_min, ..ALL };
                let done = archive.compact(TOPIC, 0, &options, 0, &mut |_| Ok(())).unwrap();
                match done {
                    Compaction::Done(merged) => generations = merged.generation,
                    _ if written.load(Ordering::Relaxed) => break,
                    _ => {}
                }
                sweep_at(&archive, None, 0);
            }
            generations
        });
        let reading = scope.spawn(|| {
            let (archive, mut known) = (open(), 0);
            while !looks.load(Ordering::Relaxed) {
                let seen = positions(&archive, &Selection::default());
                let expected: Vec<_> = (0..seen.len() as i64 / 2).flat_map(|o| [item(o, 0), item(o, 1)]).collect();
                assert_eq!(seen, expected, "each row once, in order, without a hole");
                assert!(seen.len() >= known, "{} rows after {known}", seen.len());
                known = seen.len();
            }
        });
        writing.join().unwrap();
        written.store(true, Ordering::Relaxed);
        let generations = merging.join().unwrap();
        looks.store(true, Ordering::Relaxed);
        reading.join().unwrap();
        assert!(generations > 0, "nothing was merged");
    });
    let expected: Vec<_> = (0..RECORDS).flat_map(|offset| [item(offset, 0), item(offset, 1)]).collect();
    assert_eq!(positions(&open(), &Selection::default()), expected);
}

#[test]
fn a_writer_that_slept_through_merge_and_deletion_goes_on_behind_the_archive() {
    let store = Store::memory();
    let archive = Archive::new(store.clone());
    let mut zombie = archive.writer(TOPIC, 0, 0).unwrap();
    assert_eq!(append(&mut zombie, 0, 2), Outcome::Kept);
    assert_eq!(append(&mut zombie, 1, 2), Outcome::Kept);
    fill(&archive, 0..12, 4);
    merged(compact_at(&archive, 0));
    assert_eq!(sweep_at(&archive, GRACE, 1_000).merged, 3);
    // The name it wants is free again; what it writes there is below the generation, and it takes it back.
    let Outcome::Lost(resume) = zombie.flush().unwrap() else { panic!("it wrote into the past") };
    assert_eq!((resume.offset, resume.numbers.as_deref()), (12, Some(r#"{"after":11}"#)));
    assert!(store.find(&file_key(TOPIC, 0, 0)).unwrap().is_none());
    for offset in 12..14 {
        assert_eq!(append(&mut zombie, offset, 2), Outcome::Kept);
    }
    flush(&mut zombie);
    assert_eq!(positions(&archive, &Selection::default()).len(), 28);
}

#[test]
fn a_maker_of_an_old_number_loses_even_where_that_number_is_free_again() {
    let store = Store::memory();
    let archive = three_files(&store);
    let before = rows(&archive);
    let mut beaten = |step| {
        if step == Step::Checked && generation::numbers(&store, TOPIC, 0).unwrap().is_empty() {
            merged(compact_at(&archive, 0));
            fill(&archive, 12..16, 4);
            merged(compact_at(&archive, 1_000));
            sweep_at(&archive, GRACE, 5_000);
            assert_eq!(generation::numbers(&store, TOPIC, 0).unwrap(), [2]);
        }
        Ok(())
    };
    assert_eq!(archive.compact(TOPIC, 0, &ALL, 0, &mut beaten).unwrap(), Compaction::Lost);
    assert_eq!(rows(&archive)[..before.len()], before);
    assert_eq!(archive.files(TOPIC).unwrap()[0].end, 16);
}

#[test]
fn a_damaged_merged_file_is_told() {
    let store = Store::memory();
    let archive = three_files(&store);
    merged(compact_at(&archive, 0));
    let file = archive.files(TOPIC).unwrap().remove(0);
    let mut bytes = store.get(&file.key).unwrap().to_vec();
    bytes[20] ^= 1;
    store.put(&file.key, &bytes).unwrap();
    check_refused(archive.origins(&file), &[&file.key, "not those that its name promises"]);
    store.put(&generation::key(TOPIC, 0, 1), b"{}").unwrap();
    check_refused(archive.files(TOPIC), &["generations/0000000001.json", "is no file of this archive"]);
}

#[test]
fn whatever_is_written_merged_swept_and_interrupted_the_rows_are_those_of_the_log() {
    for seed in 0..40 {
        let archive = Archive::new(Store::memory());
        let mut state: u64 = seed;
        // A linear congruential generator.
        let mut chance = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let (mut next, mut now_ms) = (0, 0);
        for _ in 0..60 {
            now_ms += 400;
            match chance(4) {
                0 | 1 => {
                    let mut writer = archive.writer(TOPIC, 0, 0).unwrap();
                    assert_eq!(writer.resume().offset, next, "seed {seed}");
                    for _ in 0..=chance(3) {
                        let digest = if chance(8) == 0 { "s2" } else { "s1" };
                        let rows = record_rows(next, 1 + usize::try_from(next % 3).unwrap());
                        assert_eq!(append_rows(&mut writer, next, &rows, digest).unwrap(), Outcome::Kept);
                        next += 1;
                    }
                    flush(&mut writer);
                }
                2 => {
                    let options = CompactOptions { target_bytes: 4_000 + chance(40_000), files_min: 2 };
                    let done = archive.compact(TOPIC, 0, &options, now_ms, &mut dying(chance(12) as usize));
                    assert!(matches!(done, Ok(_) | Err(Error::Interrupted)), "seed {seed}: {done:?}");
                }
                _ => {
                    let swept = archive.sweep(TOPIC, 0, GRACE, now_ms, &mut dying(chance(6) as usize));
                    assert!(matches!(swept, Ok(_) | Err(Error::Interrupted)), "seed {seed}: {swept:?}");
                }
            }
            let rows = |offset: i64| (0..=i32::try_from(offset % 3).unwrap()).map(move |item| (0, offset, item));
            let expected: Vec<_> = (0..next).flat_map(rows).collect();
            assert_eq!(positions(&archive, &Selection::default()), expected, "seed {seed}");
        }
    }
}
