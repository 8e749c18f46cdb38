//! Processes of all services over a simulated log, one step at a time, in an order that a seed decides.

use super::check::Reference;
use super::contents::partitions;
use super::exact::Exact;
use super::pipeline;
use super::plot::{Plot, Theme};
use super::process::{Kind, Process, Role, Stepped};
use super::retries;
use super::schemas::Learning;
use super::sessions::Bug;
use flow::fence::ModelRef;
use registry::decisions::Decisions;
use registry::store::Store;
use runtime::context::Context;
use runtime::log::{Input, Log, Publish, Session, SessionOptions, TopicPartition};
use runtime::simulated::{Faults, Random, Simulated};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;
use validator::{ProgressWriter, Published};

/// Rounds without any change after which everything has come out.
const QUIET_ROUNDS: usize = 3;
/// Rounds after which something hangs.
const ROUNDS_MAX: usize = 400;

/// What is between processes and their log.
#[derive(Debug, Clone, Copy)]
pub struct Wrap(pub Option<Bug>);

/// What all processes of a history share beside the log.
#[derive(Clone)]
pub struct Shared {
    pub plot: Arc<Plot>,
    pub decisions: Decisions,
    pub models: Arc<dyn scoring::Models>,
    /// Models that can be loaded.
    pub good: Vec<ModelRef>,
    /// Where snapshots are, if they are taken.
    pub snapshots: Option<Store>,
    /// The beginning, by the computer's clock and by the simulated one.
    pub begin: (Instant, i64),
}

/// The cluster with its processes.
pub struct Cluster {
    pub context: Context,
    pub shared: Shared,
    pub kinds: Vec<Kind>,
    pub log: Simulated,
    pub random: Random,
    pub exact: Option<Exact>,
    /// What processes start with once there are new rules.
    later: Option<Context>,
    learning: Arc<Learning>,
    processes: Vec<Process>,
    publisher: Box<dyn Session>,
    unpublished: std::vec::IntoIter<Publish>,
    /// Source partitions that get no more records, as everybody was told.
    said: BTreeSet<TopicPartition>,
    committed: BTreeMap<(usize, TopicPartition), i64>,
    wrap: Wrap,
}

impl Cluster {
    /// Topics, first fences, and so many processes of each service; nothing is published yet.
    pub fn new(reference: &Reference, log: Simulated, plot: Plot, wrap: Wrap) -> Self {
        let exactly_once = plot.has(Theme::ExactlyOnce);
        let [base, later] = reference.contexts(exactly_once);
        let learning = Learning::new(base.schemas.clone(), reference.later_schema, !plot.has(Theme::LateSchema));
        let learning = Arc::new(learning);
        let of = |base: &Context| Context { log: Arc::new(log.clone()), schemas: learning.clone(), ..base.clone() };
        let (context, later) = (of(base), plot.has(Theme::NewRules).then(|| of(later)));
        runtime::apply::apply(&context).unwrap();
        let kinds = Kind::all(&context, plot.has(Theme::Promotions));
        let count = kinds.len() * plot.processes;
        let shared = Shared {
            decisions: Decisions::new(Store::memory()),
            models: reference.models.clone(),
            good: reference.good.clone(),
            snapshots: plot.has(Theme::Snapshots).then(Store::memory),
            begin: (Instant::now(), log.now_ms()),
            plot: Arc::new(plot),
        };
        Cluster {
            processes: (0..count).map(|at| Process::new(at % kinds.len(), log.process())).collect(),
            unpublished: reference.records(&context, shared.plot.input).into_iter(),
            publisher: log.session(SessionOptions::new("publisher", Input::None)).unwrap(),
            exact: exactly_once.then(|| Exact::new(&kinds)),
            random: Random::new(shared.plot.seed),
            said: BTreeSet::new(),
            committed: BTreeMap::new(),
            context,
            later,
            learning,
            shared,
            kinds,
            log,
            wrap,
        }
    }

