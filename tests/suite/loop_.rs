//! The loop closed: archived features and labels become a dataset, a model, a champion that scores; a request trains a
//! better one, which takes over with no event lost or scored twice.

#![allow(clippy::unwrap_used)]

use arrow::array::{Array, AsArray};
use arrow::datatypes::Float64Type;
use flow::config::Pipeline;
use offline::archive::{Archive, Selection};
use registry::models::Version;
use registry::store::Store;
use runtime::embedded::Embedded;
use runtime::log::TopicPartition;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tests::fraud::{DAY_MS, LABEL_DELAY_MS, Transaction, Transactions};
use tests::pipeline::{Deployment, Running, fraud};
use trainer::{Request, Surroundings};

/// 2018-06-18, 00:00 UTC.
const FIRST_DAY_MS: i64 = 1_529_280_000_000;
const EVENTS_PER_DAY: i64 = 200;
/// Days streamed before there is a model; labels come for all that are a week older.
const HISTORY_DAYS: i64 = 18;
const LABELLED_DAYS: i64 = HISTORY_DAYS - LABEL_DELAY_MS / DAY_MS;
const SOURCE_PARTITIONS: i32 = 4;
/// Never: events and labels of all partitions move time on by themselves.
const IDLE: Duration = Duration::from_secs(3_600);
/// Above this amount a transaction is a fraud, which a network can learn.
const FRAUD_ABOVE: f64 = 190.0;

fn transactions(days: std::ops::Range<i64>) -> Transactions {
    let transaction = |n| {
        let amount = 10.0 + (n * 37 % EVENTS_PER_DAY) as f64;
        Transaction {
            id: n,
            time_ms: FIRST_DAY_MS + n * (DAY_MS / EVENTS_PER_DAY),
            customer: (n % 17) as i32,
            terminal: (n % 11) as i32,
            amount,
            fraud: amount > FRAUD_ABOVE,
        }
    };
    (days.start * EVENTS_PER_DAY..days.end * EVENTS_PER_DAY).map(transaction).collect()
}

fn publish_events(deployment: &Deployment, days: std::ops::Range<i64>) {
    let rows = transactions(days);
    deployment.publish(rows.events(&deployment.context, &rows.spread(SOURCE_PARTITIONS)));
}

/// The pipeline with a training that a test has time for.
fn quick() -> Pipeline {
    let texts = [("epochs: 40", "epochs: 12"), ("learning_rate: 0.001", "learning_rate: 0.01")];
    fraud(&texts)
}

/// The same pipeline, but its training hardly moves a weight.
fn lazy(surroundings: &Surroundings) -> Surroundings {
    let mut pipeline = Pipeline::clone(&surroundings.context.pipeline);
    pipeline.models[0].training.learning_rate = 1e-9;
    pipeline.models[0].training.epochs = 1;
    let mut lazy = surroundings.clone();
    lazy.context.pipeline = Arc::new(pipeline);
    lazy
}

/// A service in a thread of its own.
struct Thread {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<(), String>>,
}

impl Thread {
    fn start(run: impl FnOnce(&AtomicBool) -> Result<(), String> + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = stop.clone();
        Thread { thread: std::thread::spawn(move || run(&asked)), stop }
    }

    fn archiver(surroundings: &Surroundings) -> Self {
        let Surroundings { context, store, .. } = surroundings.clone();
        let options = archiver::Options { flush_interval: Duration::from_millis(100), ..archiver::Options::default() };
        Self::start(move |stop| archiver::run(&context, &store, &options, stop).map_err(|error| error.to_string()))
    }

    fn trainer(surroundings: &Surroundings) -> Self {
        let surroundings = surroundings.clone();
        let options = trainer::Options::default();
        Self::start(move |stop| trainer::run(&surroundings, &options, stop).map_err(|error| error.to_string()))
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap().unwrap();
    }
}

/// A pipeline with its history streamed and archived.
struct Loop {
    deployment: Deployment,
    surroundings: Surroundings,
    running: Running,
    archiver: Thread,
}

impl Loop {
    fn start(dir: &Path) -> Self {
        let log = Embedded::open(dir.join("log")).unwrap();
        let store = Store::local(&dir.join("store")).unwrap();
        let deployment = Deployment::new(Arc::new(log), store.clone(), quick());
        let decisions = deployment.decisions().clone();
        let surroundings = Surroundings { context: deployment.context.clone(), store, decisions };
        let mut running = deployment.start(Duration::ZERO, IDLE);
        deployment.start_scorer(Duration::ZERO, &mut running);
        let archiver = Thread::archiver(&surroundings);
        publish_events(&deployment, 0..HISTORY_DAYS);
        let labelled = transactions(0..LABELLED_DAYS);
        deployment.publish(labelled.labels(&deployment.context, &labelled.spread(SOURCE_PARTITIONS)));
        let started = Loop { deployment, surroundings, running, archiver };
        started.deployment.features((HISTORY_DAYS * EVENTS_PER_DAY) as usize, &started.running);
        // The last labels wait for later ones; those of all but the last hour or so come out.
        let enough = (LABELLED_DAYS * EVENTS_PER_DAY - EVENTS_PER_DAY / 4) as usize;
        let outcomes = &started.deployment.context.plan.names.outcomes;
        started.wait(|| started.deployment.rows(outcomes).len() >= enough);
        started.wait(|| started.archived());
        started
    }

