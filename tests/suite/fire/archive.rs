//! Archivers under fire: two share the partitions and die at named places and at random moments, or sleep and wake as
//! zombies with records in their hands, while a twin archives the same partitions all the time and closes its files at
//! other moments. They never disagree, and nobody ever sees half a file.

use super::{COMMIT, IDLE, contents, partitions};
use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int32Type, Int64Type};
use bytes::Bytes;
use flow::plan::Plan;
use offline::archive::{Archive, FileInfo, ITEM, OFFSET, Selection};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use registry::store::Store;
use runtime::context::Context;
use runtime::log::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tests::fraud::Transactions;
use tests::kafka::Kafka;
use tests::pipeline::{Deployment, Running, fraud, fraud_text};
use tests::service::{Place, Process, State};

/// Files are closed several times per second, and a group learns of a death after three seconds.
const ARGUMENTS: [&str; 4] = ["--archive-interval", "300ms", "--kafka", "session.timeout.ms=3000"];
/// Longer than that.
const ASLEEP: Duration = Duration::from_secs(4);
/// How often the twin closes its files.
const TWIN_INTERVAL: Duration = Duration::from_millis(170);
/// What is published at a time, and how long it takes to the next time.
const EVENTS: usize = 25;
const LOOK: Duration = Duration::from_millis(150);
/// Every so many deaths one sleeps instead.
const SLEEPS_EVERY: usize = 3;
/// Latest moment of a death by chance, after the start.
const DEATH_MS_MAX: u64 = 3_000;
/// Deaths in a row.
const DEATHS: usize = 6;
const DEATHS_DEEP: usize = 40;
const SEED: u64 = 20_180_702;
/// A limit on hanging, no timing.
const PATIENCE: Duration = Duration::from_secs(120);
/// What a woken archiver says whose partitions were given to others, or whose file somebody else had written.
const YIELDED: &str = "another writer archived this range";
const REPLACED: [&str; 3] = [YIELDED, "starting over from", "the partition belongs to another member now"];

/// How one archiver ends.
enum End {
    Kill,
    Sleep,
    /// After so many milliseconds.
    Chance(u64),
}

/// Publishes a little whenever it is asked.
struct Source<'a> {
    deployment: &'a Deployment,
    rows: Transactions,
    published: usize,
}

impl Source<'_> {
    fn some(&mut self) {
        let end = self.rows.len().min(self.published + EVENTS);
        let order: Vec<_> = (self.published..end).map(|row| (row, (row % 4) as i32)).collect();
        if !order.is_empty() {
            self.deployment.publish(self.rows.events(&self.deployment.context, &order));
        }
        self.published = end;
        std::thread::park_timeout(LOOK);
    }

    /// Publishes until something is so of an archiver.
    fn until(&mut self, process: &mut Process, what: &str, mut done: impl FnMut(&mut Process) -> bool) {
        let since = Instant::now();
        while !done(process) {
            assert!(since.elapsed() < PATIENCE, "{what} did not come: {}", process.tail());
            self.some();
        }
    }
}

/// What everybody can see in an archive, as it was when first seen.
type Seen = BTreeMap<String, Bytes>;

