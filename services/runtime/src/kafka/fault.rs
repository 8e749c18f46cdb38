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

/// Whether no broker could be reached or none answered in time.
pub(super) fn is_unreachable(code: Code) -> bool {
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::AllBrokersDown
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
