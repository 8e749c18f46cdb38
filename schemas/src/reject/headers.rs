//! Headers of a dead letter: the record's own, untouched, and ours behind them.
//!
//! The bytes, key and timestamp of the original stay as they were; everything that we know about the failure is in
//! headers, under our names and under those that Kafka Connect's tools look for.

use super::Reject;

/// Header names.
pub mod names {
    /// The reason code, see `schemas/rejects.md`.
    pub const REASON: &str = "tidemill.dlq.reason";
    /// The values involved.
    pub const DETAIL: &str = "tidemill.dlq.detail";
    /// The service that rejected the record.
    pub const SERVICE: &str = "tidemill.dlq.service";
    /// The version of that service.
    pub const VERSION: &str = "tidemill.dlq.version";
    /// The pipeline it worked for.
    pub const PIPELINE: &str = "tidemill.dlq.pipeline";
    /// `<topic>/<partition>/<offset>/<service>`: the same for every copy of one dead letter.
    pub const IDENTITY: &str = "tidemill.dlq.identity";
    /// How often the record was retried before.
    pub const ATTEMPT: &str = "tidemill.dlq.attempt";
    /// Kafka Connect: the topic the record came from.
    pub const CONNECT_TOPIC: &str = "__connect.errors.topic";
    /// Kafka Connect: its partition.
    pub const CONNECT_PARTITION: &str = "__connect.errors.partition";
    /// Kafka Connect: its offset.
    pub const CONNECT_OFFSET: &str = "__connect.errors.offset";
    /// Kafka Connect: the name of the connector; ours is the pipeline.
    pub const CONNECT_CONNECTOR: &str = "__connect.errors.connector.name";
    /// Kafka Connect: the task's number; ours is the partition.
    pub const CONNECT_TASK: &str = "__connect.errors.task.id";
    /// Kafka Connect: the stage that failed; ours is the service.
    pub const CONNECT_STAGE: &str = "__connect.errors.stage";
    /// Kafka Connect: the class of the error; ours is the reason code.
    pub const CONNECT_CLASS: &str = "__connect.errors.exception.class.name";
    /// Kafka Connect: the error's message; ours is code and detail.
    pub const CONNECT_MESSAGE: &str = "__connect.errors.exception.message";

    /// All names that [`super::dead_letter_headers`] writes.
    pub const ALL: &[&str] = &[
        REASON,
        DETAIL,
        SERVICE,
        VERSION,
        PIPELINE,
        IDENTITY,
        ATTEMPT,
        CONNECT_TOPIC,
        CONNECT_PARTITION,
        CONNECT_OFFSET,
        CONNECT_CONNECTOR,
        CONNECT_TASK,
        CONNECT_STAGE,
        CONNECT_CLASS,
        CONNECT_MESSAGE,
    ];
}

/// Longest detail that goes into a header; the rest is cut at a character's edge.
pub const DETAIL_BYTES_MAX: usize = 1_000;

/// What is known about a rejected record, besides the reason.
#[derive(Debug, Clone, Copy)]
pub struct DeadLetter<'a> {
    /// Topic the record came from.
    pub topic: &'a str,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// The service that rejected it.
    pub service: &'a str,
    /// The version of that service.
    pub version: &'a str,
    /// The pipeline it worked for.
    pub pipeline: &'a str,
    /// How often the record was retried before (0: never).
    pub attempt: u32,
}

impl DeadLetter<'_> {
    /// The identity that all copies of this dead letter share.
    pub fn identity(&self) -> String {
        format!("{}/{}/{}/{}", self.topic, self.partition, self.offset, self.service)
    }
}

/// The headers of the dead letter: all original headers in their order, then ours.
///
/// Headers of ours that the original already has (it was a dead letter before) are replaced, so that a retried record
/// names its latest failure only; every other original header is kept as it was, repeats and nulls included.
pub fn dead_letter_headers<'h>(
    original: impl IntoIterator<Item = (&'h str, Option<&'h [u8]>)>,
    letter: &DeadLetter<'_>,
    reject: &Reject,
) -> Vec<(String, Option<Vec<u8>>)> {
    let mut headers: Vec<(String, Option<Vec<u8>>)> = original
        .into_iter()
        .filter(|(name, _)| !names::ALL.contains(name))
        .map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec)))
        .collect();
    let detail = cut(&reject.detail, DETAIL_BYTES_MAX);
    let ours = [
        (names::REASON, reject.code.as_str().to_owned()),
        (names::DETAIL, detail.to_owned()),
        (names::SERVICE, letter.service.to_owned()),
        (names::VERSION, letter.version.to_owned()),
        (names::PIPELINE, letter.pipeline.to_owned()),
        (names::IDENTITY, letter.identity()),
        (names::ATTEMPT, letter.attempt.to_string()),
        (names::CONNECT_TOPIC, letter.topic.to_owned()),
        (names::CONNECT_PARTITION, letter.partition.to_string()),
        (names::CONNECT_OFFSET, letter.offset.to_string()),
        (names::CONNECT_CONNECTOR, letter.pipeline.to_owned()),
        (names::CONNECT_TASK, letter.partition.to_string()),
        (names::CONNECT_STAGE, letter.service.to_owned()),
        (names::CONNECT_CLASS, reject.code.as_str().to_owned()),
        (names::CONNECT_MESSAGE, format!("{}: {detail}", reject.code)),
    ];
    headers.extend(ours.into_iter().map(|(name, value)| (name.to_owned(), Some(value.into_bytes()))));
    headers
}

/// The longest prefix of `text` that has at most `bytes_max` bytes and ends between characters.
fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
