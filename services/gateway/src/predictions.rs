//! Predictions for those who wait for them: while somebody does, a thread follows their topic.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use runtime::context::Context;
use runtime::log::{Session, SessionOptions, TopicPartition};
use serde_json::Value;
use tokio::sync::oneshot::{Receiver, Sender, channel};
use tracing::warn;

use crate::answer::{Answer, Problem};
use crate::decode::Values;

/// Longest wait for records at once, and with it for noticing that the gateway stops.
const POLL_MS: u64 = 100;
/// After so long without anybody who waits the thread ends.
const IDLE_MS: u64 = 60_000;
/// Newest predictions that are kept, so that an event that is sent again, after an answer that was lost, has its answer:
/// the pipeline drops it as a duplicate and does not score it a second time.
const KEPT_MAX: usize = 4_096;

/// What comes of an event, or is there already.
pub(crate) enum Awaited {
    There(Value),
    Coming(Receiver<Value>),
}

/// Predictions by the ids of their events.
#[derive(Clone)]
pub(crate) struct Predictions {
    context: Context,
    stop: Arc<AtomicBool>,
    held: Arc<Mutex<Held>>,
}

#[derive(Default)]
struct Held {
    /// Whether a thread follows the topic.
    follows: bool,
    waiting: HashMap<String, Vec<Sender<Value>>>,
    kept: HashMap<String, Value>,
    /// Ids of those kept, oldest first.
    order: VecDeque<String>,
}

impl Predictions {
    pub fn new(context: Context, stop: Arc<AtomicBool>) -> Self {
        Self { context, stop, held: Arc::default() }
    }

    /// Begins to wait for the predictions of events that are still to be published. May block.
    pub fn await_all(&self, ids: &[String]) -> Answer<Vec<Awaited>> {
        let mut held = self.held();
        if !held.follows {
            // Opened before events are published, so that it cannot miss what becomes of them.
            let session = self.session()?;
            *held = Held { follows: true, ..Held::default() };
            let own = self.clone();
            let spawned = thread::Builder::new().name("gateway.predictions".to_owned());
            spawned.spawn(move || own.follow(session)).map_err(Problem::ours)?;
        }
        let awaited = |id: &String| match held.kept.get(id) {
            Some(value) => Awaited::There(value.clone()),
            None => {
                let (sender, receiver) = channel();
                held.waiting.entry(id.clone()).or_default().push(sender);
                Awaited::Coming(receiver)
            }
        };
        Ok(ids.iter().map(awaited).collect())
    }

    /// Forgets those who no longer wait for these.
    pub fn forget(&self, ids: &[String]) {
        let mut held = self.held();
        for id in ids {
            if let Some(waiting) = held.waiting.get_mut(id) {
                waiting.retain(|sender| !sender.is_closed());
                if waiting.is_empty() {
                    held.waiting.remove(id);
                }
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // Nothing in there is half done at a panic.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn session(&self) -> Answer<Box<dyn Session>> {
        let (context, topic) = (&self.context, self.context.plan.names.predictions.as_str());
        let partitions = context.log.partitions(topic).map_err(Problem::outside)?;
        let partitions =
            partitions.ok_or_else(|| Problem::missing(format!("there is no topic {topic}"), "run `tidemill apply`"))?;
        let tps = (0..partitions).map(|partition| TopicPartition::new(topic, partition));
        let at_end = tps.map(|tp| context.log.watermarks(&tp).map(|(_, end)| (tp, end)));
        let at_end = at_end.collect::<Result<Vec<_>, _>>().map_err(Problem::outside)?;
        let client = format!("{}.gateway.predictions", context.pipeline.name);
        context.log.session(SessionOptions::assigned(client, at_end)).map_err(Problem::outside)
    }

    fn follow(self, mut session: Box<dyn Session>) {
        let mut values = Values::default();
        let mut asked = Instant::now();
        loop {
            match self.step(session.as_mut(), &mut values) {
                Ok(()) => {}
                Err(error) => {
                    warn!(error, "predictions are not followed any more");
                    break self.end();
                }
            }
            let mut held = self.held();
            if !held.waiting.is_empty() {
                asked = Instant::now();
            } else if asked.elapsed() >= Duration::from_millis(IDLE_MS) {
                // Under the lock, so that whoever comes now begins anew.
                held.follows = false;
                break;
            }
            drop(held);
            if self.stop.load(Ordering::Relaxed) {
                break self.end();
            }
        }
    }

    fn step(&self, session: &mut dyn Session, values: &mut Values) -> Result<(), String> {
        let poll = session.poll(Duration::from_millis(POLL_MS)).map_err(|error| error.to_string())?;
        for (_, records) in poll.records {
            let decoded = values.decode(&*self.context.schemas, &records).map_err(|error| error.to_string())?;
            let mut held = self.held();
            for value in decoded {
                let Some(id) = value["event_id"].as_str() else { continue };
                held.take(id.to_owned(), value);
            }
        }
        Ok(())
    }

    /// Whoever waits learns that nothing comes.
    fn end(&self) {
        *self.held() = Held::default();
    }
}

impl Held {
    fn take(&mut self, id: String, value: Value) {
        for waiting in self.waiting.remove(&id).unwrap_or_default() {
            // One who has left needs none.
            let _ = waiting.send(value.clone());
        }
        if self.kept.insert(id.clone(), value).is_none() {
            self.order.push_back(id);
        }
        if self.order.len() > KEPT_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.kept.remove(&oldest);
        }
    }
}
