//! Promotions in the middle of a history: promoters that die half way, promoters that race, models that cannot be loaded,
//! and operators who declare fences void.

use super::cluster::Cluster;
use flow::fence::ModelRef;
use registry::decisions::Decisions;
use runtime::context::Context;
use runtime::log::{Commit, Committed, Log, Result as LogResult, Session, SessionOptions, TopicPartition, TopicSpec};
use runtime::simulated::Simulated;
use scorer::{PromoteError, Promotion, Readiness};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

/// In so many of a hundred promotions the model cannot be loaded.
const BAD: u32 = 20;
/// Promoters that die, and those that are overtaken.
const DYING: u32 = 40;
const RACING: u32 = 50;
/// Calls within which that happens.
const CALLS: usize = 12;

/// A promoter's log: at one of its calls somebody else makes a whole promotion.
struct Racing {
    log: Simulated,
    left: AtomicI64,
    rival: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Racing {
    fn beat(&self) -> &Simulated {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 0
            && let Some(rival) = self.rival.lock().unwrap().take()
        {
            rival();
        }
        &self.log
    }
}

impl Log for Racing {
    fn create_topics(&self, specs: &[TopicSpec]) -> LogResult<()> {
        self.beat().create_topics(specs)
    }

    fn add_partitions(&self, topic: &str, partitions: i32) -> LogResult<()> {
        self.beat().add_partitions(topic, partitions)
    }

    fn delete_topics(&self, names: &[&str]) -> LogResult<()> {
        self.beat().delete_topics(names)
    }

    fn partitions(&self, topic: &str) -> LogResult<Option<i32>> {
        self.beat().partitions(topic)
    }

    fn topics(&self) -> LogResult<Vec<String>> {
        self.beat().topics()
    }

    fn watermarks(&self, tp: &TopicPartition) -> LogResult<(i64, i64)> {
        self.beat().watermarks(tp)
    }

    fn offset_at(&self, tp: &TopicPartition, time_ms: i64) -> LogResult<Option<i64>> {
        self.beat().offset_at(tp, time_ms)
    }

    fn committed(&self, group: &str, tps: &[TopicPartition]) -> LogResult<Vec<Option<Committed>>> {
        self.beat().committed(group, tps)
    }

    fn members(&self, group: &str) -> LogResult<Vec<String>> {
        self.beat().members(group)
    }

    fn set_committed(&self, group: &str, commits: &[Commit]) -> LogResult<()> {
        self.beat().set_committed(group, commits)
    }

    fn session(&self, options: SessionOptions) -> LogResult<Box<dyn Session>> {
        self.beat().session(options)
    }
}

fn promote(context: &Context, decisions: &Decisions, model: &ModelRef) -> Result<Promotion, PromoteError> {
    scorer::promote_with(context, decisions, model.clone(), None, Readiness::Skipped)
}

impl Cluster {
    fn any_model(&mut self) -> ModelRef {
        let good = self.shared.good[self.random.below(self.shared.good.len())].clone();
        if self.random.percent(BAD) { ModelRef { version: 9, digest: "0".repeat(64), ..good } } else { good }
    }

    fn on(&self, log: Arc<dyn Log>) -> Context {
        Context { log, ..self.context.clone() }
    }

    /// Somebody promotes a model, and may die or be overtaken on the way.
    pub fn promote(&mut self) -> Result<(), String> {
        let (model, other) = (self.any_model(), self.any_model());
        let decisions = self.shared.decisions.clone();
        let (process, rival) = (self.log.process(), self.on(Arc::new(self.log.process())));
        let (dies, races) = (self.random.percent(DYING), self.random.percent(RACING));
        if dies {
            process.crash_after(self.random.below(CALLS) as u64);
        }
        let calls = if races { self.random.below(CALLS) as i64 } else { i64::MAX };
        let theirs = decisions.clone();
        let rival: Box<dyn FnOnce() + Send> = Box::new(move || drop(promote(&rival, &theirs, &other)));
        let racing = Racing { log: process.clone(), left: AtomicI64::new(calls), rival: Mutex::new(Some(rival)) };
        match promote(&self.on(Arc::new(racing)), &decisions, &model) {
            Err(error) if !process.crashed() && !is_usual(&error) => Err(format!("a promotion failed: {error}")),
            _ => Ok(()),
        }
    }

    /// An operator declares a fence void, which may come too early or too late.
    pub fn void(&mut self, number: u64, partition: i32) -> Result<(), String> {
        match scorer::declare_void(&self.context, &self.shared.decisions, number, partition, "the simulation wants it")
        {
            Err(PromoteError::NoFence { .. } | PromoteError::Taken { .. }) | Ok(()) => Ok(()),
            Err(error) => Err(format!("a fence could not be declared void: {error}")),
        }
    }

    /// A last promotion, which nobody disturbs.
    pub fn promote_at_last(&mut self) -> Result<(), String> {
        let model = self.shared.good[0].clone();
        match promote(&self.context, &self.shared.decisions, &model) {
            Err(error) => Err(format!("the last promotion failed: {error}")),
            Ok(_) => Ok(()),
        }
    }

    /// Whether all partitions have come to what was promoted last.
    pub fn all_promoted(&self) -> Result<(), String> {
        let history = scorer::History::of(&self.context, &self.shared.decisions).map_err(|error| error.to_string())?;
        let Some(passed) = history.passed().map_err(|error| error.to_string())? else { return Ok(()) };
        match scorer::complete(&self.context, &self.shared.decisions, passed.number) {
            Ok(true) => Ok(()),
            other => Err(format!("control state {} is not in force everywhere: {other:?}", passed.number)),
        }
    }
}

fn is_usual(error: &PromoteError) -> bool {
    matches!(error, PromoteError::Lost { .. } | PromoteError::Withdrawn { .. } | PromoteError::Unsteady { .. })
}
