//! A pipeline running in this process over any log, and its features log read back.

use arrow::array::{Array, AsArray};
use arrow::datatypes::Float64Type;
use flow::config::Pipeline;
use flow::names::Place;
use flow::plan::Service as Planned;
use flow::sequencer::{Sequencer, Step};
use flow::wire::Raw;
use registry::decisions::Decisions;
use registry::schemas::FileRegistry;
use registry::store::Store;
use runtime::context::Context;
use runtime::ledger::Target;
use runtime::log::{Input, Log, Publish, SessionOptions, TopicPartition};
use runtime::shell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longest a pipeline may take to bring out what was published, in milliseconds. A limit on hanging, no timing.
const DRAIN_MS_MAX: u64 = 600_000;

/// The text of the shipped fraud pipeline with some of it replaced.
pub fn fraud_text(replace: &[(&str, &str)]) -> String {
    let mut text = include_str!("../../topologies/pipelines/fraud.yaml").to_owned();
    for (from, to) in replace {
        assert!(text.contains(from), "fraud.yaml says {from:?}");
        text = text.replace(from, to);
    }
    text
}

/// The shipped fraud pipeline with some of its text replaced.
pub fn fraud(replace: &[(&str, &str)]) -> Pipeline {
    let text = fraud_text(replace);
    let resolve = |path: &str| schemas::contracts::avro(path).map(str::to_owned).ok_or_else(|| "no such schema".into());
    flow::config::parse(&text, &resolve).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// A pipeline applied to a log, its decisions and schemas in a store.
pub struct Deployment {
    /// Surroundings of the services.
    pub context: Context,
    decisions: Decisions,
    store: Store,
}

impl Deployment {
    /// Creates topics, schemas and first fences.
    pub fn new(log: Arc<dyn Log>, store: Store, pipeline: Pipeline) -> Self {
        let plan = flow::plan::plan(&pipeline);
        let schemas = Arc::new(FileRegistry::new(store.clone()));
        let context = Context::new(log, schemas, pipeline, plan);
        runtime::apply::apply(&context).unwrap_or_else(|error| panic!("{error}"));
        Deployment { context, decisions: Decisions::new(store.clone()), store }
    }

    /// Publishes records, in order, and waits until they are acknowledged.
    pub fn publish(&self, records: Vec<Publish>) {
        let options = SessionOptions { durable: true, ..SessionOptions::new("test.publisher", Input::None) };
        let mut session = self.context.log.session(options).unwrap_or_else(|error| panic!("{error}"));
        for record in records {
            session.publish(record).unwrap_or_else(|error| panic!("{error}"));
        }
        session.flush().unwrap_or_else(|error| panic!("{error}"));
        session.close().unwrap_or_else(|error| panic!("{error}"));
    }

    /// Runs validator, stages and journal, a thread each.
    pub fn start(&self, commit_interval: Duration, idle_timeout: Duration) -> Running {
        let mut running = self.start_validator(idle_timeout);
        self.start_featurizer(commit_interval, &mut running);
        running
    }

    /// Runs the validator in a thread.
    pub fn start_validator(&self, idle_timeout: Duration) -> Running {
        let mut running = Running::default();
        let context = self.context.clone().stopped_by(running.stop.clone());
        let decisions = self.decisions.clone();
        let options = validator::Options { idle_timeout, ..validator::Options::new(&context.pipeline) };
        running.spawn(move || validator::run(context, decisions, options).map_err(|error| error.to_string()));
        running
    }

    /// Runs stages and journal, a thread each.
    pub fn start_featurizer(&self, commit_interval: Duration, running: &mut Running) {
        for (at, (role, reads)) in featurizer::Featurizer::roles(&self.context).into_iter().enumerate() {
            let (context, stop) = (self.context.clone(), running.stop.clone());
            running.spawn(move || {
                let task = context.plan.tasks_of(Planned::Featurizer).find(|task| task.reads.contains(&reads));
                let group = task.map(|task| task.group_id.clone()).ok_or("the plan has no such task")?;
                let transactional = context.plan.transactional(&group, context.pipeline.delivery);
                let options = shell::Options::new(format!("featurizer.{at}"), group, vec![reads]);
                let ledger = Some(Target::of(&context).map_err(|error| error.to_string())?);
                let options = shell::Options { commit_interval, ledger, ..options.transactional(transactional) };
                let log = context.log.clone();
                let mut service = featurizer::Featurizer::new(context, role);
                shell::run(&*log, &options, &mut service, &stop).map_err(|error| error.to_string())
            });
        }
    }

    /// Decisions that hold for every process.
    pub fn decisions(&self) -> &Decisions {
        &self.decisions
    }

    /// Runs the scorer in a thread.
    pub fn start_scorer(&self, commit_interval: Duration, running: &mut Running) {
        let options = shell::Options::new(
            "scorer",
            scorer::group(&self.context),
            vec![self.context.plan.names.features_log.clone()],
        );
        let service = scorer::Scorer::new(self.context.clone(), self.decisions.clone(), self.models());
        self.serve(shell::Options { commit_interval, ..options }, service, running);
    }

    /// Runs all tasks of the monitor, a thread each.
    pub fn start_monitor(&self, commit_interval: Duration, running: &mut Running) {
        for (role, group, log) in monitor::Monitor::roles(&self.context) {
            let options = shell::Options::new(format!("monitor.{}", role.name()), group, vec![log]);
            self.serve(shell::Options { commit_interval, ..options }, self.monitor(role), running);
        }
    }

    /// A service of the monitor.
    pub fn monitor(&self, role: monitor::Role) -> monitor::Monitor {
        let profiles = Arc::new(monitor::ModelProfiles::new(self.models()));
        let fences = scorer::RegistryFences::new(self.decisions.clone(), self.context.stop.clone());
        let fences = Arc::new(fences.of(scorer::MONITOR));
        monitor::Monitor::new(self.context.clone(), profiles, fences, role)
    }

    fn models(&self) -> Arc<scorer::RegistryModels> {
        Arc::new(scorer::RegistryModels::new(registry::models::Models::new(self.store.clone())))
    }

    fn serve(&self, options: shell::Options, mut service: impl shell::Service + 'static, running: &mut Running) {
        let transactional = self.context.plan.transactional(&options.group, self.context.pipeline.delivery);
        let ledger = Some(Target::of(&self.context).unwrap_or_else(|error| panic!("{error}")));
        let options =
            shell::Options { commit_interval: options.commit_interval, ledger, ..options.transactional(transactional) };
        let (log, stop) = (self.context.log.clone(), running.stop.clone());
        running.spawn(move || shell::run(&*log, &options, &mut service, &stop).map_err(|error| error.to_string()));
    }

    /// Everything in a public topic now, as JSON, partition after partition; what was published twice counts once.
    pub fn rows(&self, topic: &str) -> Vec<serde_json::Value> {
        let fail = |error: &dyn std::fmt::Display| -> ! { panic!("{topic}: {error}") };
        let partitions = self.context.topic(topic).unwrap_or_else(|error| fail(&error)).partitions as i32;
        let schema = self.context.schema(topic).unwrap_or_else(|error| fail(&error));
        let source = self.context.schema_source();
        let mut decoder = schemas::Decoder::new(&schema).unwrap_or_else(|error| fail(&error));
        let (mut rows, mut seen) = (Vec::new(), BTreeSet::new());
        for partition in 0..partitions {
            let tp = TopicPartition::new(topic, partition);
            let (start, end) = self.context.log.watermarks(&tp).unwrap_or_else(|error| fail(&error));
            let options = SessionOptions::new("test.rows", Input::Assigned(vec![(tp, start)]));
            let mut session = self.context.log.session(options).unwrap_or_else(|error| fail(&error));
            let mut next = start;
            while next < end {
                let poll = session.poll(Duration::from_millis(200)).unwrap_or_else(|error| fail(&error));
                for record in poll.records.into_iter().flat_map(|(_, records)| records) {
                    next = record.offset + 1;
                    let id = record.headers.iter().find(|header| &*header.name == "ce_id");
                    if id.is_some_and(|id| !seen.insert(id.value.clone())) {
                        continue;
                    }
                    let framed =
                        schemas::framing::split(record.value.as_deref(), []).unwrap_or_else(|reject| fail(&reject));
                    if !decoder.knows(framed.id) {
                        let schema = source.schema(framed.id).unwrap_or_else(|| fail(&"unknown schema"));
                        decoder.add_writer(framed.id, &schema).unwrap_or_else(|error| fail(&error));
                    }
                    rows.extend(json(&decoder.decode(&[framed]).batch));
                }
            }
        }
        rows
    }

    /// Waits until something is so, while the given services run.
    pub fn wait(&self, running: &[&Running], done: impl Fn() -> bool) {
        let started = Instant::now();
        while !done() {
            running.iter().for_each(|running| running.check());
            assert!(started.elapsed().as_millis() < u128::from(DRAIN_MS_MAX), "what was waited for did not come");
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }

    /// Features by event id from the features log, waiting until `count` events are there; repeats are dropped as
    /// every reader does.
    pub fn features(&self, count: usize, running: &Running) -> Features {
        self.features_until(count, running, |_| {})
    }

    /// The same, telling how many events are there after every poll.
    pub fn features_until(&self, count: usize, running: &Running, mut each: impl FnMut(usize)) -> Features {
        let context = &self.context;
        let log = &context.plan.names.features_log;
        let partitions = context.topic(log).map(|topic| topic.partitions).unwrap_or_default();
        let starts = (0..partitions as i32).map(|partition| (TopicPartition::new(log.as_str(), partition), 0));
        let options = SessionOptions::new("test.reader", Input::Assigned(starts.collect()));
        let mut session = context.log.session(options).unwrap_or_else(|error| panic!("{error}"));
        let mut reader = context.reader(log).unwrap_or_else(|error| panic!("{error}"));
        let source = context.schema_source();
        let topic = context.number(log).unwrap_or_else(|error| panic!("{error}"));
        let mut sequencers: BTreeMap<i32, Sequencer> = (0..partitions as i32)
            .map(|partition| {
                let own = Place { topic, partition: partition as u16 };
                (partition, Sequencer::new(own, context.names.clone(), false))
            })
            .collect();
        let mut found = BTreeMap::new();
        let started = Instant::now();
        while found.len() < count {
            running.check();
            assert!(
                started.elapsed().as_millis() < u128::from(DRAIN_MS_MAX),
                "{} of {count} events came out",
                found.len()
            );
            let poll = session.poll(Duration::from_millis(200)).unwrap_or_else(|error| panic!("{error}"));
            for (tp, records) in poll.records {
                let mut raw = Vec::new();
                for record in &records {
                    let framed = schemas::framing::split(record.value.as_deref(), [])
                        .unwrap_or_else(|reject| panic!("{tp}@{}: {reject}", record.offset));
                    if !reader.knows(framed.id) {
                        let schema = source.schema(framed.id).unwrap_or_else(|| panic!("schema {}", framed.id));
                        reader.add_writer(framed.id, &schema).unwrap_or_else(|error| panic!("{error}"));
                    }
                    raw.push(Raw { offset: record.offset, append_time_ms: record.append_time_ms, framed });
                }
                let batch = reader.decode(&raw).unwrap_or_else(|error| panic!("{tp}: {error}"));
                let Some(sequencer) = sequencers.get_mut(&tp.partition) else { continue };
                let run = sequencer.run(&batch, |_, step, _| {
                    if let Step::Item(items, row) = step {
                        let features = items.features().map(|features| {
                            let value = |column: &arrow::array::ArrayRef| {
                                let column = column.as_primitive::<Float64Type>();
                                column.is_valid(row).then(|| column.value(row))
                            };
                            features.columns().iter().map(value).collect::<Vec<_>>()
                        });
                        let before = found.insert(items.ids().value(row).to_owned(), features.unwrap_or_default());
                        assert!(before.is_none(), "event {} came twice", items.ids().value(row));
                    }
                    Ok(())
                });
                run.unwrap_or_else(|stop| panic!("{tp}: {stop}"));
            }
            each(found.len());
        }
        found
    }
}

/// Rows of a batch as JSON.
fn json(batch: &arrow::array::RecordBatch) -> Vec<serde_json::Value> {
    let mut writer = arrow::json::ArrayWriter::new(Vec::new());
    writer.write(batch).unwrap_or_else(|error| panic!("{error}"));
    writer.finish().unwrap_or_else(|error| panic!("{error}"));
    serde_json::from_slice(&writer.into_inner()).unwrap_or_else(|error| panic!("{error}"))
}

/// Features by event id.
pub type Features = BTreeMap<String, Vec<Option<f64>>>;

/// Services running in threads.
#[derive(Default)]
pub struct Running {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<(), String>>>,
}

impl Running {
    fn spawn(&mut self, run: impl FnOnce() -> Result<(), String> + Send + 'static) {
        self.threads.push(std::thread::spawn(run));
    }

    /// Fails when a service ended before it was asked to.
    pub fn check(&self) {
        assert!(!self.ended(), "a service ended early; stop() says why");
    }

    /// Whether a service ended before it was asked to.
    pub fn ended(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Asks all services to end and returns what went wrong.
    pub fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        let ended =
            self.threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked".into())));
        ended.filter_map(Result::err).collect()
    }
}