    fn wait(&self, done: impl Fn() -> bool) {
        self.deployment.wait(&[&self.running], done);
    }

    /// Whether the archive has all features and outcomes.
    fn archived(&self) -> bool {
        let context = &self.deployment.context;
        let archive = Archive::new(self.surroundings.store.clone());
        [&context.plan.names.features_log, &context.plan.names.outcomes].iter().all(|topic| {
            (0..context.topic(topic).unwrap().partitions as i32).all(|partition| {
                let end = context.log.watermarks(&TopicPartition::new(topic.as_str(), partition)).unwrap().1;
                let files = archive.partition_files(topic, partition).unwrap();
                files.last().map_or(0, |file| file.end) == end
            })
        })
    }

    /// Records in a topic, repeats included.
    fn records(&self, topic: &str) -> i64 {
        let context = &self.deployment.context;
        let partitions = 0..context.topic(topic).unwrap().partitions as i32;
        partitions.map(|partition| context.log.watermarks(&TopicPartition::new(topic, partition)).unwrap().1).sum()
    }

    /// Digest and score by event id.
    fn predictions(&self) -> BTreeMap<i64, (String, f32)> {
        let rows = self.deployment.rows(&self.deployment.context.plan.names.predictions);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let row = |row: &Value| {
            let score = row["score"].as_f64().unwrap() as f32;
            (text(&row["event_id"]).parse().unwrap(), (text(&row["model_digest"]), score))
        };
        rows.iter().map(row).collect()
    }

    fn wait_for_predictions(&self, count: i64) {
        let topic = &self.deployment.context.plan.names.predictions;
        self.wait(|| self.records(topic) >= count);
        assert_eq!(self.records(topic), count);
    }

    fn stop(self) {
        assert_eq!(self.running.stop(), Vec::<String>::new());
        self.archiver.stop();
    }
}

fn request(id: &str) -> Request {
    let day_us = |day: i64| (FIRST_DAY_MS + day * DAY_MS) * 1_000;
    Request {
        request: id.to_owned(),
        pipeline: "fraud".to_owned(),
        model: "fraud".to_owned(),
        reason: "the test wants one".to_owned(),
        incident: None,
        data_from_us: day_us(LABELLED_DAYS - 9),
        data_to_us: day_us(LABELLED_DAYS - 2),
        requested_us: day_us(HISTORY_DAYS),
    }
}

#[test]
fn a_better_model_takes_over_with_no_event_lost_or_scored_twice() {
    let dir = tempfile::tempdir().unwrap();
    let ran = Loop::start(dir.path());
    let (deployment, surroundings) = (&ran.deployment, &ran.surroundings);
    let names = &deployment.context.plan.names;
    let first = trainer::first_model(&lazy(surroundings), "fraud").unwrap().unwrap();
    assert!(trainer::first_model(surroundings, "fraud").unwrap().is_none(), "there is a champion");
    publish_events(deployment, HISTORY_DAYS..HISTORY_DAYS + 1);
    ran.wait_for_predictions(EVENTS_PER_DAY);

    let training = Thread::trainer(surroundings);
    let wish = request("wish/1").record(&deployment.context).unwrap();
    deployment.publish(vec![wish.clone(), wish]);
    publish_events(deployment, HISTORY_DAYS + 1..HISTORY_DAYS + 2);
    // Two wishes and one answer; the trainer has read all three.
    let group = trainer::group(&deployment.context);
    let requests = [TopicPartition::new(names.retraining.as_str(), 0)];
    let read = || deployment.context.log.committed(&group, &requests).unwrap()[0].as_ref().map_or(0, |at| at.offset);
    ran.wait(|| training.thread.is_finished() || read() >= 3);
    training.stop();
    assert_eq!(ran.records(&names.retraining), 3);
    let answers: Vec<Value> =
        deployment.rows(&names.retraining).into_iter().filter(|row| row["state"] != "REQUESTED").collect();
    let [answer] = answers.as_slice() else { panic!("{answers:?}") };
    assert_eq!((&answer["state"], &answer["result"]["promoted"]), (&"COMPLETED".into(), &true.into()), "{answer}");
    publish_events(deployment, HISTORY_DAYS + 2..HISTORY_DAYS + 3);
    ran.wait_for_predictions(3 * EVENTS_PER_DAY);

    let second = answer["result"]["model_digest"].as_str().unwrap();
    let predictions = ran.predictions();
    let ids: Vec<i64> = predictions.keys().copied().collect();
    assert_eq!(ids, transactions(HISTORY_DAYS..HISTORY_DAYS + 3).id);
    for (id, (digest, _)) in &predictions {
        match id / EVENTS_PER_DAY - HISTORY_DAYS {
            0 => assert_eq!(*digest, first.published.digest, "{id}"),
            1 => assert!(*digest == first.published.digest || digest == second, "{id}"),
            _ => assert_eq!(digest, second, "{id}"),
        }
    }
    let standings: Vec<(Value, Value)> =
        deployment.rows(&names.models).iter().map(|row| (row["version"].clone(), row["standing"].clone())).collect();
    let expected = [("1", "CHAMPION"), ("2", "CHAMPION"), ("1", "RETIRED")];
    assert_eq!(standings, expected.map(|(version, standing)| (version.into(), standing.into())));
    ran.stop();
}

