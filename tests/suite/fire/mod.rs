//! A pipeline under fire on real Kafka. Its services are processes of the built binary; they are killed at named places,
//! stopped and woken as zombies that go on with what they hold, and poll in steps of 1, 7 and 4,096 records. When the
//! dust settles everything is as if nothing had happened.
//!
//! `TIDEMILL_DEEP=1 cargo test --workspace fire::` has 60 kills and 20 zombies instead of a few.

mod agreement;
mod archive;
mod brokers;
mod calm;
pub(crate) mod contents;
mod disk;
mod ends;
mod feed;
mod fleet;
mod gap;
mod ingest;
mod scale;
mod schedule;
mod settled;
mod subscriber;

use crate::monitor::promote;
use arrow::array::AsArray;
use arrow::datatypes::Int32Type;
use feed::Feed;
use fleet::Fleet;
use offline::archive::{Archive, ITEM, Selection};
use registry::store::Store;
use runtime::context::Context;
use runtime::log::TopicPartition;
use settled::Settled;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tests::fraud::{PUBLISHED, Transactions, data, equal, published};
use tests::pipeline::{Deployment, Features, Running, fraud, fraud_text};
use tests::service::Place;

/// Sources are never quiet: events and labels move time on by themselves, and the last ones lie far ahead.
const IDLE: Duration = Duration::from_secs(3_600);
/// Commits of the run in which nothing happens.
const COMMIT: Duration = Duration::from_millis(200);
/// What all processes are told: a group learns of a death after three seconds; snapshots are taken, and files of the
/// archive closed, every second.
const ARGUMENTS: [&str; 8] = [
    "--idle-timeout",
    "1h",
    "--snapshot-interval",
    "1s",
    "--archive-interval",
    "1s",
    "--kafka",
    "session.timeout.ms=3000",
];
/// All services that run; a gateway only looks, see `ingest`, and nothing retrains.
const SERVICES: [&str; 5] = ["validator", "featurizer", "scorer", "monitor", "archiver"];
/// Set to 1 for the deep tier.
const DEEP: &str = "TIDEMILL_DEEP";

/// Two such tests at once would only starve each other.
static ALONE: Mutex<()> = Mutex::new(());

/// One run.
struct Fire {
    delivery: &'static str,
    /// Days of the handbook since 2018-04-01.
    days: Range<i64>,
    /// How many of these days' features were published.
    published: usize,
    kills: usize,
    zombies: usize,
    seed: u64,
}

/// The partitions of a topic.
fn partitions(context: &Context, topic: &str) -> impl Iterator<Item = TopicPartition> + use<> {
    let count = context.topic(topic).unwrap().partitions.cast_signed();
    let topic: Arc<str> = topic.into();
    (0..count).map(move |partition| TopicPartition::new(topic.clone(), partition))
}

fn is_deep() -> bool {
    std::env::var_os(DEEP).is_some_and(|value| value == "1")
}

#[test]
fn real_transactions_come_out_as_published_whatever_dies() {
    let (kills, zombies) = if is_deep() { (60, 20) } else { (9, 3) };
    // A month and a week of history, and the first day with published features.
    let fire = Fire { delivery: "low_latency", days: 41..79, published: 9_500, kills, zombies, seed: 20_180_618 };
    fire.run();
}

#[test]
fn each_prediction_is_seen_once_whatever_dies() {
    let (kills, zombies) = if is_deep() { (20, 7) } else { (6, 2) };
    let fire = Fire { delivery: "exactly_once", days: 41..56, published: 0, kills, zombies, seed: 20_180_401 };
    fire.run();
}

