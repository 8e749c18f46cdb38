//! Tests of datasets: only what was known counts, order does not, and the digest names the rows.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int8Array, Int32Array, Int64Array, RecordBatch, StringArray,
    StructArray, TimestampMicrosecondArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, Fields, Float64Type, TimestampMicrosecondType};
use registry::store::Store;

use super::{
    Dataset, Error, FeatureColumns, Input, Known, LabelColumns, Manifest, Recipe, Source, Unlabelled, build, find,
    newest_label_us, save, saved,
};
use crate::archive::{Archive, CompactOptions, Compaction, Outcome, Record, SchemaNote, positioned};
use crate::table;

const DAY_US: i64 = 86_400_000_000;

fn write(dir: &Path, name: &str, columns: Vec<(&str, ArrayRef)>) -> PathBuf {
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap();
    let path = dir.join(name);
    table::write(&path, batch.schema(), &[batch]).unwrap();
    path
}

/// Events 1 to 4 on days 1 to 4; event 3 stands there twice.
fn features(dir: &Path) -> Source {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("tx", Arc::new(Int64Array::from(vec![3, 1, 3, 2, 4]))),
        ("at", Arc::new(TimestampMicrosecondArray::from_iter_values([3, 1, 3, 2, 4].map(|day| day * DAY_US)))),
        ("card", Arc::new(Int32Array::from(vec![Some(7), Some(8), Some(7), None, Some(9)]))),
        ("amount", Arc::new(Float64Array::from(vec![Some(3.5), Some(1.5), Some(99.0), None, Some(4.5)]))),
        ("night", Arc::new(BooleanArray::from(vec![true, false, true, false, true]))),
    ];
    Source::File(write(dir, "features.parquet", columns))
}

/// (event, label, day known)
fn labels(dir: &Path, rows: &[(&str, i8, i64)]) -> Source {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("event_id", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.0)))),
        ("label", Arc::new(Int8Array::from_iter_values(rows.iter().map(|row| row.1)))),
        ("known", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.2 * DAY_US)))),
    ];
    Source::File(write(dir, "labels.parquet", columns))
}

fn recipe(cutoff_day: i64) -> Recipe {
    Recipe {
        features: FeatureColumns {
            id: "tx".to_owned(),
            time: "at".to_owned(),
            entity: Some("card".to_owned()),
            inputs: vec!["amount".to_owned(), "night".to_owned()],
            categories: Vec::new(),
        },
        labels: LabelColumns {
            id: "event_id".to_owned(),
            target: "label".to_owned(),
            classes: Vec::new(),
            known: Known::Column("known".to_owned()),
        },
        events_us: 0..i64::MAX,
        cutoff_us: cutoff_day * DAY_US,
        unlabelled: Unlabelled::Drop,
        feature_set: "f1".to_owned(),
    }
}

/// id=label of each row, in order.
fn ids(dataset: &Dataset) -> String {
    let (ids, labels) = (dataset.rows["id"].as_string::<i32>(), dataset.rows["label"].as_primitive::<Float64Type>());
    let rows: Vec<String> = (0..ids.len()).map(|row| format!("{}={}", ids.value(row), labels.value(row))).collect();
    rows.join(" ")
}

#[track_caller]
fn check(recipe: &Recipe, label_rows: &[(&str, i8, i64)], expected: &str) -> Dataset {
    let dir = tempfile::tempdir().unwrap();
    let dataset = build(recipe, &features(dir.path()), &labels(dir.path(), label_rows)).unwrap();
    assert_eq!(ids(&dataset), expected);
    dataset
}

