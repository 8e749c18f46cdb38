//! Ending a consumer. librdkafka may hang there for ever: a request to give partitions back that comes just when the group
//! ends inside the client is never answered (its issue 4884), as was seen when the group's coordinator had died. So it
//! happens in a thread of its own, and nobody waits longer than a while.

use std::sync::mpsc::channel;
use std::thread;

use rdkafka::consumer::{BaseConsumer, Consumer};

use super::context::ConsumerSide;
use super::ms;

/// Longest wait for a consumer to leave its group and end.
const LEAVE_WAIT_MS: u64 = 10_000;

/// Leaves the group, and ends the consumer. One that does not end is left to itself: its group forgets it once it has not
/// polled for long enough.
pub(super) fn leave(consumer: BaseConsumer<ConsumerSide>) {
    // The consumer's own end leaves the group, and needs a yes to the revoke that comes with it.
    consumer.context().close();
    let (tell, told) = channel::<()>();
    let ending = thread::Builder::new().name("kafka-leave".into()).spawn(move || {
        if let Err(error) = consumer.unassign() {
            tracing::debug!(%error, "nothing to give back");
        }
        drop(consumer);
        drop(tell);
    });
    // Without a thread the consumer has ended already, with the closure.
    if ending.is_ok() && told.recv_timeout(ms(LEAVE_WAIT_MS)) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
        tracing::warn!(waited_ms = LEAVE_WAIT_MS, "a Kafka consumer does not end and is left to itself");
    }
}
