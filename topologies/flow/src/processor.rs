//! The contract between what happens and how it runs: a task takes records of one partition in order and gives records
//! to publish. It reads no clock and does no IO, so the same task runs in a service, in the test driver and in a replay.

use crate::items::LogBatch;
use crate::ledger::{Edges, Row};
use crate::names::{Names, Place};
use crate::outputs::Outputs;
use crate::public::JsonRow;
use crate::reader::{Refusal, Trigger};
use crate::snapshot::State;
use crate::state::Asides;
use crate::wire::Draft;
use arrow::array::RecordBatch;
use bytes::Bytes;
use std::borrow::Cow;
use std::sync::Arc;

/// Headers of a record, in order; a value may be null.
pub type Headers = Vec<(Cow<'static, str>, Option<Bytes>)>;

/// A record as a log delivers it.
#[derive(Debug, Clone, Default)]
pub struct InRecord {
    /// Offset in the partition.
    pub offset: i64,
    /// When the log appended it, milliseconds since the epoch.
    pub append_time_ms: i64,
    /// Key bytes.
    pub key: Option<Bytes>,
    /// Value bytes.
    pub value: Option<Bytes>,
    /// Headers in order.
    pub headers: Headers,
}

/// A record to publish.
#[derive(Debug, Clone)]
pub struct OutRecord {
    /// Topic.
    pub topic: Arc<str>,
    /// Partition; none means the public partitioner decides by key.
    pub partition: Option<u16>,
    /// Key bytes.
    pub key: Option<Bytes>,
    /// Value bytes.
    pub value: Option<Bytes>,
    /// Headers in order.
    pub headers: Headers,
}

/// Our own reasons to stop a task loudly, with nothing committed. A bad record never stops a task: it is rejected.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// An item is missing.
    #[error(
        "{log} offset {offset}: item {number} of parent {parent} follows {expected} missing; an item was lost, `tidemill ledger verify` says where"
    )]
    Gap {
        /// The log being read.
        log: String,
        /// Offset of the record.
        offset: i64,
        /// The parent.
        parent: String,
        /// The number found.
        number: i64,
        /// The number expected.
        expected: i64,
    },
    /// Items were emitted again with other content.
    #[error(
        "{log} offset {offset}: item {number} of parent {parent} has trigger {trigger:?}, but {last:?} was taken; a process with other code or rules wrote it"
    )]
    Divergence {
        /// The log being read.
        log: String,
        /// Offset of the record.
        offset: i64,
        /// The parent.
        parent: String,
        /// The number found.
        number: i64,
        /// Its trigger.
        trigger: Trigger,
        /// Number and trigger taken last.
        last: (i64, Trigger),
    },
    /// An item came from a parent that no fence has named.
    #[error(
        "{log} offset {offset}: {parent} is not a parent of this log; run `tidemill apply` with the current pipeline"
    )]
    Stranger {
        /// The log being read.
        log: String,
        /// Offset of the record.
        offset: i64,
        /// The parent.
        parent: String,
    },
    /// The bytes cannot be read or written.
    #[error(transparent)]
    Wire(#[from] crate::wire::Error),
    /// The control state of a fence cannot be read.
    #[error(transparent)]
    Fence(#[from] crate::fence::Error),
    /// A fence cannot be honoured.
    #[error(
        "{log}: fence {number} cannot be honoured: {reason}; mend that and start again, or have the fence declared void for this partition"
    )]
    Fenced {
        /// The log being read.
        log: String,
        /// Number of the fence.
        number: i64,
        /// Why.
        reason: String,
    },
    /// The log's first state is not in it.
    #[error(
        "{log} was repartitioned and begins with the state of generation {generation}, which is in no snapshot that can be taken up; bring the snapshots back, or run `tidemill apply --rebuild`"
    )]
    HandedOver {
        /// The log being read.
        log: String,
        /// The generation before.
        generation: u32,
    },
    /// A restored snapshot does not fit the log.
    #[error(
        "{log}: the snapshot at offset {offset} has other numbers than the log has up to there; delete it with its files, and the state is built from the log again"
    )]
    Refilled {
        /// The log being read.
        log: String,
        /// The snapshot's position.
        offset: i64,
    },
    /// State that is not in memory cannot be had.
    #[error("state beyond the memory limit cannot be kept on disk: {0}")]
    Cold(#[from] crate::cold::Fault),
    /// Anything else that makes going on wrong.
    #[error("{0}")]
    Other(String),
}