    fn step(&mut self, at: usize, commit: bool) -> Result<(), String> {
        let salts = [self.random.number(), self.random.number()];
        let process = &mut self.processes[at];
        let kind = &self.kinds[process.kind];
        // Rules are for buckets that nobody opened; here every partition has but one.
        let is_source = |tp: &TopicPartition| self.context.plan.names.sources().any(|source| *source == *tp.topic);
        let mut opened = self.committed.iter().filter(|((kind, tp), _)| *kind == 0 && is_source(tp)).peekable();
        let is_later = opened.peek().is_some() && opened.all(|(_, offset)| *offset > 0);
        let later =
            self.later.as_ref().filter(|_| is_later && kind.role == Role::Validator && salts[0].is_multiple_of(2));
        let context = later.unwrap_or(&self.context);
        match process.step(kind, (context, &self.shared), (self.wrap, salts), commit)? {
            Stepped::Fine => Ok(()),
            Stepped::Crashed => {
                self.crash(at);
                Ok(())
            }
            Stepped::Fenced(number, partition) => self.void(number.unsigned_abs(), partition),
        }
    }

    /// A process dies, and another one takes its place.
    fn crash(&mut self, at: usize) {
        self.processes[at].log.crash_after(0);
        self.processes[at] = Process::new(self.processes[at].kind, self.log.process());
    }

