//! Declaring a fence void for a partition whose task cannot honour it.

use crate::error::Error;
use crate::history::{Fate, History, fence};
use crate::promote::PROMOTER;
use crate::report::{Reporter, Said};
use registry::decisions::{Decisions, FenceOutcome};
use runtime::context::Context;
use runtime::log::SessionOptions;
use tracing::warn;

/// Declares a fence void for one partition: the task that stopped there goes on, once it is started again, with the
/// state before it, and so does every replay. It is final, and it is refused where the task has taken the fence. A
/// promotion that comes later builds on the newest state that is void nowhere. Declaring it again changes nothing.
pub fn declare_void(
    context: &Context,
    decisions: &Decisions,
    number: u64,
    partition: i32,
    reason: &str,
) -> Result<(), Error> {
    let history = History::of(context, decisions)?;
    check(context, &history, number, partition)?;
    let place = history.tp(partition).to_string();
    match decisions.fence_outcome(number, history.log(), partition, FenceOutcome::Void)? {
        FenceOutcome::Taken => return Err(Error::Taken { number, place }),
        FenceOutcome::Void => {}
    }
    // Other readers of the log go by outcomes of their own. One that has taken the fence can honour it and goes on.
    for reader in crate::OTHER_READERS {
        let log = format!("{}@{reader}", history.log());
        decisions.fence_outcome(number, &log, partition, FenceOutcome::Void)?;
    }
    if let Err(error) = tell(context, number, partition, reason) {
        warn!(number, partition, %error, "the fence is void, and the control topic does not say so");
    }
    Ok(())
}

/// Refuses what is no fence that the partition's task could come to.
fn check(context: &Context, history: &History, number: u64, partition: i32) -> Result<(), Error> {
    let refuse = |why: String| Err(Error::NoFence { number, log: history.log().to_owned(), why });
    if !history.partitions().contains(&partition) {
        let last = history.partitions().len().saturating_sub(1);
        return refuse(format!("its partitions are 0 to {last}, and {partition} is none of them"));
    }
    if number == 0 {
        return refuse("fence 0 names the log's parents, and nothing works without it".to_owned());
    }
    match history.fate(number)? {
        Some(Fate::Passed) => {}
        Some(Fate::Withdrawn { why }) => return refuse(format!("it was withdrawn and never written ({why})")),
        None if history.at(number)?.is_some() => return refuse("its promotion is not decided yet".to_owned()),
        None => {
            let newest = history.newest(context)?.number;
            return refuse(format!("there is no such control state, the newest is {newest}"));
        }
    }
    let committed = context.log.committed(&crate::group(context), &[history.tp(partition)])?;
    match committed.first().and_then(Option::as_ref).and_then(fence) {
        Some(later) if later > number => refuse(format!("partition {partition} went on to fence {later} already")),
        _ => Ok(()),
    }
}

fn tell(context: &Context, number: u64, partition: i32, reason: &str) -> Result<(), Error> {
    let reporter = Reporter::new(context, PROMOTER)?;
    let client = format!("{}.promoter", context.pipeline.name);
    let mut session = context.log.session(SessionOptions { durable: true, ..SessionOptions::publisher(client) })?;
    session.publish(reporter.record((partition, number), Said::Void, reason)?)?;
    session.flush()?;
    Ok(session.close()?)
}
