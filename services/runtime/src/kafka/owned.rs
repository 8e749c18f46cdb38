//! The partitions a session owns: taking their records in, and telling what an error while reading means for them.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Message};

use super::message::{Collector, record};
use super::{Cluster, fault};
use crate::log::{Committed, Error, Input, Result, SessionOptions, TopicPartition};

/// A partition that a session owns.
pub(super) struct Owned {
    pub tp: TopicPartition,
    pub next: i64,
    /// What the group committed last.
    pub committed: Option<Committed>,
    pub paused: bool,
    /// Records were thrown away since they came while it was paused; reading must go back to `next`.
    pub behind: bool,
}

/// What to do after an error while reading that does not end the session.
pub(super) enum After {
    /// The client gets over it by itself.
    GoOn,
    /// The client has stopped reading a partition whose position is good.
    AssignAgain,
}

impl Owned {
    /// A partition to be read from `next` on.
    pub fn new(tp: TopicPartition, next: i64) -> Self {
        Self { tp, next, committed: None, paused: false, behind: false }
    }
}

/// Takes a message in, if its partition is owned and it is the next one.
pub(super) fn take(owned: &mut [Owned], message: &BorrowedMessage<'_>, collector: &mut Collector) {
    let is_from = |owned: &&mut Owned| owned.tp.partition == message.partition() && *owned.tp.topic == *message.topic();
    let Some(owned) = owned.iter_mut().find(is_from) else { return };
    if owned.paused {
        owned.behind = true;
    } else if message.offset() >= owned.next {
        owned.next = message.offset() + 1;
        collector.add(&owned.tp, record(message));
    }
}

/// An error when a partition does not hold an offset.
pub(super) fn check_range(cluster: &Cluster, tp: &TopicPartition, offset: i64) -> Result<()> {
    let (start, end) = cluster.bounds(tp)?;
    if (start..=end).contains(&offset) {
        return Ok(());
    }
    Err(Error::OutOfRange { tp: tp.clone(), offset, start, end })
}

/// Tells the errors that end a session from those that it survives.
pub(super) fn judge(cluster: &Cluster, options: &SessionOptions, owned: &[Owned], error: &KafkaError) -> Result<After> {
    let is_fatal = matches!(error, KafkaError::MessageConsumptionFatal(_));
    match error.rdkafka_error_code() {
        Some(code) if is_fatal && fault::is_fencing(code) => {
            let Input::Group { group, .. } = &options.input else { return Err(fault::error("reading", error)) };
            Err(Error::Fenced { group: group.clone(), detail: error.to_string() })
        }
        _ if is_fatal => Err(fault::error("reading", error)),
        Some(Code::AutoOffsetReset | Code::OffsetOutOfRange) => {
            owned.iter().try_for_each(|owned| check_range(cluster, &owned.tp, owned.next))?;
            Ok(After::AssignAgain)
        }
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => {
            owned.iter().try_for_each(|owned| cluster.check_partition(&owned.tp))?;
            Ok(After::GoOn)
        }
        Some(
            Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::SaslAuthenticationFailed
            | Code::Authentication
            | Code::BadMessage,
        ) => Err(fault::error("reading", error)),
        _ => {
            tracing::warn!(%error, client_id = options.client_id, "the Kafka client reports an error and goes on");
            Ok(After::GoOn)
        }
    }
}