/// Looks at an archive until `stop` is set.
fn watch(store: &Store, stop: &AtomicBool) -> Seen {
    let mut seen = Seen::new();
    while !stop.load(Ordering::Relaxed) {
        for key in store.list("archive").unwrap() {
            seen.entry(key).or_insert_with_key(|key| store.get(key).unwrap());
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
    seen
}

/// The same pipeline to an archiver of another group.
fn twin(context: &Context, stop: &Arc<AtomicBool>) -> Context {
    let plan = Plan { pipeline: "twin".to_owned(), ..(*context.plan).clone() };
    Context { plan: Arc::new(plan), ..context.clone() }.stopped_by(stop.clone())
}

/// Where the archive does not reach to the end of a log, or why it cannot be read; none when it is whole.
fn missing(context: &Context, archive: &Archive) -> Option<String> {
    let missing = |tp: TopicPartition| {
        let (start, end) = context.log.watermarks(&tp).unwrap();
        match archive.partition_files(&tp.topic, tp.partition) {
            Ok(files) => {
                let reached = files.last().map_or(start, |file| file.end);
                (reached < end).then(|| format!("{tp} is archived to {reached} of {end}"))
            }
            Err(error) => Some(error.to_string()),
        }
    };
    archiver::topics(context).iter().find_map(|topic| partitions(context, topic).find_map(missing))
}

/// Waits until the archive reaches to the ends of all logs.
pub(super) fn await_whole(context: &Context, archive: &Archive) {
    let since = Instant::now();
    while let Some(missing) = missing(context, archive) {
        assert!(since.elapsed() < PATIENCE, "{missing}");
        std::thread::park_timeout(LOOK);
    }
}

#[test]
fn archivers_die_and_sleep_and_never_disagree() {
    let Some(kafka) = Kafka::start() else { return };
    let _alone = super::ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let began = Instant::now();
    let deaths = if super::is_deep() { DEATHS_DEEP } else { DEATHS };
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("pipeline.yaml"), fraud_text(&[])).unwrap();
    let store = Store::local(&dir.path().join("store")).unwrap();
    let deployment = Deployment::new(kafka.log(), store.clone(), fraud(&[]));
    let context = &deployment.context;
    let running = deployment.start(COMMIT, IDLE);
    let arguments = ARGUMENTS.map(str::to_owned).to_vec();
    let place = Place { dir: dir.path().to_owned(), brokers: Some(kafka.brokers().to_owned()), arguments };
    let mut source = Source { deployment: &deployment, rows: super::feed::made_up(2 * deaths), published: 0 };
    let archive = Archive::new(store.clone());
    let (stop, watching) = (Arc::new(AtomicBool::new(false)), AtomicBool::new(false));
    let twin = twin(context, &stop);
    let options = archiver::Options { flush_interval: TWIN_INTERVAL, ..archiver::Options::default() };
    let (seen, yielded, replaced) = std::thread::scope(|scope| {
        let _stops = (super::Stops(&stop), super::Stops(&watching));
        let writing = scope.spawn(|| archiver::run(&twin, &store, &options, &stop));
        let watcher = scope.spawn(|| watch(&store, &watching));
        let (yielded, replaced) = strike(&place, &mut source, deaths);
        // The last ones archive what is left.
        drain(&deployment, source.published, running);
        let mut last = [place.start("archiver", &[], None), place.start("archiver", &[], None)];
        await_whole(context, &archive);
        last.iter().for_each(Process::ask_to_stop);
        last.iter_mut().for_each(Process::ended_well);
        stop.store(true, Ordering::Relaxed);
        writing.join().unwrap().unwrap();
        watching.store(true, Ordering::Relaxed);
        (watcher.join().unwrap(), yielded, replaced)
    });
    let files = check(context, &store, source.published);
    for (key, bytes) in &seen {
        assert!(store.get(key).unwrap() == *bytes, "{key} was seen before it was whole");
    }
    assert!(yielded > 0, "twins met");
    eprintln!(
        "{deaths} ends of archivers in {} s: {} events in {files} files; one yielded to another {yielded} times, {replaced} zombies noticed",
        began.elapsed().as_secs(),
        source.published,
    );
}

/// Lets archivers end one way or another; says how often one of them yielded to another writer, and how many zombies
/// noticed that they were replaced.
fn strike(place: &Place, source: &mut Source<'_>, deaths: usize) -> (usize, usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let (mut yielded, mut replaced) = (0, 0);
    let start = |end: &End, rng: &mut ChaCha8Rng| {
        let visit = rng.random_range(1..=3);
        let name = ["polled", "archived", "stored"][rng.random_range(0..3)];
        let failpoint = match end {
            End::Kill => Some(format!("kill {name} {visit} fraud.archiver")),
            End::Sleep => Some("stop polled 2 fraud.archiver".to_owned()),
            End::Chance(_) => None,
        };
        place.start("archiver", &[], failpoint.as_deref())
    };
    let mut other = place.start("archiver", &[], None);
    for death in 0..deaths {
        let end = match death % SLEEPS_EVERY {
            0 => End::Kill,
            1 => End::Sleep,
            _ => End::Chance(rng.random_range(0..DEATH_MS_MAX)),
        };
        let mut process = start(&end, &mut rng);
        let since = Instant::now();
        match end {
            End::Kill => source.until(&mut process, "a death", |process| process.state() == State::Killed),
            End::Chance(ms) => {
                source.until(&mut process, "a moment", |_| since.elapsed() >= Duration::from_millis(ms));
                process.kill();
            }
            End::Sleep => {
                source.until(&mut process, "sleep", |process| process.state() == State::Stopped);
                // Its session ends, and the other one archives what it has in its hands.
                let slept = Instant::now();
                source.until(&mut process, "the end of its session", |_| slept.elapsed() >= ASLEEP);
                let before = process.said().len();
                process.wake();
                source.until(&mut process, "a word of the woken one", |process| {
                    REPLACED.iter().any(|line| process.said()[before..].contains(line))
                });
                replaced += 1;
                process.kill();
            }
        }
        assert_eq!(other.state(), State::Runs, "{}", other.tail());
        yielded += process.said().matches(YIELDED).count();
    }
    yielded += other.said().matches(YIELDED).count();
    other.kill();
    (yielded, replaced)
}

/// Waits until all features are there, and ends who writes them.
fn drain(deployment: &Deployment, events: usize, running: Running) {
    deployment.features(events, &running);
    assert_eq!(running.stop(), Vec::<String>::new());
}

/// Ranges tile the logs, every row is there once, and each file is what anybody would write for its range; says how many
/// files there are.
fn check(context: &Context, store: &Store, events: usize) -> usize {
    let archive = Archive::new(store.clone());
    let mut count = 0;
    for topic in archiver::topics(context) {
        for tp in partitions(context, &topic) {
            let files = archive.partition_files(&topic, tp.partition).unwrap_or_else(|error| panic!("{tp}: {error}"));
            let (start, end) = context.log.watermarks(&tp).unwrap();
            let covered = files.first().map_or(start, |file| file.start)..files.last().map_or(start, |file| file.end);
            assert_eq!(covered, start..end, "{tp}");
            count += files.len();
            again(context, store, &tp, &files);
        }
    }
    assert_eq!(rows(&archive, &context.plan.names.events), events, "each event is archived once");
    for (log, items) in contents::written(context) {
        assert_eq!(rows(&archive, &log), items.len(), "each item of {log} is archived once");
    }
    count
}

/// Rows of a topic that are items or records, each of which must be there once.
pub(super) fn rows(archive: &Archive, topic: &str) -> usize {
    let mut seen = BTreeSet::new();
    for part in archive.read(topic, &Selection::default()).unwrap() {
        let part = part.unwrap();
        let offsets = part.rows[OFFSET].as_primitive::<Int64Type>();
        let items = part.rows[ITEM].as_primitive::<Int32Type>();
        for row in 0..offsets.len() {
            let item = items.is_valid(row).then(|| items.value(row));
            let is_new = item.is_some_and(|item| item < 0) || seen.insert((part.partition, offsets.value(row), item));
            assert!(is_new, "{topic}/{}@{}.{item:?} is archived twice", part.partition, offsets.value(row));
        }
    }
    seen.len()
}

/// Archives a partition once more, with files that end where they do, and compares the bytes.
fn again(context: &Context, store: &Store, tp: &TopicPartition, files: &[FileInfo]) {
    let Some(first) = files.first() else { return };
    let fresh = Store::memory();
    let mut partition = archiver::Partition::open(context, &Archive::new(fresh.clone()), tp, first.start).unwrap();
    let records = contents::records(context, tp);
    for file in files {
        let at = |offset: i64| records.partition_point(|record| record.offset < offset);
        let part = &records[at(file.start)..at(file.end)];
        assert_eq!(partition.take(part).unwrap(), None, "{}", file.key);
        assert_eq!(partition.flush().unwrap(), None, "{}", file.key);
        let (theirs, ours) = (store.get(&file.key).unwrap(), fresh.get(&file.key).unwrap());
        assert!(theirs == ours, "{} has other bytes than one that is written in peace", file.key);
    }
}
