//! What the new logs begin with: the first fence, and the items that were held.

use super::{Captured, Error};
use crate::apply::patiently;
use crate::context::Context;
use crate::ledger::batches;
use crate::log::{Input, Publish, SessionOptions, TopicPartition};
use flow::handover::{Finder, Held, Laid};
use flow::names::Place;
use flow::snapshot::Blob;
use serde_json::Value;

/// The items that the tasks of a log hold, in the order of their partitions.
pub fn held(context: &Context, tasks: &[Captured]) -> Result<Vec<Held>, Error> {
    let mut found = Vec::new();
    for task in tasks {
        let state = |error| Error::State { owner: task.owner.clone(), source: Box::new(error) };
        let header = Blob::<Value>::header(&task.blob).map_err(state)?;
        let own = Place { topic: context.number(&task.owner.log)?, partition: task.owner.partition as u16 };
        let finder = Finder::new(own, context.names.clone(), &header).map_err(state)?;
        let Some(mut finder) = finder else { continue };
        let tp = TopicPartition::new(task.owner.log.as_str(), task.owner.partition);
        batches(context, &tp, (finder.from, task.position), |batch| Ok::<_, Error>(finder.find(batch, &mut found)?))?;
    }
    Ok(found)
}

/// Writes held items behind the first fence of a log; gives where each of its partitions ends. What an earlier attempt
/// wrote has the same numbers, and readers drop it.
pub fn write_heads(context: &Context, log: &str, laid: &mut [Laid]) -> Result<Vec<i64>, Error> {
    let mut writer = context.writer(log)?;
    let mut session = context.log.session(SessionOptions {
        durable: true,
        ..SessionOptions::new(format!("{}.repartition", context.pipeline.name), Input::None)
    })?;
    let partition = |at: usize| TopicPartition::new(log, at as i32);
    for (at, laid) in laid.iter_mut().enumerate() {
        for draft in laid.drafts.drain(..) {
            session.publish(Publish::batch(partition(at), writer.encode(draft)?))?;
        }
    }
    session.flush()?;
    session.close()?;
    let ends = (0..laid.len()).map(|at| Ok(patiently(|| context.log.watermarks(&partition(at)))?.1));
    ends.collect()
}
