//! What a repair needs to know of validators.

use flow::processor::Task;
use flow::state::TaskState;
use registry::decisions::Decisions;
use runtime::context::Context;
use runtime::log::TopicPartition;
use runtime::shell;

use crate::{Error, Options, ValidatorService};

/// The states of validators that have read nothing, in the order of their partitions.
pub fn fresh(context: &Context, decisions: &Decisions, tps: &[TopicPartition]) -> Result<Vec<TaskState>, Error> {
    let service = ValidatorService::new(context.clone(), decisions.clone(), Options::new(&context.pipeline))?;
    let state = |tp: &TopicPartition| -> Result<TaskState, Error> {
        let metadata = match service.retrier(tp).map_err(shell::Error::from)? {
            Some(retrier) => retrier.metadata(),
            None => service.validator(tp).map_err(shell::Error::from)?.metadata(),
        };
        Ok(serde_json::from_str(&metadata).unwrap_or_default())
    };
    tps.iter().map(state).collect()
}
