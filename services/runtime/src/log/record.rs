//! The plain types that go through a session.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::Settings;

/// One partition of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// A partition by name and number.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

/// What a topic is to be when it is created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: String,
    /// Its number of partitions; fixed for good.
    pub partitions: i32,
    /// Whether only the newest record of each key need be kept (`cleanup.policy=compact`).
    pub compacted: bool,
    /// Whether people outside read it: the embedded log shows its records only once they are on disk.
    pub public: bool,
    /// How long records are kept; `None` for ever.
    pub retention_ms: Option<i64>,
    /// How many bytes of each partition are kept, to within a segment; `None` for all.
    pub retention_bytes: Option<u64>,
    /// Whether somebody said how long records are kept. Where nobody did, that of a public topic is its readers' matter.
    pub is_declared: bool,
}

impl TopicSpec {
    /// An internal, uncompacted topic that keeps its records for ever.
    pub fn new(name: impl Into<String>, partitions: i32) -> Self {
        Self {
            name: name.into(),
            partitions,
            compacted: false,
            public: false,
            retention_ms: None,
            retention_bytes: None,
            is_declared: false,
        }
    }

    /// How it is to keep its records, by Kafka's names. How long those of a public topic are kept is for its readers to say
    /// where nothing is declared; what tasks read they may have to read from its start.
    pub fn settings(&self) -> Settings {
        let policy = if self.compacted { "compact" } else { "delete" };
        let fixed = [("cleanup.policy", policy), ("message.timestamp.type", "LogAppendTime")];
        let mut settings: Settings =
            fixed.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        if self.is_declared || !self.public {
            settings.extend(self.limits());
        }
        settings
    }

    /// How long records are kept, by Kafka's names.
    pub fn limits(&self) -> Settings {
        let text = |limit: Option<String>| limit.unwrap_or_else(|| "-1".to_owned());
        let limits = [
            ("retention.ms", text(self.retention_ms.map(|ms| ms.to_string()))),
            ("retention.bytes", text(self.retention_bytes.map(|bytes| bytes.to_string()))),
        ];
        limits.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The same topic, whose retention somebody declared.
    pub fn declared(self, retention_ms: Option<i64>, retention_bytes: Option<u64>) -> Self {
        Self { retention_ms, retention_bytes, is_declared: true, ..self }
    }

    /// The same topic, public.
    pub fn public(self) -> Self {
        Self { public: true, ..self }
    }

    /// The same topic, compacted.
    pub fn compacted(self) -> Self {
        Self { compacted: true, ..self }
    }

    /// The same topic, with a retention.
    pub fn retention_ms(self, retention_ms: i64) -> Self {
        Self { retention_ms: Some(retention_ms), ..self }
    }

    /// Whether records are deleted for their age or for want of room.
    pub fn is_limited(&self) -> bool {
        !self.compacted && (self.retention_ms.is_some() || self.retention_bytes.is_some())
    }

    /// The same topic, with a limit on the bytes of each partition.
    pub fn retention_bytes(self, retention_bytes: u64) -> Self {
        Self { retention_bytes: Some(retention_bytes), ..self }
    }
}

/// One header of a record. Names may repeat, and a value may be null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: Cow<'static, str>,
    /// Its value.
    pub value: Option<Bytes>,
}

impl Header {
    /// A header with a value.
    pub fn new(name: impl Into<Cow<'static, str>>, value: impl Into<Bytes>) -> Self {
        Self { name: name.into(), value: Some(value.into()) }
    }

    /// The value as text, if it is there and is text.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.value.as_ref()?).ok()
    }
}

/// The headers of a record, in their order.
pub type Headers = Vec<Header>;

/// A record as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its offset in the partition.
    pub offset: i64,
    /// When the log appended it, in milliseconds since the Unix epoch.
    pub append_time_ms: i64,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value; null is a tombstone.
    pub value: Option<Bytes>,
    /// Its headers.
    pub headers: Headers,
}

impl Record {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&Header> {
        self.headers.iter().find(|header| header.name == name)
    }
}

/// A record to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition; `None` leaves it to the key as Java clients do ([`super::partition_of_key`]), or, with a null
    /// key, to chance.
    pub partition: Option<i32>,
    /// The key.
    pub key: Option<Bytes>,
    /// The value; null is a tombstone.
    pub value: Option<Bytes>,
    /// The headers.
    pub headers: Headers,
}

impl Publish {
    /// A record for a partition, without key and headers: what a batch of an internal log is.
    pub fn batch(tp: TopicPartition, value: Bytes) -> Self {
        Self { topic: tp.topic, partition: Some(tp.partition), key: None, value: Some(value), headers: Headers::new() }
    }