impl Stop {
    /// Words a reader's refusal.
    pub fn refused(
        names: &Names,
        (log, offset): (Place, i64),
        place: Place,
        (number, trigger): (i64, Trigger),
        refusal: Refusal,
    ) -> Self {
        let (log, parent) = (names.show(log), names.show(place));
        match refusal {
            Refusal::Gap { expected } => Stop::Gap { log, offset, parent, number, expected },
            Refusal::Divergence { last } => Stop::Divergence { log, offset, parent, number, trigger, last },
        }
    }
}

/// What a processor wants written.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Set while a task is restored by replay: numbers are counted, nothing is written.
    pub suppressed: bool,
    /// Records for internal logs, by topic number and partition.
    pub drafts: Vec<(Place, Draft)>,
    /// Rows for public topics.
    pub public: Vec<PublicRows>,
    /// Records for public topics that are written one at a time.
    pub single: Vec<JsonRow>,
}

/// Rows of a public topic, one record each.
#[derive(Debug, Clone)]
pub struct PublicRows {
    /// The topic, by name number.
    pub topic: u16,
    /// Keys, one per row.
    pub keys: Vec<String>,
    /// Ids for the CloudEvents header, one per row.
    pub ids: Vec<String>,
    /// Emission identities, one per row.
    pub triggers: Vec<Trigger>,
    /// Origins, one per row.
    pub origins: Vec<Option<crate::wire::Origin>>,
    /// The values.
    pub rows: RecordBatch,
}

/// A pure stage over one internal log partition.
pub trait Processor: Send {
    /// Applies decoded records in order.
    fn process(&mut self, batch: &LogBatch, out: &mut Outbox) -> Result<(), Stop>;

    /// The task's state as far as a commit's metadata carries it.
    fn save(&self) -> crate::state::TaskState;

    /// What is counted beside the ledger, as far as an operator is told while it rises. Cheap enough to ask after every
    /// poll.
    fn asides(&self) -> Asides {
        Asides::default()
    }

    /// Labels by what became of them; empty for whoever takes none.
    fn labels(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }

    /// Number of the fence in force; none before the first, and for processors that go by no fence.
    fn fence(&self) -> Option<i64> {
        None
    }

    /// The state as snapshots have it; none where it comes back by replay alone.
    fn state(&mut self) -> Option<&mut dyn State> {
        None
    }

    /// What was counted for the ledger; none where nothing is.
    fn edges(&mut self) -> Option<&mut Edges> {
        None
    }

    /// Writes what must not wait longer than the next commit: marks that no item carried along.
    fn resume(&mut self, out: &mut Outbox) {
        let _ = out;
    }
}

/// A task as the shell runs it: bytes in, bytes out.
pub trait Task: Send {
    /// Handles records of the task's partition in offset order; what it writes to internal logs waits as drafts. With
    /// `suppressed`, state and numbers move on and nothing is written.
    fn draft(&mut self, records: &[InRecord], suppressed: bool, out: &mut Outputs) -> Result<(), Stop>;

    /// Makes records of the drafts for the logs that it writes, those of other tasks with the same
    /// [`Names`] included.
    fn seal(&mut self, out: &mut Outputs) -> Result<(), Stop> {
        let _ = out;
        Ok(())
    }

    /// Drafts and seals, for one task by itself.
    fn handle(&mut self, records: &[InRecord], suppressed: bool, out: &mut Vec<OutRecord>) -> Result<(), Stop> {
        let mut outputs = Outputs::default();
        self.draft(records, suppressed, &mut outputs)?;
        self.seal(&mut outputs)?;
        out.append(&mut outputs.records);
        Ok(())
    }

    /// The text for the offset commit's metadata.
    fn metadata(&self) -> String;

    /// What is counted beside the ledger, as far as an operator is told while it rises. Cheap enough to ask after every
    /// poll.
    fn asides(&self) -> Asides {
        Asides::default()
    }

    /// Labels by what became of them; empty for whoever takes none.
    fn labels(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }

    /// Number of the fence in force, cheap enough to ask after every poll; none before the first, and for tasks that go
    /// by no fence.
    fn fence(&self) -> Option<i64> {
        None
    }

    /// The state as snapshots have it; none where it comes back by replay alone.
    fn state(&mut self) -> Option<&mut dyn State> {
        None
    }

    /// Rows of the ledger that changed since the last call, which says that the rows before are acknowledged.
    fn ledger(&mut self) -> Vec<Row> {
        Vec::new()
    }

    /// Writes what must not wait longer than the next commit: marks that no item carried along. The shell calls it
    /// after an assignment and before each commit.
    fn resume(&mut self, out: &mut Outputs) -> Result<(), Stop> {
        let _ = out;
        Ok(())
    }
}
