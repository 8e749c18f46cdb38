//! What can go wrong with a log.

use std::path::PathBuf;

use super::TopicPartition;

/// The result of a log operation.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong with a log. [`Error::is_retriable`] tells the outside world's failures from the others.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nobody answered.
    #[error(
        "no Kafka broker answered at {brokers} within {waited_ms} ms; check the address, that the broker runs, and that its listener speaks the configured security protocol{detail}"
    )]
    NoBroker {
        /// The addresses tried.
        brokers: String,
        /// How long.
        waited_ms: u64,
        /// What the client said, after a colon; may be empty.
        detail: String,
    },

    /// Brokers are there and did not do it in time.
    #[error("{doing} did not succeed: {detail}; it may be tried again")]
    Unavailable {
        /// What was attempted.
        doing: String,
        /// What the client said.
        detail: String,
    },

    /// The log said no, and will say so again.
    #[error("{doing} failed: {detail}")]
    Refused {
        /// What was attempted.
        doing: String,
        /// What the client said.
        detail: String,
    },

    /// There is no such topic.
    #[error("topic {topic} does not exist; create the pipeline's topics with `tidemill apply`")]
    MissingTopic {
        /// Its name.
        topic: String,
    },

    /// There is no such partition.
    #[error("partition {tp} does not exist; the topic has {partitions} partitions")]
    MissingPartition {
        /// The partition asked for.
        tp: TopicPartition,
        /// How many there are.
        partitions: i32,
    },

    /// A topic exists otherwise than wanted.
    #[error(
        "topic {topic} has {found} partitions and not {wanted}; a log's partition count is fixed, so use {found} or a new generation of the topic"
    )]
    PartitionCount {
        /// Its name.
        topic: String,
        /// As declared.
        wanted: i32,
        /// As it is.
        found: i32,
    },

    /// A topic cannot be created like that.
    #[error("topic {topic} cannot be created: {why}")]
    InvalidTopic {
        /// Its name.
        topic: String,
        /// What is wrong with it.
        why: String,
    },

    /// A read or a seek outside of what the partition holds.
    #[error(
        "offset {offset} of {tp} is outside of the log, which holds {start} to {end}; records may have been deleted by retention before they were read"
    )]
    OutOfRange {
        /// The partition.
        tp: TopicPartition,
        /// The offset asked for.
        offset: i64,
        /// The oldest there is.
        start: i64,
        /// The end.
        end: i64,
    },

    /// A record does not fit.
    #[error("a record for {topic} has {bytes} bytes, and at most {bytes_max} are allowed")]
    RecordTooLarge {
        /// The topic.
        topic: String,
        /// Its size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },

    /// A commit's metadata does not fit.
    #[error("the commit metadata of {tp} has {bytes} bytes, and at most {bytes_max} are allowed")]
    MetadataTooLarge {
        /// The partition.
        tp: TopicPartition,
        /// Its size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },

    /// Somebody else owns the work. The task must stop and emit nothing more.
    #[error("group {group} refused a commit: {detail}; the partition belongs to another member now")]
    Fenced {
        /// The group.
        group: String,
        /// What the group said.
        detail: String,
    },

    /// A group's commits are to be set from outside, and somebody is in it.
    #[error(
        "group {group} has members ({members}); stop those services first (one that was killed counts as a member for ten seconds more)"
    )]
    Occupied {
        /// The group.
        group: String,
        /// Who is in it.
        members: String,
    },

    /// A commit outside of a group.
    #[error("session {client_id} is in no group and cannot commit")]
    NoGroup {
        /// The session.
        client_id: String,
    },

    /// A seek, pause or resume of a partition that the session does not own.
    #[error("partition {tp} is not assigned to session {client_id}")]
    NotAssigned {
        /// The session.
        client_id: String,
        /// The partition.
        tp: TopicPartition,
    },

    /// A published record could not be delivered.
    #[error("a record published to {topic} was not delivered: {detail}; nothing after it was committed")]
    Delivery {
        /// The topic.
        topic: String,
        /// What the client said.
        detail: String,
    },

    /// A setting that cannot be used.
    #[error("kafka setting `{key}` cannot be set to `{value}`: {why}")]
    Setting {
        /// The setting.
        key: String,
        /// Its value.
        value: String,
        /// Why not.
        why: String,
    },

    /// Another process has the embedded log open.
    #[error("the log in {} is open in another process{}; stop it, or speak to it through its gateway", path.display(), holder(*pid))]
    Locked {
        /// The log's directory.
        path: PathBuf,
        /// The other process, if it could be read.
        pid: Option<u32>,
    },

    /// The embedded log's files are not what they were.
    #[error("{} is damaged at byte {position}: {detail}; restore the file from a backup, or remove the log's directory to start afresh", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where.
        position: u64,
        /// What is wrong.
        detail: String,
    },

    /// The embedded log's files could not be read or written.
    #[error("{doing} {} failed: {source}", path.display())]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },

    /// The embedded log's disk has no room left. Everything that was acknowledged is there, and a start with room goes on.
    #[error(
        "{doing} {} failed: {detail}; free some room there and start again: everything acknowledged is kept", path.display()
    )]
    Full {
        /// What was attempted.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },

    /// An earlier write failed, and what it left behind is unknown.
    #[error("the log stopped after a failed write: {detail}; restart the process")]
    Stopped {
        /// What failed.
        detail: String,
    },
}

impl Error {
    /// Whether the same operation may succeed later with nothing changed on our side.
    pub fn is_retriable(&self) -> bool {
        matches!(self, Self::NoBroker { .. } | Self::Unavailable { .. })
    }

    /// Whether the work belongs to somebody else by now.
    pub fn is_fenced(&self) -> bool {
        matches!(self, Self::Fenced { .. })
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (pid {pid})"))
}
