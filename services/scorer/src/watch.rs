//! A thread beside the scorer's shell: it follows the control topic, tries what is proposed there, and finishes fences
//! that their promoter wrote only in part. The shell learns of a verdict by looking at a number.

use crate::error::Error;
use crate::history::History;
use crate::promote::resume;
use crate::report::{Reports, Said};
use registry::decisions::Decisions;
use runtime::context::Context;
use runtime::log::{Input, SessionOptions};
use scoring::{Models, Settings};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// Longest single look at the topic, so that a stop is noticed.
const LOOK_MS: u64 = 200;
/// Pause between two looks for fences that are missing in some partitions.
const RESUME_MS: u64 = 2_000;
/// Pause before the topic is followed again after a failure.
const RETRY_MS: u64 = 1_000;

/// What came of trying a proposed control state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Which question it answers, rising; the same state may be asked about again.
    pub question: u64,
    /// Number of the control state.
    pub number: u64,
    /// Why it cannot be honoured, if it cannot.
    pub refusal: Option<String>,
}

#[derive(Debug, Default)]
struct Shared {
    question: AtomicU64,
    verdict: Mutex<Option<Verdict>>,
    stop: AtomicBool,
}

/// What a watcher needs.
pub(crate) struct Surroundings {
    pub context: Context,
    pub decisions: Decisions,
    pub models: Arc<dyn Models>,
    pub settings: Settings,
}

/// The running thread; it ends when this is dropped.
pub(crate) struct Watch {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub fn start(surroundings: Surroundings) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let mut watcher = Watcher { surroundings, shared: shared.clone() };
        let run = move || watcher.run();
        let thread = thread::Builder::new().name("scorer.watch".to_owned()).spawn(run)?;
        Ok(Watch { shared, thread: Some(thread) })
    }

    /// Number of the question that is open and was tried; 0 when there is none.
    pub fn question(&self) -> u64 {
        self.shared.question.load(Ordering::Acquire)
    }

    /// The newest verdict.
    pub fn verdict(&self) -> Option<Verdict> {
        self.shared.verdict.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It has nothing to give back; a panic was printed where it happened.
            let _ = thread.join();
        }
    }
}

struct Watcher {
    surroundings: Surroundings,
    shared: Arc<Shared>,
}

impl Watcher {
    fn stopped(&self) -> bool {
        self.shared.stop.load(Ordering::Relaxed)
    }

    fn run(&mut self) {
        while !self.stopped() {
            let Err(error) = self.follow() else { continue };
            warn!(%error, "control states are not followed for a moment; promotions wait meanwhile");
            let since = Instant::now();
            while !self.stopped() && since.elapsed() < Duration::from_millis(RETRY_MS) {
                thread::sleep(Duration::from_millis(LOOK_MS));
            }
        }
    }

    /// Reads the topic from its start: a promotion may have begun before this process.
    fn follow(&mut self) -> Result<(), Error> {
        let Surroundings { context, decisions, .. } = &self.surroundings;
        let topic = &context.plan.names.control;
        let from = context.bounds(topic)?.into_iter().map(|(tp, start, _)| (tp, start)).collect();
        let client = format!("{}.scorer.watch", context.pipeline.name);
        let mut session = context.log.session(SessionOptions::new(client, Input::Assigned(from)))?;
        let (history, mut reports) = (History::of(context, decisions)?, Reports::new(context)?);
        let (mut asked, mut complete, mut looked) = (0, false, Instant::now());
        while !self.stopped() {
            let poll = session.poll(Duration::from_millis(LOOK_MS))?;
            let said = poll.records.iter().flat_map(|(_, records)| records).filter_map(|record| reports.read(record));
            let proposed = said.filter(|report| report.log == history.log() && report.said == Said::Proposed).last();
            if let Some(report) = proposed {
                asked += 1;
                complete = false;
                self.answer(&history, report.number, asked)?;
            }
            if !complete && looked.elapsed() >= Duration::from_millis(RESUME_MS) {
                let decided = history.is_decided()?;
                if decided {
                    self.shared.question.store(0, Ordering::Release);
                }
                complete = resume(&self.surroundings.context, &history)? && decided;
                looked = Instant::now();
            }
        }
        Ok(session.close()?)
    }

    /// Tries a proposed state, unless it was decided long ago.
    fn answer(&self, history: &History, number: u64, question: u64) -> Result<(), Error> {
        if history.fate(number)?.is_some() {
            return Ok(());
        }
        let Some(proposed) = history.at(number)? else { return Ok(()) };
        let Surroundings { models, settings, .. } = &self.surroundings;
        let refusal = scoring::check(&proposed.state, &**models, settings).err();
        info!(number, refusal, "tried a proposed control state");
        *self.shared.verdict.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Verdict { question, number, refusal });
        self.shared.question.store(question, Ordering::Release);
        Ok(())
    }
}