#[test]
fn archived_features_score_as_the_stream_did_and_a_dataset_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let ran = Loop::start(dir.path());
    let (surroundings, context) = (&ran.surroundings, &ran.deployment.context);
    let first = trainer::first_model(surroundings, "fraud").unwrap().unwrap();
    // One event in twenty is a fraud; arrival order moves the risks of terminals a little, and so the model.
    assert!(first.candidate.metrics["average_precision"].value > 0.5, "{:?}", first.candidate.metrics);
    publish_events(&ran.deployment, HISTORY_DAYS..HISTORY_DAYS + 1);
    ran.wait_for_predictions(EVENTS_PER_DAY);
    ran.wait(|| ran.archived());

    let (_, model) = trainer::open(&surroundings.models(), "fraud", Version::Latest).unwrap();
    let predictions = ran.predictions();
    let mut scored = 0;
    let archive = Archive::new(surroundings.store.clone());
    for part in archive.read(&context.plan.names.features_log, &Selection::default()).unwrap() {
        let rows = part.unwrap().rows;
        let scores = trainer::score(&model, &rows).unwrap().scores;
        let ids = rows["id"].as_string::<i32>();
        for row in (0..rows.num_rows()).filter(|row| ids.is_valid(*row)) {
            if let Some((_, score)) = predictions.get(&ids.value(row).parse().unwrap()) {
                assert_eq!((scores.value(row) as f32).to_bits(), score.to_bits(), "{}", ids.value(row));
                scored += 1;
            }
        }
    }
    assert_eq!(scored, EVENTS_PER_DAY);

    let declared = &context.pipeline.models[0];
    let inputs = trainer::Inputs::archived(&context.pipeline, &context.plan, declared, &surroundings.store);
    let again = trainer::load(inputs, &surroundings.store, &first.dataset).unwrap().unwrap();
    assert_eq!(again.digest, first.dataset);
    assert_eq!(first.candidate.model.manifest().dataset.digest, first.dataset);
    assert_eq!(again.rows.len() as u64, first.rows);
    let labels = again.table["label"].as_primitive::<Float64Type>();
    assert_eq!(labels.values().iter().filter(|label| **label > 0.0).count() as u64, first.positives);
    // Trained again on it, the model is the same to the byte.
    let inputs = trainer::Inputs::archived(&context.pipeline, &context.plan, declared, &surroundings.store);
    let holdout = trainer::newest(&context.pipeline, declared, &inputs).unwrap().holdout;
    let holdout = trainer::dataset(&context.pipeline, &inputs, &holdout).unwrap();
    let twin = trainer::train(&context.pipeline, declared, &again, Some(&holdout), None).unwrap();
    assert_eq!(twin.artefact.digest(), first.published.digest);
    ran.stop();
}

#[test]
fn a_request_is_answered_alike_however_often_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let ran = Loop::start(dir.path());
    let surroundings = &ran.surroundings;
    let wish = request("wish/2");
    let told = trainer::answer(surroundings, &wish, (0, 0)).unwrap().unwrap();
    assert_eq!(told.request["state"], "COMPLETED");
    // The same record again after a crash, then a copy of it.
    assert_eq!(trainer::answer(surroundings, &wish, (0, 0)).unwrap().unwrap(), told);
    assert_eq!(trainer::answer(surroundings, &wish, (0, 1)).unwrap(), None);
    // No label is that old: the data is to blame, and that is the answer.
    let hopeless = Request { data_from_us: 0, data_to_us: 1, ..request("wish/3") };
    let told = trainer::answer(surroundings, &hopeless, (0, 2)).unwrap().unwrap();
    assert_eq!((&told.request["state"], told.announcements.len()), (&"FAILED".into(), 0));
    let unknown = Request { model: "other".to_owned(), ..request("wish/4") };
    let told = trainer::answer(surroundings, &unknown, (0, 3)).unwrap().unwrap();
    assert_eq!(told.request["state"], "REFUSED");
    assert_eq!(surroundings.models().list("fraud").unwrap().len(), 1);
    // Back to it by hand: the same version again is the same control state.
    let Surroundings { context, decisions, .. } = surroundings;
    let promote = |version| {
        let terms = trainer::Terms::default();
        trainer::promote_version(context, &surroundings.models(), decisions, ("fraud", version), terms).unwrap()
    };
    let promoted = promote(Version::Latest);
    assert_eq!(trainer::champion(context, decisions).unwrap(), promoted.control.champion);
    let again = promote(Version::Number(1));
    assert_eq!(again, promoted);
    ran.stop();
}