    /// Somebody retries some letter, perhaps twice, whatever became of it before.
    fn retry_some(&mut self) -> Result<(), String> {
        let letters = retries::letters(self)?;
        if letters.is_empty() {
            return Ok(());
        }
        let (letter, twice) = (&letters[self.random.below(letters.len())], self.random.percent(30));
        for _ in 0..=usize::from(twice) {
            self.publisher.publish(letter.retry.clone()).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Everything that can be accepted by now and that nobody has retried, is. Answers how much that was.
    fn retry_open(&mut self) -> Result<usize, String> {
        let open = retries::open(self)?;
        for letter in &open {
            self.publisher.publish(letter.retry.clone()).map_err(|error| error.to_string())?;
        }
        self.publisher.flush().map_err(|error| error.to_string())?;
        Ok(open.len())
    }

    fn publish_some(&mut self, count: usize) {
        for record in self.unpublished.by_ref().take(count) {
            self.publisher.publish(record).unwrap();
        }
        let awaits = |tp: &TopicPartition| {
            let mut left = self.unpublished.as_slice().iter();
            left.any(|record| record.topic == tp.topic && record.partition == Some(tp.partition))
        };
        let sources = self.context.plan.names.sources().flat_map(|topic| partitions(topic));
        let done: Vec<_> = sources.filter(|tp| !self.said.contains(tp) && !awaits(tp)).collect();
        if done.is_empty() {
            return;
        }
        self.publisher.flush().unwrap();
        let mut writer = ProgressWriter::open(&self.context).unwrap();
        for tp in done {
            let (_, to) = self.log.watermarks(&tp).unwrap();
            let word = writer.done(&tp, Published { from: 0, to, records: to }).unwrap();
            self.publisher.publish(word).unwrap();
            self.said.insert(tp);
        }
        self.publisher.flush().unwrap();
    }

    /// Something happens.
    pub fn act(&mut self) -> Result<(), String> {
        self.log.advance(self.random.below(300) as i64);
        if self.shared.plot.has(Theme::Retries) && self.random.percent(10) {
            self.retry_some()?;
        }
        let at = self.random.below(self.processes.len());
        match self.random.below(100) {
            0..8 => {
                let count = 1 + self.random.below(20);
                self.publish_some(count);
            }
            8..66 => self.step(at, false)?,
            66..82 => self.step(at, true)?,
            82..85 => self.crash(at),
            85..88 => self.processes[at].log.crash_after(self.random.below(25) as u64),
            88..91 => self.processes[at].log.expel(),
            91..92 => self.processes[at].leave(),
            92..97 => self.turn_of_events()?,
            _ => self.log.turn(),
        }
        self.look()
    }

    /// What comes from outside.
    fn turn_of_events(&mut self) -> Result<(), String> {
        let has = |theme| self.shared.plot.has(theme);
        match self.random.below(4) {
            0 if has(Theme::Promotions) => self.promote()?,
            1 if has(Theme::Promotions) => {
                let (number, partition) = (1 + self.random.below(3), self.random.below(pipeline::PARTITIONS as usize));
                self.void(number as u64, partition as i32)?;
            }
            2 if has(Theme::LateSchema) && self.random.percent(40) => self.learning.learn(),
            3 => self.damage(),
            _ => {}
        }
        Ok(())
    }

    /// An object of the snapshots is lost, torn, or changed.
    fn damage(&mut self) {
        let Some(store) = &self.shared.snapshots else { return };
        let keys = store.list("snapshots").unwrap();
        if keys.is_empty() {
            return;
        }
        let key = &keys[self.random.below(keys.len())];
        let mut bytes = store.get(key).unwrap().to_vec();
        let at = self.random.below(bytes.len());
        match self.random.below(3) {
            0 => return store.delete(key).unwrap(),
            1 => bytes.truncate(at),
            _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1),
        }
        store.put(key, &bytes).unwrap();
    }

    /// Every group, by its kind, with every partition it reads.
    pub fn inputs(&self) -> Vec<(usize, TopicPartition)> {
        let topics =
            self.kinds.iter().enumerate().flat_map(|(at, kind)| kind.topics.iter().map(move |topic| (at, topic)));
        let all = topics.flat_map(|(at, topic)| {
            (0..pipeline::PARTITIONS).map(move |number| (at, TopicPartition::new(topic.as_str(), number)))
        });
        all.collect()
    }

    /// What must hold at any moment.
    fn look(&mut self) -> Result<(), String> {
        for (kind, tp) in self.inputs() {
            let found = self.log.committed_offset(&self.kinds[kind].group, &tp);
            let last = self.committed.entry((kind, tp.clone())).or_insert(0);
            if found < *last {
                return Err(format!("{tp}: the committed offset fell from {last} to {found}"));
            }
            *last = found;
        }
        self.exact.as_mut().map_or(Ok(()), |exact| exact.look(&self.log))
    }

    /// Nothing goes wrong any more: everybody works until nothing is left to do.
    pub fn drain(&mut self) -> Result<(), String> {
        self.log.set_faults(Faults::none());
        self.learning.learn();
        self.log.turn();
        self.publish_some(usize::MAX);
        if self.shared.plot.has(Theme::Promotions) {
            self.promote_at_last()?;
        }
        self.settle()?;
        while self.shared.plot.has(Theme::Retries) && self.retry_open()? > 0 {
            self.settle()?;
        }
        Ok(())
    }

    /// Everybody works until nothing is left to do.
    fn settle(&mut self) -> Result<(), String> {
        let inputs = self.inputs();
        let (mut last, mut quiet) = (Vec::new(), 0);
        for _ in 0..ROUNDS_MAX {
            for at in 0..self.processes.len() {
                self.step(at, false)?;
                self.step(at, true)?;
            }
            self.log.advance(2_000);
            self.look()?;
            let ends: Vec<i64> = inputs.iter().map(|(_, tp)| self.log.watermarks(tp).unwrap().1).collect();
            let offset = |(kind, tp): &(usize, TopicPartition)| self.log.committed_offset(&self.kinds[*kind].group, tp);
            let committed: Vec<i64> = inputs.iter().map(offset).collect();
            let restores = self.processes.iter().any(Process::restores);
            let is_quiet = ends == committed && ends == last && self.log.open_transactions() == 0 && !restores;
            quiet = if is_quiet { quiet + 1 } else { 0 };
            if quiet == QUIET_ROUNDS {
                return Ok(());
            }
            last = ends;
        }
        Err(format!("not drained after {ROUNDS_MAX} rounds"))
    }
}