#[test]
fn rows_carry_their_columns_in_order_of_time() {
    let all = [("1", 0, 5), ("2", 1, 5), ("3", 0, 5), ("4", 1, 5)];
    let dataset = check(&recipe(9), &all, "1=0 2=1 3=0 4=1");
    assert_eq!(dataset.manifest.columns, ["id", "time", "entity", "amount", "night", "label"]);
    let amounts = dataset.rows["amount"].as_primitive::<Float64Type>();
    assert_eq!(amounts.iter().collect::<Vec<_>>(), [Some(1.5), None, Some(3.5), Some(4.5)]);
    assert_eq!(dataset.rows["night"].as_primitive::<Float64Type>().values(), &[0.0, 0.0, 1.0, 1.0]);
    let entities: Vec<_> = dataset.rows["entity"].as_string::<i32>().iter().flatten().collect();
    assert_eq!(entities, ["8", "", "7", "9"]);
    assert_eq!(dataset.rows["time"].as_primitive::<TimestampMicrosecondType>().value(0), DAY_US);
    let manifest = &dataset.manifest;
    assert_eq!((manifest.rows, manifest.positives, manifest.repeated, manifest.unlabelled), (4, 2, 1, 0));
    assert_eq!((manifest.first_us, manifest.last_us), (Some(DAY_US), Some(4 * DAY_US)));
}

#[test]
fn categories_are_texts_of_whatever_the_column_holds() {
    let all = [("1", 0, 5), ("2", 1, 5), ("3", 0, 5), ("4", 1, 5)];
    let mut with = recipe(9);
    with.features.categories = with.features.inputs.clone();
    let dataset = check(&with, &all, "1=0 2=1 3=0 4=1");
    let texts = |name: &str| {
        dataset.rows[name].as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect::<Vec<_>>()
    };
    let some = |texts: [Option<&str>; 4]| texts.map(|text| text.map(str::to_owned)).to_vec();
    assert_eq!(texts("amount"), some([Some("1.5"), None, Some("3.5"), Some("4.5")]));
    assert_eq!(texts("night"), some([Some("false"), Some("false"), Some("true"), Some("true")]));
    let plain = check(&recipe(9), &all, "1=0 2=1 3=0 4=1");
    assert_ne!(plain.manifest.content, dataset.manifest.content);
    assert_eq!(check(&with, &all, "1=0 2=1 3=0 4=1").digest, dataset.digest, "the same rows again");
    assert!(!plain.manifest.text().contains("categories"), "other datasets keep their digests");
    with.features.inputs.push("at".to_owned());
    with.features.categories.push("at".to_owned());
    let dir = tempfile::tempdir().unwrap();
    let error = build(&with, &features(dir.path()), &labels(dir.path(), &all)).unwrap_err().to_string();
    assert!(error.contains("column `at`") && error.contains("cannot be a category"), "{error}");
}

#[test]
fn a_label_counts_only_if_it_was_known_at_the_cutoff() {
    let rows = [("1", 1, 8), ("2", 1, 9), ("3", 1, 10)];
    let dataset = check(&recipe(9), &rows, "1=1 2=1");
    assert_eq!(dataset.manifest.unlabelled, 2);
    // A correction counts once it is known, wherever it stands in the file.
    let corrected = [("1", 0, 8), ("1", 1, 6), ("2", 1, 6), ("2", 0, 10)];
    check(&recipe(9), &corrected, "1=0 2=1");
    check(&recipe(10), &corrected, "1=0 2=0");
}

#[test]
fn silence_is_a_zero_only_after_the_horizon() {
    let unlabelled = Unlabelled::ZeroAfter { horizon_us: 5 * DAY_US };
    let recipe = Recipe { unlabelled, ..recipe(8) };
    check(&recipe, &[("4", 1, 6), ("1", 1, 9)], "1=0 2=0 3=0 4=1");
    let recipe = Recipe { cutoff_us: 7 * DAY_US, ..recipe };
    check(&recipe, &[("1", 1, 6)], "1=1 2=0");
}

#[test]
fn a_label_may_be_known_a_delay_after_a_time() {
    let known = Known::After { time: "known".to_owned(), delay_us: 7 * DAY_US };
    let mut recipe = recipe(9);
    recipe.labels.known = known;
    check(&recipe, &[("1", 1, 1), ("2", 1, 2), ("3", 1, 3)], "1=1 2=1");
}

#[test]
fn only_wanted_event_times_are_taken() {
    let recipe = Recipe { events_us: 2 * DAY_US..4 * DAY_US, ..recipe(9) };
    check(&recipe, &[("1", 1, 5), ("2", 1, 5), ("3", 1, 5), ("4", 1, 5)], "2=1 3=1");
}

