//! From the pipeline's `kafka:` settings to the configuration of librdkafka clients.
//!
//! Everything passes through, over our defaults; only the settings that the guarantees of [`Session`](crate::log::Session)
//! stand on are ours.

use std::collections::BTreeMap;

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};

use crate::log::{Error, Input, RECORD_BYTES_MAX, Result, SessionOptions};

/// Settings that a user cannot change, and why.
const OWNED: [(&str, &str); 20] = [
    ("acks", "records count as published only when all in-sync replicas have them"),
    ("auto.offset.reset", "a missing position stops the task instead of skipping records"),
    ("bootstrap.servers", "name the brokers with `brokers`"),
    ("client.id", "each session has its own name"),
    ("delivery.timeout.ms", "a record is never given up silently"),
    ("enable.auto.commit", "offsets are committed with the task's state, after its outputs"),
    ("enable.auto.offset.store", "offsets are committed with the task's state, after its outputs"),
    ("enable.idempotence", "records must not be repeated or reordered by the client"),
    ("enable.partition.eof", "the end of a partition is no event here"),
    ("group.id", "each task has its own group"),
    ("group.instance.id", "each task has its own"),
    ("group.protocol", "hand-over of partitions relies on the classic protocol"),
    ("isolation.level", "records of aborted transactions must not be read"),
    ("message.timeout.ms", "a record is never given up silently"),
    ("metadata.broker.list", "name the brokers with `brokers`"),
    ("partition.assignment.strategy", "hand-over of partitions relies on an eager strategy"),
    ("partitioner", "keys are partitioned as Java clients do"),
    ("request.required.acks", "records count as published only when all in-sync replicas have them"),
    ("request.timeout.ms", "set `socket.timeout.ms`"),
    ("transactional.id", "transactions are the runtime's own affair"),
];

/// What settings begin with that only a producer understands; a consumer would warn about them.
const PRODUCER_ONLY: [&str; 12] = [
    "batch.",
    "compression.",
    "dr_",
    "enable.gapless.guarantee",
    "linger.ms",
    "max.in.flight",
    "message.send.max.retries",
    "queue.buffering.",
    "queuing.strategy",
    "retries",
    "retry.backoff",
    "sticky.partitioning",
];

/// What settings begin with that only a consumer understands.
const CONSUMER_ONLY: [&str; 8] = [
    "check.crcs",
    "fetch.",
    "group.",
    "heartbeat.interval.ms",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "queued.",
    "session.timeout.ms",
];

/// Room for a record's envelope above [`RECORD_BYTES_MAX`]; topics that we create have it too.
pub(super) const MESSAGE_BYTES_MAX: usize = RECORD_BYTES_MAX + 64 * 1024;
/// Send buffer of a producer's sockets. With the system's default librdkafka spends most of its time on partial sends
/// of large records.
const SEND_BUFFER_BYTES: u32 = 4_000_000;
/// Records and bytes that wait in a producer before `publish` blocks.
const QUEUED_RECORDS_MAX: u32 = 500_000;
const QUEUED_KBYTES_MAX: u32 = 64 * 1024;
/// What a consumer fetches ahead.
const FETCHED_AHEAD_KBYTES_MAX: u32 = 32 * 1024;
/// Bytes of one partition in one fetch.
const FETCH_PARTITION_BYTES: u32 = 4 * 1024 * 1024;
/// Pause of fetching while what was fetched ahead waits to be polled.
const FETCH_PAUSE_MS: u32 = 10;
/// How long a broker may wait for records at a partition's end before it says that there are none.
const PROBE_FETCH_WAIT_MS: u32 = 5;
/// How long a broker leaves a transaction open whose producer is silent. Readers of the topic wait for it that long.
pub(super) const TRANSACTION_TIMEOUT_MS: u32 = 10_000;
/// A member says this many times within its session timeout that it lives.
const HEARTBEATS_PER_SESSION: u64 = 10;

/// Checked settings of a cluster.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub brokers: String,
    user: BTreeMap<String, String>,
}

fn begins_with_one_of(key: &str, names: &[&str]) -> bool {
    names.iter().any(|name| key.starts_with(name))
}

impl Settings {
    /// Checks what the user set.
    pub fn new(brokers: &str, user: &BTreeMap<String, String>) -> Result<Self> {
        for (key, value) in user {
            if let Some((_, why)) = OWNED.iter().find(|(owned, _)| owned == key) {
                return Err(Error::Setting { key: key.clone(), value: value.clone(), why: (*why).to_owned() });
            }
        }
        if brokers.trim().is_empty() {
            let (key, value) = ("brokers".to_owned(), brokers.to_owned());
            return Err(Error::Setting { key, value, why: "it must name at least one broker as host:port".into() });
        }
        Ok(Self { brokers: brokers.to_owned(), user: user.clone() })
    }

