//! Processes of all services over a simulated log, one step at a time, in an order that a seed decides.

use super::pipeline;
use featurizer::{Featurizer, Role};
use flow::plan::Service as Task;
use registry::decisions::Decisions;
use registry::store::Store;
use runtime::context::Context;
use runtime::log::{Input, Log, Publish, Session, SessionOptions, TopicPartition};
use runtime::shell::{self, Options, Service, Worker};
use runtime::simulated::{Faults, Random, Simulated};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use validator::{Clock, ProgressWriter, Published, ValidatorService};

/// How a test may put something between a process and its log.
pub type Wrap = fn(Simulated, u64) -> Arc<dyn Log>;

/// Longest wait of a poll, in simulated time.
const POLL_WAIT: Duration = Duration::from_millis(20);
/// Silence that no simulation sees the end of: publishers say when they are done.
const NEVER: Duration = Duration::from_secs(36_000);
/// Rounds without any change after which everything has come out.
const QUIET_ROUNDS: usize = 5;
/// Rounds after which something hangs.
const ROUNDS_MAX: usize = 500;

/// One service's task: what it is, and which group and topics it reads.
#[derive(Clone)]
struct Kind {
    role: Option<Role>,
    group: String,
    topics: Vec<String>,
}

struct Process {
    kind: usize,
    log: Simulated,
    service: Option<Box<dyn Service>>,
    worker: Option<Worker>,
}

/// The cluster with its processes.
pub struct Cluster {
    pub context: Context,
    log: Simulated,
    decisions: Decisions,
    kinds: Vec<Kind>,
    processes: Vec<Process>,
    publisher: Box<dyn Session>,
    unpublished: std::vec::IntoIter<Publish>,
    said: bool,
    committed: BTreeMap<(String, TopicPartition), i64>,
    random: Random,
    wrap: Wrap,
    begin: (Instant, i64),
}

impl Cluster {
    /// Topics, first fences, and so many processes of each service; nothing is published yet.
    pub fn new(base: &Context, log: Simulated, seed: u64, count: usize, wrap: Wrap) -> Self {
        let context = Context { log: Arc::new(log.clone()), ..base.clone() };
        runtime::apply::apply(&context).unwrap();
        let plan = &context.plan;
        let validators = plan.tasks_of(Task::Validator).next().unwrap().group_id.clone();
        let mut kinds = vec![Kind { role: None, group: validators, topics: plan.names.sources().cloned().collect() }];
        for (at, (role, reads)) in Featurizer::roles(&context).into_iter().enumerate() {
            kinds.push(Kind { role: Some(role), group: format!("t.featurizer.{at}"), topics: vec![reads] });
        }
        let publisher = log.session(SessionOptions::new("publisher", Input::None)).unwrap();
        let mut cluster = Cluster {
            decisions: Decisions::new(Store::memory()),
            processes: Vec::new(),
            unpublished: Vec::new().into_iter(),
            said: false,
            committed: BTreeMap::new(),
            random: Random::new(seed),
            begin: (Instant::now(), log.now_ms()),
            publisher,
            context,
            log,
            kinds,
            wrap,
        };
        for kind in 0..cluster.kinds.len() {
            (0..count).for_each(|_| cluster.start(kind));
        }
        cluster
    }

    /// What is to be published, bit by bit.
    pub fn publish(&mut self, records: Vec<Publish>) {
        self.unpublished = records.into_iter();
    }

    fn start(&mut self, kind: usize) {
        self.processes.push(Process { kind, log: self.log.process(), service: None, worker: None });
    }

    /// The service of a process, made when it is first needed; a crash may prevent it.
    fn service(&mut self, at: usize) -> Result<Box<dyn Service>, String> {
        let log = self.processes[at].log.clone();
        let salt = self.random.number();
        let context = Context { log: (self.wrap)(log.clone(), salt), ..self.context.clone() };
        let Some(role) = self.kinds[self.processes[at].kind].role else {
            let (instant, begin_ms) = self.begin;
            let clock = Clock::new(move || instant + Duration::from_millis((log.now_ms() - begin_ms).unsigned_abs()));
            let options =
                validator::Options { idle_timeout: NEVER, clock, ..validator::Options::new(&context.pipeline) };
            let service = ValidatorService::new(context, self.decisions.clone(), options);
            return service.map(|service| Box::new(service) as Box<dyn Service>).map_err(|error| error.to_string());
        };
        Ok(Box::new(Featurizer::new(context, role)))
    }