#[test]
fn the_digest_is_stable_and_names_recipe_files_and_rows() {
    let rows = [("1", 0, 5), ("2", 1, 5)];
    let digest = |cutoff, rows: &[_]| {
        let dir = tempfile::tempdir().unwrap();
        build(&recipe(cutoff), &features(dir.path()), &labels(dir.path(), rows)).unwrap().digest
    };
    assert_eq!(digest(9, &rows), digest(9, &rows));
    assert_ne!(digest(9, &rows), digest(10, &rows));
    assert_ne!(digest(9, &rows), digest(9, &[("1", 0, 5), ("2", 1, 6)]));
}

#[test]
fn a_saved_manifest_is_found_by_its_digest() {
    let store = Store::memory();
    let dataset = check(&recipe(9), &[("1", 1, 5)], "1=1");
    assert_eq!(find(&store, &dataset.digest).unwrap(), None);
    for _ in 0..2 {
        assert_eq!(save(&store, &dataset.manifest).unwrap(), dataset.digest);
    }
    assert_eq!(find(&store, &dataset.digest).unwrap(), Some(dataset.manifest.clone()));
    let key = format!("datasets/{}/manifest.json", dataset.digest);
    let forged = dataset.manifest.text().replace("\"rows\":1", "\"rows\":2");
    store.put(&key, forged.as_bytes()).unwrap();
    assert!(matches!(find(&store, &dataset.digest), Err(Error::Manifest { .. })));
}

/// A features log as the archiver keeps it: features in a struct, which is null on what is no event.
fn archived(archive: &Archive, topic: &str, flush_every: i64) -> Source {
    let feature_fields: Fields = vec![Field::new("customer_tx_count_7d", DataType::Float64, true)].into();
    let mut writer = archive.writer(topic, 0, 0).unwrap();
    for offset in 0..6_i64 {
        let counts: ArrayRef = Arc::new(Float64Array::from(vec![Some(offset as f64), None]));
        let nulls = NullBuffer::from(vec![true, offset != 5]);
        let group: ArrayRef = Arc::new(StructArray::new(feature_fields.clone(), vec![counts], Some(nulls)));
        let ids: ArrayRef = Arc::new(StringArray::from(vec![format!("a{offset}"), format!("b{offset}")]));
        let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![offset * DAY_US; 2]).with_timezone("UTC"));
        let columns = RecordBatch::try_from_iter_with_nullable([
            ("id", ids, false),
            ("time", times, false),
            ("features", group, true),
        ]);
        let rows =
            positioned(&columns.unwrap(), Int64Array::from(vec![offset; 2]), Int32Array::from(vec![0, 1]), [offset; 2]);
        let schema = SchemaNote { id: None, digest: "s1".to_owned() };
        let record =
            Record { rows: &rows.unwrap(), next_offset: offset + 1, input_bytes: 10, numbers: "", schema: &schema };
        assert_eq!(writer.append(record).unwrap(), Outcome::Kept);
        if offset % flush_every == 0 {
            assert_eq!(writer.flush().unwrap(), Outcome::Kept);
        }
    }
    assert_eq!(writer.flush().unwrap(), Outcome::Kept);
    Source::Archive { archive: archive.clone(), topic: topic.to_owned(), ranges: None }
}

fn archive_recipe() -> Recipe {
    let mut recipe = recipe(9);
    recipe.features = FeatureColumns {
        id: "id".to_owned(),
        time: "time".to_owned(),
        entity: None,
        inputs: vec!["features.customer_tx_count_7d".to_owned()],
        categories: Vec::new(),
    };
    recipe
}