    /// A record that goes to the partition of its key.
    pub fn keyed(topic: Arc<str>, key: Bytes, value: Bytes) -> Self {
        Self { topic, partition: None, key: Some(key), value: Some(value), headers: Headers::new() }
    }

    /// What the record counts for against [`super::RECORD_BYTES_MAX`].
    pub fn size_bytes(&self) -> usize {
        let len = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        let headers: usize = self.headers.iter().map(|header| header.name.len() + len(&header.value)).sum();
        len(&self.key) + len(&self.value) + headers
    }
}

/// A position that a group committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The next offset to read.
    pub offset: i64,
    /// The string that was committed with it; empty when there was none.
    pub metadata: String,
}

/// A position to commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The partition.
    pub tp: TopicPartition,
    /// The next offset to read.
    pub offset: i64,
    /// The task's state, or where it is; at most [`super::METADATA_BYTES_MAX`] bytes.
    pub metadata: String,
}

/// A partition that this session owns from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// The partition.
    pub tp: TopicPartition,
    /// What the group committed for it, if anything.
    pub committed: Option<Committed>,
    /// The partition's oldest readable offset.
    pub start: i64,
    /// The offset that its next record will get, at the time of the assignment.
    pub end: i64,
}

/// A partition that this session gives away with its next poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// The partition.
    pub tp: TopicPartition,
    /// It is gone already; a commit would be refused.
    pub lost: bool,
}

/// What a poll returned. Handle `revoked`, then `assigned`, then `records`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Poll {
    /// Partitions taken away.
    pub revoked: Vec<Revoked>,
    /// Partitions given.
    pub assigned: Vec<Assigned>,
    /// Records by partition, rising in offset; a partition occurs at most once.
    pub records: Vec<(TopicPartition, Vec<Record>)>,
}

impl Poll {
    /// Whether nothing came.
    pub fn is_empty(&self) -> bool {
        self.revoked.is_empty() && self.assigned.is_empty() && self.records.is_empty()
    }
}

/// What a session reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Nothing; the session only publishes.
    None,
    /// A share of these topics, together with the other members of the group.
    Group {
        /// The group's name.
        group: String,
        /// The topics; all members of a group should name the same ones.
        topics: Vec<String>,
        /// A name that is kept over a restart (Kafka's `group.instance.id`), so that a quick restart moves nothing.
        instance: Option<String>,
    },
    /// Just these partitions, each from that offset on. Such a session cannot commit.
    Assigned(Vec<(TopicPartition, i64)>),
}

/// How a session is to behave. Start from [`SessionOptions::new`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionOptions {
    /// A name for logs and metrics.
    pub client_id: String,
    /// What it reads.
    pub input: Input,
    /// Most records that one poll returns.
    pub poll_records_max: usize,
    /// A poll stops adding records once it has this many bytes of keys and values.
    pub poll_bytes_max: usize,
    /// How long the session may go without polling before its partitions are given to others.
    pub poll_interval_max_ms: u64,
    /// How long after its last sign of life a member's process is taken for dead (Kafka only).
    pub session_timeout_ms: u64,
    /// How long a published record may wait for company while the session polls; a flush ends the wait.
    pub linger_ms: u64,
    /// Whether `flush` also waits until the records are on disk (embedded only; Kafka's replicas are the durability).
    pub durable: bool,
    /// Topics whose records readers see only with the commit that follows them, all or none; see [`super::Session`].
    pub transactional: Vec<String>,
}

impl SessionOptions {
    /// Sensible values for a service; the fields are public to change them.
    pub fn new(client_id: impl Into<String>, input: Input) -> Self {
        Self {
            client_id: client_id.into(),
            input,
            poll_records_max: 4_096,
            poll_bytes_max: 8 * 1024 * 1024,
            poll_interval_max_ms: 300_000,
            session_timeout_ms: 10_000,
            linger_ms: 1,
            durable: false,
            transactional: Vec::new(),
        }
    }

    /// A session that only publishes.
    pub fn publisher(client_id: impl Into<String>) -> Self {
        Self::new(client_id, Input::None)
    }

    /// A member of a group.
    pub fn group<T: Into<String>>(
        client_id: impl Into<String>,
        group: impl Into<String>,
        topics: impl IntoIterator<Item = T>,
    ) -> Self {
        let topics = topics.into_iter().map(Into::into).collect();
        Self::new(client_id, Input::Group { group: group.into(), topics, instance: None })
    }

    /// A reader of given partitions from given offsets.
    pub fn assigned(client_id: impl Into<String>, partitions: Vec<(TopicPartition, i64)>) -> Self {
        Self::new(client_id, Input::Assigned(partitions))
    }
}
