//! From librdkafka's errors to ours.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::log::Error;

/// Whether the group has moved on without this member.
pub(super) fn is_fencing(code: Code) -> bool {
    matches!(
        code,
        Code::IllegalGeneration
            | Code::UnknownMemberId
            | Code::FencedInstanceId
            | Code::FencedMemberEpoch
            | Code::StaleMemberEpoch
            | Code::RebalanceInProgress
            | Code::AssignmentLost
            | Code::Fenced
            | Code::ProducerFenced
            | Code::InvalidProducerEpoch
    )
}

/// Whether no broker could be reached, none answered in time, or those that are left must first agree who leads. A
/// partition that nobody leads is unknown to the client; one that does not exist is told before it is asked for.
pub(super) fn is_unreachable(code: Code) -> bool {
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::DestroyBroker
            | Code::Resolve
            | Code::OperationTimedOut
            | Code::RequestTimedOut
            | Code::TimedOutQueue
            | Code::MessageTimedOut
            | Code::WaitingForCoordinator
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::NotCoordinator
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::UnknownPartition
            | Code::NotController
            | Code::NotEnoughReplicas
            | Code::NotEnoughReplicasAfterAppend
            | Code::ReplicaNotAvailable
            | Code::EligibleLeadersNotAvailable
            | Code::FencedLeaderEpoch
            | Code::UnknownLeaderEpoch
            | Code::OffsetNotAvailable
            | Code::KafkaStorageError
            | Code::NetworkException
            | Code::BrokerNotAvailable
            | Code::UnstableOffsetCommit
    )
}

/// Whether a group's coordinator is just being found or loaded, as when nobody has used the group on this cluster yet.
pub(super) fn is_settling(code: Code) -> bool {
    matches!(
        code,
        Code::WaitingForCoordinator
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::NotCoordinator
    )
}

/// The error for an operation that failed.
pub(super) fn error(doing: impl Into<String>, error: &KafkaError) -> Error {
    let doing = doing.into();
    if let KafkaError::ClientConfig(_, why, key, value) = error {
        return Error::Setting { key: key.clone(), value: value.clone(), why: why.clone() };
    }
    let detail = error.to_string();
    match error.rdkafka_error_code() {
        Some(code) if is_unreachable(code) => Error::Unavailable { doing, detail },
        _ => Error::Refused { doing, detail },
    }
}