#[test]
fn an_archived_log_gives_the_features_that_were_served() {
    let dir = tempfile::tempdir().unwrap();
    let archive = Archive::new(Store::memory());
    let source = archived(&archive, "f.log", 2);
    let labels = labels(dir.path(), &[("a1", 1, 5), ("b1", 0, 5), ("a5", 1, 5), ("b5", 1, 5)]);
    let dataset = build(&archive_recipe(), &source, &labels).unwrap();
    assert_eq!(ids(&dataset), "a1=1 b1=0 a5=1");
    let counts = dataset.rows["customer_tx_count_7d"].as_primitive::<Float64Type>();
    assert_eq!(counts.iter().collect::<Vec<_>>(), [Some(1.0), None, Some(5.0)]);
    let Input::Topic { schemas, files, .. } = &dataset.manifest.features else { panic!() };
    assert_eq!((schemas.as_slice(), files.len()), (&["s1".to_owned()][..], 4));
    assert_eq!(dataset.manifest.features.ranges(), BTreeMap::from([(0, 0..6)]));
}

#[test]
fn a_range_of_offsets_gives_the_same_rows_however_files_were_cut() {
    let dir = tempfile::tempdir().unwrap();
    let labels = labels(dir.path(), &[("a1", 1, 5), ("a2", 0, 5), ("a4", 1, 5)]);
    let contents: Vec<String> = [1, 2, 100]
        .into_iter()
        .map(|flush_every| {
            let archive = Archive::new(Store::memory());
            archived(&archive, "f.log", flush_every);
            let ranges = Some(BTreeMap::from([(0, 1..4)]));
            let source = Source::Archive { archive, topic: "f.log".to_owned(), ranges };
            let dataset = build(&archive_recipe(), &source, &labels).unwrap();
            assert_eq!(ids(&dataset), "a1=1 a2=0");
            assert_eq!(dataset.manifest.features.ranges(), BTreeMap::from([(0, 1..4)]));
            dataset.manifest.content
        })
        .collect();
    assert!(contents.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn compaction_changes_neither_a_datasets_digest_nor_its_rows() {
    let dir = tempfile::tempdir().unwrap();
    let labels = labels(dir.path(), &[("a1", 1, 5), ("a2", 0, 5), ("a4", 1, 5)]);
    let archive = Archive::new(Store::memory());
    let whole = archived(&archive, "f.log", 1);
    let ranges = Some(BTreeMap::from([(0, 1..4)]));
    let part = Source::Archive { archive: archive.clone(), topic: "f.log".to_owned(), ranges };
    let both = || [&whole, &part].map(|source| build(&archive_recipe(), source, &labels).unwrap());
    let before = both();
    let compacted = archive.compact("f.log", 0, &CompactOptions::default(), 0, &mut |_| Ok(()));
    assert!(matches!(compacted, Ok(Compaction::Done(_))), "{compacted:?}");
    archive.sweep("f.log", 0, Some(Duration::ZERO), 0, &mut |_| Ok(())).unwrap();
    assert_eq!(archive.files("f.log").unwrap().len(), 1);
    for (before, after) in before.iter().zip(both()) {
        assert_eq!((&after.digest, &after.rows), (&before.digest, &before.rows));
        let again = whole.clone().limited(&before.manifest.features);
        assert_eq!(build(&archive_recipe(), &again, &labels).unwrap().digest, before.digest);
    }
}

#[test]
fn a_log_that_went_on_in_another_gives_the_rows_of_one() {
    let dir = tempfile::tempdir().unwrap();
    let labels = labels(dir.path(), &[("a1", 1, 5), ("a2", 0, 5), ("a4", 1, 5)]);
    let archive = Archive::new(Store::memory());
    let whole = archived(&archive, "f.log", 1);
    let part = |range: Range<i64>| Source::Archive {
        archive: archive.clone(),
        topic: "f.log".to_owned(),
        ranges: Some(BTreeMap::from([(0, range)])),
    };
    let expected = build(&archive_recipe(), &whole, &labels).unwrap().manifest;
    let source = Source::Several(vec![part(0..2), part(2..6)]);
    let found = build(&archive_recipe(), &source, &labels).unwrap().manifest;
    assert_eq!((&found.content, found.rows), (&expected.content, 3));
    let again = Source::Several(vec![whole.clone(), whole]).limited(&found.features);
    assert_eq!(build(&archive_recipe(), &again, &labels).unwrap().manifest, found, "limited to what was used");
}

#[track_caller]
fn check_refused(change: impl Fn(&mut Recipe), expected: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let mut recipe = recipe(9);
    change(&mut recipe);
    let refused = build(&recipe, &features(dir.path()), &labels(dir.path(), &[("1", 0, 5)])).unwrap_err().to_string();
    for part in expected {
        assert!(refused.contains(part), "`{part}` is missing in: {refused}");
    }
}

#[test]
fn columns_that_do_not_fit_are_named() {
    check_refused(|r| r.features.inputs.push("colour".to_owned()), &["features.parquet", "`colour`", "tx, at, card"]);
    check_refused(|r| r.features.inputs.push("amount.x".to_owned()), &["`amount.x`", "inside Float64"]);
    check_refused(|r| r.features.inputs.push("amount".to_owned()), &["two columns `amount`"]);
    check_refused(|r| r.features.time = "amount".to_owned(), &["`amount`", "not a time"]);
    check_refused(|r| r.features.id = "amount".to_owned(), &["no canonical text"]);
    check_refused(|r| r.labels.target = "event".to_owned(), &["labels.parquet", "`event`"]);
}

#[test]
fn the_newest_label_is_the_one_known_last() {
    let dir = tempfile::tempdir().unwrap();
    let columns = recipe(0).labels;
    let known = |rows: &[(&str, i8, i64)], columns: &LabelColumns| {
        newest_label_us(columns, &labels(dir.path(), rows)).unwrap().map(|us| us / DAY_US)
    };
    assert_eq!(known(&[("1", 0, 5), ("2", 1, 8), ("3", 0, 7)], &columns), Some(8));
    assert_eq!(known(&[], &columns), None);
    let after = LabelColumns { known: Known::After { time: "known".to_owned(), delay_us: 2 * DAY_US }, ..columns };
    assert_eq!(known(&[("1", 0, 5)], &after), Some(7));
}

#[test]
fn saved_manifests_are_listed_by_their_digests() {
    let store = Store::memory();
    assert_eq!(saved(&store).unwrap(), [""; 0]);
    let dataset = check(&recipe(9), &[("1", 0, 5)], "1=0");
    save(&store, &dataset.manifest).unwrap();
    assert_eq!(saved(&store).unwrap(), [dataset.digest]);
}

/// (event, class, day known)
fn classes(dir: &Path, rows: &[(&str, Option<&str>, i64)]) -> Source {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("event_id", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.0)))),
        ("label", Arc::new(rows.iter().map(|row| row.1).collect::<StringArray>())),
        ("known", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.2 * DAY_US)))),
    ];
    Source::File(write(dir, "classes.parquet", columns))
}

