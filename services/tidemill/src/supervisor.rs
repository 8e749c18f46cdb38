//! Running jobs side by side until a signal, an error, or there is nothing left to do.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use runtime::log::{Log, TopicPartition};
use runtime::shell::Stats;
use tracing::{debug, error, info, warn};
use validator::Progress;

use crate::environment::Environment;
use crate::error::Error;
use crate::services::Job;

/// Time between two looks at signals.
const LOOK_MS: u64 = 200;
/// How long everything must be read and committed before the pipeline counts as drained, once no source holds anything
/// back: several commit intervals, so that a mark just written has reached the last log.
const DRAINED_MS: u64 = 3_000;
/// Longest that services may take to stop: to commit what they handled, and to save their state.
const STOP_MS_MAX: u64 = 60_000;

/// What is remembered of a job that runs.
struct Known {
    name: String,
    finite: bool,
    stats: Option<Arc<Stats>>,
    running: bool,
}

type Ended = (usize, Result<(), Error>);

/// Runs all jobs, each on a thread of its own. The first error stops the others and is returned; with `drain` they are
/// also stopped once everything published has gone through.
pub fn run(environment: &Environment, jobs: Vec<Job>, drain: bool) -> Result<(), Error> {
    let known =
        |job: &Job| Known { name: job.name.clone(), finite: job.finite, stats: job.stats.clone(), running: true };
    let mut names: Vec<Known> = jobs.iter().map(known).collect();
    let reads: Vec<_> = jobs.iter().flat_map(|job| job.reads.clone()).collect();
    let publishing = jobs.iter().filter(|job| job.finite).count();
    let mut drained = drain.then(|| Drained::new(environment, &reads, publishing)).transpose()?;
    let (sender, ended) = channel::<Ended>();
    let threads = start(environment, jobs, &sender)?;
    drop(sender);
    let stop = environment.signals.stop();
    let mut running = names.len();
    let mut first: Option<Error> = None;
    let mut stopping: Option<Instant> = None;
    while running > 0 {
        if stop.load(Ordering::Relaxed)
            && stopping.get_or_insert_with(Instant::now).elapsed() >= Duration::from_millis(STOP_MS_MAX)
        {
            if first.is_some() || !environment.signals.making_way() {
                return Err(first.unwrap_or_else(|| late(&names)));
            }
            warn!(error = %late(&names), "others wait for that");
            stopping = None;
        }
        match ended.recv_timeout(Duration::from_millis(LOOK_MS)) {
            Ok((at, result)) => {
                running -= 1;
                names[at].running = false;
                let Known { name, finite, stats, .. } = &names[at];
                if let Some(stats) = stats {
                    let counters = stats.counts().map(|count| (count.name, count.value));
                    debug!(service = %name, ?counters, "counted");
                }
                finished(name, result, stop.load(Ordering::Relaxed), &mut first);
                if first.is_some() || !finite {
                    stop.store(true, Ordering::Relaxed);
                } else if let Some(drained) = &mut drained {
                    drained.published();
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                let looked = drained.as_mut().filter(|_| !stop.load(Ordering::Relaxed)).map(Drained::look);
                match looked {
                    Some(Ok(true)) => info!("everything published has gone through"),
                    Some(Err(error)) => first = Some(error),
                    Some(Ok(false)) | None => continue,
                }
                stop.store(true, Ordering::Relaxed);
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    for thread in threads {
        // A panic was caught inside and counted as the job's end.
        let _ = thread.join();
    }
    match first {
        Some(error) => Err(error),
        None => environment.signals.check(),
    }
}

/// Who did not stop in time. Nothing of theirs is lost: what they did not commit is done again.
fn late(names: &[Known]) -> Error {
    let late: Vec<&str> = names.iter().filter(|known| known.running).map(|known| &*known.name).collect();
    Error::Failed(format!(
        "{} did not stop within {} s, and will do again what was not committed; see the log above for what they wait for",
        late.join(", "),
        STOP_MS_MAX / 1_000
    ))
}

fn finished(name: &str, result: Result<(), Error>, stopping: bool, first: &mut Option<Error>) {
    match result {
        Ok(()) => info!(service = name, "ended"),
        Err(Error::Interrupted) => {}
        // What breaks while everything is being stopped is told, but is not why it stopped.
        Err(error) if stopping => warn!(service = name, %error, "ended while stopping"),
        Err(error) => {
            error!(service = name, %error, "ended, and everything else stops");
            *first = Some(Error::Service { service: name.to_owned(), source: Box::new(error) });
        }
    }
}

fn start(environment: &Environment, jobs: Vec<Job>, ended: &Sender<Ended>) -> Result<Vec<JoinHandle<()>>, Error> {
    let mut threads = Vec::new();
    for (at, job) in jobs.into_iter().enumerate() {
        let (ended, stop) = (ended.clone(), environment.signals.stop().clone());
        let work = move || {
            let run = job.run;
            let result = catch_unwind(AssertUnwindSafe(|| run(&stop)));
            let result = result
                .unwrap_or_else(|_| Err(Error::Failed("panicked; please report it with the log above".to_owned())));
            // The receiver is gone only when the process is ending anyway.
            let _ = ended.send((at, result));
        };
        let spawned = thread::Builder::new().name(job.name.clone()).spawn(work);
        threads.push(spawned.map_err(|error| {
            environment.signals.stop().store(true, Ordering::Relaxed);
            Error::Failed(format!("cannot start a thread for {}: {error}", job.name))
        })?);
    }
    Ok(threads)
}

/// Tells when everything published has gone through: all commits stand at the ends of what is read, no source holds
/// anything back, and nothing publishes any more.
pub struct Drained<'e> {
    log: &'e dyn Log,
    reads: Vec<(String, Vec<TopicPartition>)>,
    publishing: usize,
    /// What validators say of the sources, and these. Where no validator has said yet that all are quiet, none holds
    /// anything back for longer than the idle timeout.
    progress: Progress,
    sources: Vec<TopicPartition>,
    idle_timeout: Duration,
    last_ends: Vec<i64>,
    since: Instant,
}

impl<'e> Drained<'e> {
    /// Watches what is read, by consumer group, while so many jobs publish.
    pub fn new(
        environment: &'e Environment,
        reads: &[(String, Vec<String>)],
        publishing: usize,
    ) -> Result<Self, Error> {
        let plan = &environment.context.plan;
        let partitions = |topics: &[String]| -> Vec<TopicPartition> {
            let of = |topic: &String| {
                let count = plan.topic(topic).map_or(0, |topic| topic.partitions as i32);
                let topic = topic.clone();
                (0..count).map(move |partition| TopicPartition::new(topic.as_str(), partition))
            };
            topics.iter().flat_map(of).collect()
        };
        let sources: Vec<String> =
            std::iter::once(plan.names.events.clone()).chain(plan.names.labels.clone()).collect();
        Ok(Drained {
            log: &*environment.context.log,
            reads: reads.iter().map(|(group, topics)| (group.clone(), partitions(topics))).collect(),
            publishing,
            progress: Progress::open(&environment.context)?,
            sources: partitions(&sources),
            idle_timeout: environment.idle_timeout,
            last_ends: Vec::new(),
            since: Instant::now(),
        })
    }

    fn published(&mut self) {
        self.publishing = self.publishing.saturating_sub(1);
    }

    /// How long everything has been through, once [`Drained::look`] said so.
    pub fn age(&self) -> Duration {
        self.since.elapsed()
    }

    /// Whether everything has gone through, and stayed so.
    pub fn look(&mut self) -> Result<bool, Error> {
        let mut ends = Vec::new();
        let mut behind = self.publishing > 0;
        for (group, partitions) in &self.reads {
            let committed = self.log.committed(group, partitions)?;
            for (partition, committed) in partitions.iter().zip(committed) {
                let (start, end) = self.log.watermarks(partition)?;
                behind |= committed.map_or(start, |committed| committed.offset) < end;
                ends.push(end);
            }
        }
        if behind || ends != self.last_ends {
            self.last_ends = ends;
            self.since = Instant::now();
        }
        self.progress.read()?;
        let idle = self.sources.iter().all(|tp| self.progress.is_idle(tp));
        let held = if idle { Duration::ZERO } else { self.idle_timeout };
        Ok(self.since.elapsed() >= held + Duration::from_millis(DRAINED_MS))
    }
}
