//! The loop: take partitions, archive what comes, write files when they are full or the time has come.

use crate::Error;
use crate::compacting;
use crate::partition::Partition;
use flow::plan::{Kind, Service};
use offline::archive::Archive;
use registry::store::Store;
use runtime::context::Context;
use runtime::failpoint;
use runtime::log::{Assigned, Commit, Poll, Revoked, Session, SessionOptions, TopicPartition};
use runtime::patience::start_over;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tracing::info;

/// Longest wait for records.
const POLL_WAIT_MS: u64 = 500;
/// Most records of one poll.
const POLL_RECORDS_MAX: usize = 16_384;
/// Longest that a stopping archiver goes on reading to reach the ends it found.
const FINISH_MS_MAX: u64 = 10_000;

/// How an archiver is to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Longest that a record waits to be in a file.
    pub flush_interval: Duration,
    /// Whether it reads on to the ends of its partitions when it is asked to stop.
    pub finish: bool,
    /// How often small files are merged meanwhile; never when absent.
    pub compact_interval: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Options { flush_interval: Duration::from_secs(30), finish: true, compact_interval: None }
    }
}

/// Consumer group of a pipeline's archiver.
pub fn group(context: &Context) -> String {
    context.plan.group(Service::Archiver)
}

/// The topics it archives: all but the progress that validators share, which says nothing later.
pub fn topics(context: &Context) -> Vec<String> {
    let topics = context.plan.topics.iter().filter(|topic| topic.kind != Kind::Progress);
    topics.map(|topic| topic.name.clone()).collect()
}

/// Archives until `stop` is set; then everything read is in files.
pub fn run(context: &Context, store: &Store, options: &Options, stop: &AtomicBool) -> Result<(), Error> {
    let archiving =
        || start_over("archiver", stop, Error::is_retriable, |progress| serve(context, store, options, stop, progress));
    let Some(interval) = options.compact_interval else { return archiving() };
    let (topics, through) = (topics(context), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let compacting = scope.spawn(|| compacting::run(store, &topics, interval, &through));
        let ended = archiving();
        through.store(true, Ordering::Relaxed);
        compacting.thread().unpark();
        ended
    })
}

struct Archiving<'a> {
    context: &'a Context,
    archive: Archive,
    session: Box<dyn Session>,
    partitions: BTreeMap<TopicPartition, Partition>,
    committed: BTreeMap<TopicPartition, i64>,
}

/// One session from joining to leaving.
fn serve(
    context: &Context,
    store: &Store,
    options: &Options,
    stop: &AtomicBool,
    progress: &mut bool,
) -> Result<(), Error> {
    let own = group(context);
    let session = context.log.session(SessionOptions {
        poll_records_max: POLL_RECORDS_MAX,
        ..SessionOptions::group(format!("{}.archiver", context.pipeline.name), own.clone(), topics(context))
    })?;
    let mut archiving = Archiving {
        context,
        archive: Archive::new(store.clone()),
        session,
        partitions: BTreeMap::new(),
        committed: BTreeMap::new(),
    };
    let mut flushed = Instant::now();
    let mut finish: Option<(Instant, Vec<(TopicPartition, i64)>)> = None;
    loop {
        if stop.load(Ordering::Relaxed) {
            if finish.is_none() {
                let ends = if options.finish { archiving.ends()? } else { Vec::new() };
                finish = Some((Instant::now(), ends));
            }
            let through = finish.as_ref().is_some_and(|(since, ends)| {
                archiving.reached(ends) || since.elapsed() >= Duration::from_millis(FINISH_MS_MAX)
            });
            if through {
                break;
            }
        }
        let wait = Duration::from_millis(POLL_WAIT_MS).min(options.flush_interval.max(Duration::from_millis(1)));
        let poll = archiving.session.poll(wait)?;
        if !poll.records.is_empty() {
            failpoint::pass(failpoint::POLLED, &own);
        }
        archiving.take(poll)?;
        if flushed.elapsed() >= options.flush_interval {
            archiving.flush()?;
            failpoint::pass(failpoint::ARCHIVED, &own);
            flushed = Instant::now();
            *progress = true;
        }
        archiving.commit()?;
    }
    archiving.flush()?;
    archiving.commit()?;
    info!(pipeline = context.pipeline.name, "everything read is archived");
    Ok(archiving.session.close()?)
}

impl Archiving<'_> {
    fn take(&mut self, poll: Poll) -> Result<(), Error> {
        for revoked in poll.revoked {
            self.revoke(&revoked)?;
        }
        for assigned in poll.assigned {
            self.assign(assigned)?;
        }
        for (tp, records) in poll.records {
            let Some(partition) = self.partitions.get_mut(&tp) else { continue };
            // A seek may come too late for what a poll already fetched.
            let known = records.partition_point(|record| record.offset < partition.position());
            if known == records.len() {
                continue;
            }
            if let Some(offset) = partition.take(&records[known..])? {
                self.session.seek(&tp, offset)?;
            }
        }
        Ok(())
    }

    fn assign(&mut self, assigned: Assigned) -> Result<(), Error> {
        let Assigned { tp, committed, start, .. } = assigned;
        let partition = Partition::open(self.context, &self.archive, &tp, start)?;
        let committed = committed.map(|committed| committed.offset);
        if committed.unwrap_or(start) != partition.position() {
            self.session.seek(&tp, partition.position())?;
        }
        self.committed.insert(tp.clone(), committed.unwrap_or(-1));
        self.partitions.insert(tp, partition);
        Ok(())
    }

    fn revoke(&mut self, revoked: &Revoked) -> Result<(), Error> {
        let committed = self.committed.remove(&revoked.tp);
        let Some(mut partition) = self.partitions.remove(&revoked.tp).filter(|_| !revoked.lost) else { return Ok(()) };
        // Whoever comes next finds the file; what another writer decided is none of our business any more.
        partition.flush()?;
        if committed != Some(partition.archived()) {
            self.session.commit(&[commit(&revoked.tp, &partition)])?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        for (tp, partition) in &mut self.partitions {
            if let Some(offset) = partition.flush()? {
                self.session.seek(tp, offset)?;
            }
        }
        Ok(())
    }

    /// Commits where files end, as a hint for people and for lag.
    fn commit(&mut self) -> Result<(), Error> {
        let moved = |(tp, partition): &(&TopicPartition, &Partition)| {
            partition.archived() > self.committed.get(*tp).copied().unwrap_or(-1).max(0)
        };
        let moved: Vec<Commit> =
            self.partitions.iter().filter(moved).map(|(tp, partition)| commit(tp, partition)).collect();
        if !moved.is_empty() {
            self.session.commit(&moved)?;
            failpoint::pass(failpoint::STORED, &group(self.context));
            self.committed.extend(moved.into_iter().map(|commit| (commit.tp, commit.offset)));
        }
        Ok(())
    }

    fn ends(&mut self) -> Result<Vec<(TopicPartition, i64)>, Error> {
        let session = &mut self.session;
        self.partitions.keys().map(|tp| Ok((tp.clone(), session.watermarks(tp)?.1))).collect()
    }

    fn reached(&self, ends: &[(TopicPartition, i64)]) -> bool {
        ends.iter().all(|(tp, end)| self.partitions.get(tp).is_none_or(|partition| partition.position() >= *end))
    }
}

fn commit(tp: &TopicPartition, partition: &Partition) -> Commit {
    Commit { tp: tp.clone(), offset: partition.archived(), metadata: String::new() }
}