#[test]
fn a_row_has_the_place_of_its_class_and_strangers_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let rows = [
        ("1", Some("tram"), 5),
        ("2", Some("bus"), 5),
        ("3", Some("ferry"), 5),
        ("4", None, 5),
        ("2", Some("train"), 6),
    ];
    let labels = classes(dir.path(), &rows);
    let recipe = |classes: &[&str]| {
        let mut recipe = recipe(9);
        recipe.labels.classes = classes.iter().map(|class| (*class).to_owned()).collect();
        recipe
    };
    let dataset = build(&recipe(&["bus", "tram", "train"]), &features(dir.path()), &labels).unwrap();
    assert_eq!(ids(&dataset), "1=1 2=2", "the label known last counts");
    let Manifest { class_rows, unlabelled, unknown_classes, .. } = &dataset.manifest;
    assert_eq!((class_rows.as_slice(), *unlabelled, *unknown_classes), (&[0, 1, 1][..], 1, 1));
    let other = build(&recipe(&["tram", "bus", "train"]), &features(dir.path()), &labels).unwrap();
    assert_eq!(ids(&other), "1=0 2=2");
    assert_ne!(dataset.digest, other.digest, "the order of classes is part of a dataset");
    let fewer = build(&recipe(&["bus", "tram"]), &features(dir.path()), &labels).unwrap();
    assert_eq!((ids(&fewer).as_str(), fewer.manifest.unknown_classes), ("1=1", 2));
    let plain = build(&recipe(&[]), &features(dir.path()), &self::labels(dir.path(), &[("1", 1, 5)])).unwrap();
    assert!(!plain.manifest.text().contains("class"), "digests without classes stay what they were");
}
