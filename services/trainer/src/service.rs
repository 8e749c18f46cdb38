//! The service: requests in, answers out, one at a time.

use crate::answer::answer;
use crate::request::Requests;
use crate::{Error, Progress, Request, Surroundings};
use flow::plan::Service;
use runtime::context::Context;
use runtime::log::{Commit, SessionOptions};
use runtime::patience::start_over;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// Longest wait for requests.
const POLL_WAIT_MS: u64 = 500;
/// Longest that one training may take before the requests go to another trainer.
const TRAINING_MS_MAX: u64 = 3_600_000;
/// Pause between two looks at the archive.
const LOOK_MS: u64 = 200;

/// How a trainer is to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Longest that a request waits until the archive has what the logs held when it was taken up.
    pub archive_wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options { archive_wait: Duration::from_secs(120) }
    }
}

/// Consumer group of a pipeline's trainer.
pub fn group(context: &Context) -> String {
    context.plan.group(Service::Trainer)
}

/// Answers requests until `stop` is set.
pub fn run(surroundings: &Surroundings, options: &Options, stop: &AtomicBool) -> Result<(), Error> {
    let ended =
        start_over("trainer", stop, Error::is_retriable, |progress| serve(surroundings, options, stop, progress));
    match ended {
        Err(Error::Interrupted { .. }) => Ok(()),
        ended => ended,
    }
}

fn serve(surroundings: &Surroundings, options: &Options, stop: &AtomicBool, progress: &mut bool) -> Result<(), Error> {
    let context = &surroundings.context;
    let topic = &context.plan.names.retraining;
    let client = format!("{}.trainer", context.pipeline.name);
    let mut session = context.log.session(SessionOptions {
        poll_interval_max_ms: TRAINING_MS_MAX,
        durable: true,
        transactional: context.plan.transactional(&group(context), context.pipeline.delivery),
        ..SessionOptions::group(client, group(context), [topic.clone()])
    })?;
    let mut requests = Requests::new(context)?;
    while !stop.load(Ordering::Relaxed) {
        let poll = session.poll(Duration::from_millis(POLL_WAIT_MS))?;
        for (tp, records) in poll.records {
            for record in records {
                match requests.read(&record) {
                    Ok(Some(request)) if request.pipeline == context.pipeline.name => {
                        info!(request = request.request, reason = request.reason, "taken up");
                        wait_for_archive(surroundings, &request, options, stop)?;
                        let told = answer(surroundings, &request, (tp.partition, record.offset))?;
                        let told = told.map(|told| told.records(surroundings)).transpose()?;
                        for record in told.into_iter().flatten() {
                            session.publish(record)?;
                        }
                    }
                    Ok(_) => {}
                    // A record that is no request must not keep the next one waiting.
                    Err(error @ Error::Request { .. }) => warn!(%error, "passed over"),
                    Err(error) => return Err(error),
                }
                let commit = Commit { tp: tp.clone(), offset: record.offset + 1, metadata: String::new() };
                session.commit(&[commit])?;
                *progress = true;
            }
        }
    }
    Ok(session.close()?)
}

/// Waits until the archive has what the logs hold now; a request is often faster than the archiver's next file.
fn wait_for_archive(
    surroundings: &Surroundings,
    request: &Request,
    options: &Options,
    stop: &AtomicBool,
) -> Result<(), Error> {
    let mut progress = Progress::from_logs(&surroundings.context, &surroundings.store);
    let since = Instant::now();
    while let Some(behind) = progress.look()? {
        if since.elapsed() >= options.archive_wait {
            let records = behind.records;
            warn!(request = request.request, records, "training on what is archived; the archiver is behind");
            return Ok(());
        }
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted { request: request.request.clone() });
        }
        thread::sleep(Duration::from_millis(LOOK_MS));
    }
    Ok(())
}