    /// One step of a process: it starts, joins, or polls; with `commit` it commits.
    fn step(&mut self, at: usize, commit: bool) -> Result<(), String> {
        if self.processes[at].service.is_none() {
            match self.service(at) {
                Ok(service) => self.processes[at].service = Some(service),
                Err(_) if self.processes[at].log.crashed() => return self.crash(at),
                Err(error) => return Err(error),
            }
        }
        let salt = self.random.number();
        let process = &mut self.processes[at];
        let Some(service) = process.service.as_mut() else { return Ok(()) };
        let outcome = match &mut process.worker {
            Some(worker) if commit => worker.commit(),
            Some(worker) => worker.step(service.as_mut()).map(|_| ()),
            none => {
                let Kind { group, topics, .. } = &self.kinds[process.kind];
                let options = Options { poll_wait: POLL_WAIT, ..Options::new("simulated", group, topics.clone()) };
                let log = (self.wrap)(process.log.clone(), salt);
                Worker::join(&*log, &options).map(|worker| *none = Some(worker))
            }
        };
        match outcome {
            Ok(()) => Ok(()),
            Err(_) if process.log.crashed() => self.crash(at),
            // As the shell's loop does: the same process joins again.
            Err(shell::Error::Log(error)) if error.is_retriable() || error.is_fenced() => {
                process.worker = None;
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// A process dies, and another one takes its place.
    fn crash(&mut self, at: usize) -> Result<(), String> {
        let log = self.log.process();
        let process = &mut self.processes[at];
        process.log.crash_after(0);
        process.worker = None;
        process.service = None;
        process.log = log;
        Ok(())
    }

    fn publish_some(&mut self, count: usize) {
        for record in self.unpublished.by_ref().take(count) {
            self.publisher.publish(record).unwrap();
        }
        if self.unpublished.len() == 0 && !self.said {
            self.said = true;
            self.publisher.flush().unwrap();
            let mut writer = ProgressWriter::open(&self.context).unwrap();
            for topic in self.context.plan.names.sources() {
                for partition in 0..pipeline::PARTITIONS {
                    let tp = TopicPartition::new(topic.as_str(), partition);
                    let (_, to) = self.log.watermarks(&tp).unwrap();
                    let word = writer.done(&tp, Published { from: 0, to, records: to }).unwrap();
                    self.publisher.publish(word).unwrap();
                }
            }
            self.publisher.flush().unwrap();
        }
    }

    /// Something happens.
    pub fn act(&mut self) -> Result<(), String> {
        self.log.advance(self.random.below(300) as i64);
        let at = self.random.below(self.processes.len());
        match self.random.below(100) {
            0..8 => {
                let count = 1 + self.random.below(20);
                self.publish_some(count);
            }
            8..70 => self.step(at, false)?,
            70..86 => self.step(at, true)?,
            86..89 => self.crash(at)?,
            89..92 => self.processes[at].log.crash_after(self.random.below(25) as u64),
            92..95 => self.processes[at].log.expel(),
            95..96 => self.processes[at].worker = None,
            _ => self.log.turn(),
        }
        self.commits_never_fall()
    }

    fn commits_never_fall(&mut self) -> Result<(), String> {
        for (name, tp) in self.inputs() {
            let Some(found) = self.log.committed(&name, std::slice::from_ref(&tp)).unwrap().remove(0) else { continue };
            let last = self.committed.entry((name, tp.clone())).or_insert(0);
            if found.offset < *last {
                return Err(format!("{tp}: the committed offset fell from {last} to {}", found.offset));
            }
            *last = found.offset;
        }
        Ok(())
    }

    /// Every group with every partition it reads.
    fn inputs(&self) -> Vec<(String, TopicPartition)> {
        let partitions = |kind: &Kind| {
            let group = kind.group.clone();
            let topics = kind.topics.clone().into_iter();
            topics.flat_map(move |topic| {
                let group = group.clone();
                (0..pipeline::PARTITIONS)
                    .map(move |number| (group.clone(), TopicPartition::new(topic.as_str(), number)))
            })
        };
        self.kinds.iter().flat_map(partitions).collect()
    }

    /// Nothing goes wrong any more: everybody works until nothing is left to do.
    pub fn drain(&mut self) -> Result<(), String> {
        self.log.set_faults(Faults::none());
        self.log.turn();
        self.publish_some(usize::MAX);
        let (mut last, mut quiet) = (Vec::new(), 0);
        for _ in 0..ROUNDS_MAX {
            for at in 0..self.processes.len() {
                self.step(at, false)?;
                self.step(at, true)?;
            }
            self.log.advance(2_000);
            let ends: Vec<i64> = self.inputs().iter().map(|(_, tp)| self.log.watermarks(tp).unwrap().1).collect();
            let committed: Vec<i64> = self
                .inputs()
                .iter()
                .map(|(group, tp)| {
                    let found = self.log.committed(group, std::slice::from_ref(tp)).unwrap().remove(0);
                    found.map_or(0, |committed| committed.offset)
                })
                .collect();
            quiet = if ends == committed && ends == last { quiet + 1 } else { 0 };
            if quiet == QUIET_ROUNDS {
                return Ok(());
            }
            last = ends;
        }
        Err(format!("not drained after {ROUNDS_MAX} rounds"))
    }
}
