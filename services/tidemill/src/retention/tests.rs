//! What goes and what stays, with real services over a real log.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use runtime::log::{TopicPartition, TopicSpec};
use serde_json::Value;
use tempfile::TempDir;

use super::{Kept, Needs, Stats, retain, shrinking, tell};
use crate::cli::Cli;
use crate::commands;
use crate::environment::Environment;
use crate::loading::SHIPPED;
use crate::testing::outcome;

/// A place of its own with the shipped pipeline, which computes the same whoever is read first.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(TempDir::new().unwrap());
        let (_, fraud) = SHIPPED.iter().find(|(name, _)| *name == "fraud").unwrap();
        place.write(&fraud.replace("ordering: arrival", "ordering: event_time"));
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, pipeline: &str) {
        fs::write(self.path("own.yaml"), pipeline).unwrap();
    }

    fn cli(&self, args: &[&str]) -> Cli {
        let (data, pipeline) = (self.path("data"), self.path("own.yaml"));
        let place = ["--data", data.to_str().unwrap(), "--pipeline", pipeline.to_str().unwrap()];
        Cli::try_parse_from([&["tidemill"], args, &place].concat()).unwrap()
    }

    fn run(&self, args: &[&str]) {
        commands::run(&self.cli(args)).unwrap_or_else(|error| panic!("{args:?}: {error}"));
    }

    /// Runs all services until these transactions have gone through.
    fn work(&self, ids: std::ops::Range<u32>) {
        let file = self.path("events.csv");
        transactions(&file, ids);
        let publish = ["--publish", file.to_str().unwrap(), "--label-column", "TX_FRAUD"];
        let quick = ["--drain", "--idle-timeout", "300ms", "--snapshot-interval", "200ms", "--listen", "127.0.0.1:0"];
        self.run(&[&["up"][..], &publish, &quick].concat());
    }

    /// The same in three runs. Each ends with a snapshot, and three are kept, so the oldest is behind the first run.
    fn work_often(&self, ids: std::ops::Range<u32>) {
        let third = ids.len() as u32 / 3;
        let (one, two) = (ids.start + third, ids.start + 2 * third);
        [ids.start..one, one..two, two..ids.end].into_iter().for_each(|ids| self.work(ids));
    }

    fn environment(&self) -> Environment {
        Environment::existing(&self.cli(&["topics"]).global).unwrap()
    }

    /// Deletes everything that nobody needs, however young it is.
    fn retain(&self, dry_run: bool) -> Vec<Kept> {
        let environment = self.environment();
        let specs = environment.context.topic_specs().into_iter().filter(|spec| !spec.compacted);
        let specs: Vec<TopicSpec> = specs.map(|spec| spec.declared(Some(0), None)).collect();
        retain(&environment, &specs, &Needs::of(&environment), dry_run).unwrap()
    }

    /// Where each partition begins.
    fn starts(&self) -> BTreeMap<TopicPartition, i64> {
        let environment = self.environment();
        let context = &environment.context;
        let topics = context.plan.topics.iter();
        let bounds = topics.flat_map(|topic| context.bounds(&topic.name).unwrap());
        bounds.map(|(tp, start, _)| (tp, start)).collect()
    }
}

/// Two transactions of each customer a day.
fn transactions(path: &Path, ids: std::ops::Range<u32>) {
    let mut csv = String::from("TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD\n");
    for id in ids {
        let (day, hour) = (1 + id / 8, id % 8);
        let (customer, terminal, fraud) = (id % 4, id % 2, u8::from(id % 10 == 0));
        csv += &format!("{id},2024-05-{day:02} {hour:02}:00:00,{customer},{terminal},{id}.5,{fraud}\n");
    }
    fs::write(path, csv).unwrap();
}

/// The newest snapshots of all tasks are gone.
fn lose_newest_snapshots(dir: &Path) -> usize {
    let (mut manifests, mut lost): (Vec<PathBuf>, usize) = (Vec::new(), 0);
    for entry in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            lost += lose_newest_snapshots(&entry);
        } else if entry.extension().is_some_and(|extension| extension == "json") {
            manifests.push(entry);
        }
    }
    if manifests.len() > 1 {
        fs::remove_file(manifests.iter().max().unwrap()).unwrap();
        lost += 1;
    }
    lost
}