impl Fire {
    fn run(&self) {
        let (Some(folder), Some(kafka)) = (data(), tests::kafka::Kafka::start()) else { return };
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let began = Instant::now();
        let rows = Transactions::days(&folder, self.days.start, self.days.end);
        let calm = calm::run(&self.replaced(), &rows);
        let calm_took = began.elapsed();

        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("pipeline.yaml"), fraud_text(&self.replaced())).unwrap();
        let store = Store::local(&dir.path().join("store")).unwrap();
        let deployment = Deployment::new(kafka.log(), store.clone(), fraud(&self.replaced()));
        promote(&deployment, &store);
        let (context, names) = (&deployment.context, &deployment.context.plan.names);
        let place = Place {
            dir: dir.path().to_owned(),
            brokers: Some(kafka.brokers().to_owned()),
            arguments: ARGUMENTS.map(str::to_owned).to_vec(),
        };
        let exactly_once = self.delivery == "exactly_once";
        let strikes = schedule::strikes(self.seed, self.kills, self.zombies, exactly_once);
        let (stop, count) = (AtomicBool::new(false), AtomicUsize::new(0));
        let (journal, concurrent, tally) = std::thread::scope(|scope| {
            let reader = scope.spawn(|| subscriber::follow(context, &names.predictions, !exactly_once, &stop, &count));
            let _stops = Stops(&stop);
            let mut fleet = Fleet::start(context, place, &SERVICES, &strikes);
            let journal = Feed::new(&deployment, &rows).publish_under(&mut fleet, strikes.len());
            fleet.wait("the last prediction", |_| count.load(Ordering::Relaxed) >= journal.len());
            assert_eq!(fleet.struck(), strikes.len(), "{}", fleet.left());
            fleet.wait("the end of the last zombie", Fleet::is_calm);
            let settled = Settled::new(context, true);
            fleet.wait("the last commit", |_| settled.look());
            stop.store(true, Ordering::Relaxed);
            (journal, reader.join().unwrap(), fleet.end())
        });
        let took = began.elapsed() - calm_took;
        assert_eq!((tally.killed, tally.woken), (self.kills, self.zombies));

        let dropped = agreement::check(&deployment, &calm, &journal, &concurrent, exactly_once);
        let features = deployment.features(rows.len(), &Running::default());
        self.compare(&features, &folder);
        archived(context, &store, &rows);
        eprintln!(
            "{}: {} events in {} s (in peace {} s): {tally:?}; readers dropped {} items and {} predictions",
            self.delivery,
            rows.len(),
            took.as_secs(),
            calm_took.as_secs(),
            dropped.items,
            dropped.predictions,
        );
    }

    fn replaced(&self) -> [(&'static str, &'static str); 2] {
        let delivery = match self.delivery {
            "exactly_once" => "delivery: exactly_once",
            _ => "delivery: low_latency",
        };
        [("ordering: arrival", "ordering: event_time"), ("delivery: low_latency", delivery)]
    }

    /// All features that the handbook published for these days are those that came out.
    fn compare(&self, features: &Features, folder: &Path) {
        let mut compared = 0;
        for (id, theirs) in published(folder) {
            let Some(row) = features.get(&id.to_string()) else { continue };
            compared += 1;
            for (at, theirs) in theirs.iter().enumerate() {
                let value = row[at].unwrap_or_else(|| panic!("{} of {id} is null", PUBLISHED[at].0));
                assert!(equal(at, value, *theirs), "{} of {id}: {value} and not {theirs}", PUBLISHED[at].0);
            }
        }
        assert!(compared >= self.published, "{compared} rows were compared");
    }
}

/// Stops the reader when the test fails.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The archive tiles every log, and holds each event of the features log once.
fn archived(context: &Context, store: &Store, rows: &Transactions) {
    let archive = Archive::new(store.clone());
    for topic in archiver::topics(context) {
        archive.files(&topic).unwrap_or_else(|error| panic!("{topic}: {error}"));
    }
    let selection = Selection { columns: Some(vec![ITEM.to_owned()]), ..Selection::default() };
    let parts = archive.read(&context.plan.names.features_log, &selection).unwrap().map(Result::unwrap);
    let items = parts
        .map(|part| part.rows[ITEM].as_primitive::<Int32Type>().iter().flatten().filter(|item| *item >= 0).count());
    assert_eq!(items.sum::<usize>(), rows.len(), "the archive has each event once");
}