    fn base(&self, client_id: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set_log_level(RDKafkaLogLevel::Warning);
        config.set("bootstrap.servers", &self.brokers);
        config.set("client.id", client_id);
        config.set("socket.nagle.disable", "true");
        config.set("allow.auto.create.topics", "false");
        config.set("log.connection.close", "false");
        config
    }

    fn overlay(&self, config: &mut ClientConfig, foreign: &[&str]) {
        for (key, value) in self.user.iter().filter(|(key, _)| !begins_with_one_of(key, foreign)) {
            config.set(key, value);
        }
    }

    /// For questions to the cluster: a consumer that reads nothing.
    pub fn client(&self, client_id: &str, group: Option<&str>) -> ClientConfig {
        let mut config = self.base(client_id);
        self.overlay(&mut config, &PRODUCER_ONLY);
        if let Some(group) = group {
            config.set("group.id", group);
        }
        config.set("enable.auto.commit", "false");
        config.set("isolation.level", "read_committed");
        config
    }

    /// For a session that reads.
    pub fn consumer(&self, options: &SessionOptions) -> ClientConfig {
        let mut config = self.base(&options.client_id);
        config.set("check.crcs", "true");
        config.set("queued.max.messages.kbytes", FETCHED_AHEAD_KBYTES_MAX.to_string());
        config.set("max.partition.fetch.bytes", FETCH_PARTITION_BYTES.to_string());
        config.set("fetch.queue.backoff.ms", FETCH_PAUSE_MS.to_string());
        let session_timeout_ms = options.session_timeout_ms.min(options.poll_interval_max_ms);
        config.set("session.timeout.ms", session_timeout_ms.to_string());
        config.set("heartbeat.interval.ms", (session_timeout_ms / HEARTBEATS_PER_SESSION).max(1).to_string());
        config.set("max.poll.interval.ms", options.poll_interval_max_ms.to_string());
        self.overlay(&mut config, &PRODUCER_ONLY);
        config.set("enable.auto.commit", "false");
        config.set("enable.auto.offset.store", "false");
        config.set("auto.offset.reset", "error");
        config.set("isolation.level", "read_committed");
        config.set("partition.assignment.strategy", "roundrobin");
        match &options.input {
            Input::Group { group, instance, .. } => {
                config.set("group.id", group);
                if let Some(instance) = instance {
                    config.set("group.instance.id", instance);
                }
            }
            // librdkafka cannot assign without a group's name; nothing is ever committed under this one.
            Input::Assigned(_) | Input::None => {
                config.set("group.id", format!("{}.reader", options.client_id));
            }
        }
        config
    }

    /// For a session that publishes.
    pub fn producer(&self, options: &SessionOptions) -> ClientConfig {
        let mut config = self.base(&options.client_id);
        config.set("linger.ms", options.linger_ms.to_string());
        config.set("compression.type", "lz4");
        config.set("socket.send.buffer.bytes", SEND_BUFFER_BYTES.to_string());
        config.set("message.max.bytes", MESSAGE_BYTES_MAX.to_string());
        config.set("queue.buffering.max.messages", QUEUED_RECORDS_MAX.to_string());
        config.set("queue.buffering.max.kbytes", QUEUED_KBYTES_MAX.to_string());
        self.overlay(&mut config, &CONSUMER_ONLY);
        config.set("enable.idempotence", "true");
        config.set("message.timeout.ms", "0");
        config
    }

    /// For the transactions of a session. A record that is not delivered in time fails its transaction, not the session.
    pub fn transactional_producer(&self, options: &SessionOptions, id: &str) -> ClientConfig {
        let mut config = self.producer(options);
        config.set("transactional.id", id);
        config.set("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS.to_string());
        // librdkafka derives both from the transaction's timeout, and refuses larger ones.
        config.remove("message.timeout.ms");
        config.remove("socket.timeout.ms");
        config
    }

    /// For a look at the end of partitions: it answers as soon as the broker knows that nothing more comes.
    pub fn prober(&self, client_id: &str) -> ClientConfig {
        let mut config = self.client(client_id, Some(&format!("{client_id}.probe")));
        config.set("enable.auto.offset.store", "false");
        config.set("enable.partition.eof", "true");
        config.set("fetch.wait.max.ms", PROBE_FETCH_WAIT_MS.to_string());
        config
    }
}