#[test]
fn what_nobody_needs_goes_and_all_goes_on_as_if_it_were_there() {
    let [whole, cut] = [false, true].map(|is_cut| {
        let place = Place::new();
        place.work_often(0..40);
        if is_cut {
            let (before, shown) = (place.starts(), place.retain(true));
            assert_eq!(place.starts(), before, "looking deletes nothing");
            let deleted = place.retain(false);
            let begins = |kept: &[Kept]| kept.iter().map(|kept| kept.retained.begins).collect::<Vec<_>>();
            assert_eq!(begins(&shown), begins(&deleted), "what was shown is what was done");
            let cut = |of: &str| {
                let of_it = deleted.iter().filter(|kept| kept.retained.tp.topic.contains(of));
                of_it.map(|kept| kept.retained.records()).sum::<u64>()
            };
            assert_eq!(
                (cut("transactions.events.v1"), cut("labels.events.v1")),
                (40, 40),
                "all is validated and archived"
            );
            assert!(cut("journal.log") > 0 && cut("customer.log") > 0, "logs are cut up to their snapshots");
            assert!(deleted.iter().all(|kept| kept.retained.bytes > 0 || kept.retained.records() == 0));
            let stats = Stats::new("retention");
            tell(&deleted, &stats);
            let counted = |name: &str| stats.counts().into_iter().find(|count| count.name == name).unwrap().value;
            assert_eq!(counted("deleted_records"), cut(""));
            assert_eq!(counted("deleted_bytes"), deleted.iter().map(|kept| kept.retained.bytes).sum::<u64>());
            assert_eq!(counted("held_records"), deleted.iter().map(|kept| kept.retained.held()).sum::<u64>());
            assert!(place.retain(false).iter().all(|kept| kept.retained.records() == 0), "nothing more is to go");
            // An older one does as well: the log has what is behind it.
            assert!(lose_newest_snapshots(&place.path("data/store/snapshots")) > 0);
        }
        place.work(40..80);
        place.run(&["ledger", "verify", "--offline"]);
        let features = outcome(&place.environment()).unwrap().features;
        let second = features.into_iter().filter(|(id, _)| id.parse::<u32>().unwrap() >= 40);
        second.collect::<BTreeMap<String, Value>>()
    });
    assert_eq!(whole.len(), 40);
    assert_eq!(whole, cut);
}

#[test]
fn what_a_task_or_the_archive_lacks_stays() {
    let place = Place::new();
    transactions(&place.path("events.csv"), 0..40);
    place.run(&["publish", place.path("events.csv").to_str().unwrap(), "--label-column", "TX_FRAUD"]);
    let kept = place.retain(false);
    assert!(kept.iter().all(|kept| kept.retained.records() == 0), "no task has read anything");
    let holders: Vec<&str> = kept.iter().filter_map(|kept| kept.holder.as_deref()).collect();
    assert!(holders.contains(&"fraud.validator"), "{holders:?}");

    // All services but one.
    let all = ["run", "validator", "featurizer", "scorer", "monitor", "--drain", "--idle-timeout", "300ms"];
    place.run(&all);
    let kept = place.retain(false);
    assert!(kept.iter().all(|kept| kept.retained.records() == 0), "nothing is archived");
    assert!(kept.iter().all(|kept| kept.holder.as_deref() == Some("fraud.archiver")));
    place.run(&["run", "archiver", "--drain", "--idle-timeout", "300ms"]);
    assert!(place.retain(false).iter().map(|kept| kept.retained.records()).sum::<u64>() > 80);
}

#[test]
fn a_state_that_is_to_be_built_again_needs_its_log_from_the_start() {
    let place = Place::new();
    place.work_often(0..40);
    let file = fs::read_to_string(place.path("own.yaml")).unwrap();
    place.write(&file.replace("    window: 1d\n", "    window: 2d\n"));
    let kept = place.retain(false);
    let of = |topic: &str| kept.iter().filter(|kept| kept.retained.tp.topic.contains(topic)).collect::<Vec<_>>();
    let features = of("features.log");
    assert!(!features.is_empty(), "the monitor reads it");
    for Kept { retained, holder } in features {
        assert_eq!((retained.records(), holder.as_deref()), (0, Some("fraud.monitor.features")), "{}", retained.tp);
    }
    assert!(of("customer.log").iter().any(|kept| kept.retained.records() > 0), "others go on as they were");
    place.work_often(40..80);
    place.run(&["ledger", "verify", "--offline"]);

    // Once it is cut nobody can begin to count it anew, and that is said before anything happens.
    assert!(
        place
            .retain(false)
            .iter()
            .any(|kept| kept.retained.tp.topic.contains("features.log") && kept.retained.records() > 0)
    );
    place.write(&file.replace("    window: 1d\n", "    window: 3d\n"));
    let refused = commands::run(&place.cli(&["apply"])).unwrap_err().to_string();
    assert!(refused.contains("features.log") && refused.contains("apply --rebuild"), "{refused}");
}

#[test]
fn only_topics_with_a_retention_that_ends_are_looked_at() {
    let place = Place::new();
    let file = fs::read_to_string(place.path("own.yaml")).unwrap();
    place.write(&(file + "retention: { results: { time: 30d, bytes: 2GiB }, rejected: forever }\n"));
    place.run(&["apply"]);
    let environment = place.environment();
    let (compacted, specs): (Vec<TopicSpec>, Vec<TopicSpec>) =
        shrinking(&environment).into_iter().partition(|spec| spec.compacted);
    assert_eq!(compacted.len(), 4, "alerts, models, ledger and progress");
    let found: Vec<(&str, Option<i64>, Option<u64>)> =
        specs.iter().map(|spec| (&*spec.name, spec.retention_ms, spec.retention_bytes)).collect();
    let (days, bytes) = (Some(30 * 86_400_000), Some(2 << 30));
    let results = ["predictions", "outcomes", "drift", "retraining"].map(|kind| format!("fraud.{kind}.v1"));
    assert_eq!(found, results.each_ref().map(|name| (name.as_str(), days, bytes)));
    assert!(super::job(&environment).is_some(), "services do it by themselves");
    let never = Environment { retention_interval: std::time::Duration::ZERO, ..environment.clone() };
    assert!(super::job(&never).is_none());
}
