//! A fence's outcome is recorded before anything is emitted under it, so that every replay knows who switched where.

use flow::processor::{InRecord, OutRecord, Stop, Task};
use flow::state::TaskState;
use registry::decisions::{Decisions, FenceOutcome};
use runtime::log::TopicPartition;

/// A task whose outputs are let out only after the fence they were made under is recorded as taken.
pub struct Taken {
    inner: Box<dyn Task>,
    decisions: Decisions,
    tp: TopicPartition,
    recorded: i64,
}

impl Taken {
    pub fn new(inner: Box<dyn Task>, decisions: Decisions, tp: TopicPartition) -> Self {
        Taken { inner, decisions, tp, recorded: 0 }
    }

    fn record(&mut self) -> Result<(), Stop> {
        let metadata = self.inner.metadata();
        let Ok(state) = serde_json::from_str::<TaskState>(&metadata) else { return Ok(()) };
        if state.fence <= self.recorded {
            return Ok(());
        }
        let number = state.fence.unsigned_abs();
        let outcome = self
            .decisions
            .fence_outcome(number, &self.tp.topic, self.tp.partition, FenceOutcome::Taken)
            .map_err(|error| Stop::Other(error.to_string()))?;
        if outcome != FenceOutcome::Taken {
            let reason =
                "an operator declared it void for this partition; promote again on top of the state before".into();
            return Err(Stop::Fenced { log: self.tp.to_string(), number: state.fence, reason });
        }
        self.recorded = state.fence;
        Ok(())
    }
}

impl Task for Taken {
    fn handle(&mut self, records: &[InRecord], suppressed: bool, out: &mut Vec<OutRecord>) -> Result<(), Stop> {
        self.inner.handle(records, suppressed, out)?;
        self.record()
    }

    fn metadata(&self) -> String {
        self.inner.metadata()
    }

    fn resume(&mut self, out: &mut Vec<OutRecord>) -> Result<(), Stop> {
        self.inner.resume(out)
    }
}
