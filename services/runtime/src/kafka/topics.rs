//! Topics that come, grow and go. A cluster's brokers learn of it one after the other, so each change is waited for.

use std::time::Instant;

use futures::executor::block_on;
use rdkafka::admin::{NewPartitions, NewTopic, TopicReplication};
use rdkafka::error::RDKafkaErrorCode;

use super::settings::MESSAGE_BYTES_MAX;
use super::{Cluster, fault, ms};
use crate::log::{Error, Result, Settings, TopicSpec};

/// How long a topic that was just created or deleted may take to be known everywhere.
const CREATED_WAIT_MS: u64 = 30_000;
/// Pause between two looks at such a topic.
const CREATED_LOOK_MS: u64 = 20;
/// Lets the broker choose (`default.replication.factor`).
const REPLICATION_OF_BROKER: i32 = -1;

impl Cluster {
    /// Creates topics; those that are there already stay as they are.
    pub fn create(&self, specs: &[TopicSpec]) -> Result<()> {
        let (admin, options) = self.admin()?;
        let bytes_max = MESSAGE_BYTES_MAX.to_string();
        let limits: Vec<Settings> = specs.iter().map(TopicSpec::limits).collect();
        let topics = specs.iter().zip(&limits).map(|(spec, limits)| {
            let topic = NewTopic::new(&spec.name, spec.partitions, TopicReplication::Fixed(REPLICATION_OF_BROKER))
                .set("message.timestamp.type", "LogAppendTime")
                .set("cleanup.policy", if spec.compacted { "compact" } else { "delete" })
                .set("max.message.bytes", &bytes_max);
            limits.iter().fold(topic, |topic, (name, limit)| topic.set(name, limit))
        });
        let topics: Vec<NewTopic<'_>> = topics.collect();
        let results = block_on(admin.create_topics(&topics, &options))
            .map_err(|error| fault::error("creating topics", &error))?;
        for result in results {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((topic, code)) => return Err(Error::InvalidTopic { topic, why: code.to_string() }),
            }
        }
        Ok(())
    }

    /// Waits until a topic that was just created is known, and checks its partitions.
    pub fn await_created(&self, spec: &TopicSpec) -> Result<()> {
        let deadline = Instant::now() + ms(CREATED_WAIT_MS);
        loop {
            match self.partitions(&spec.name)? {
                Some(found) if found == spec.partitions => return Ok(()),
                Some(found) => {
                    let topic = spec.name.clone();
                    return Err(Error::PartitionCount { topic, wanted: spec.partitions, found });
                }
                None if Instant::now() < deadline => std::thread::sleep(ms(CREATED_LOOK_MS)),
                None => return Err(Error::MissingTopic { topic: spec.name.clone() }),
            }
        }
    }

    /// Gives a topic more partitions, and waits until they are known.
    pub fn add_partitions(&self, topic: &str, wanted: i32) -> Result<()> {
        let has = || match self.partitions(topic)? {
            Some(found) => Ok(found >= wanted),
            None => Err(Error::MissingTopic { topic: topic.to_owned() }),
        };
        if has()? {
            return Ok(());
        }
        let (admin, options) = self.admin()?;
        let more = NewPartitions::new(topic, wanted as usize);
        let results = block_on(admin.create_partitions(&[more], &options));
        let results = results.map_err(|error| fault::error(format!("adding partitions to topic {topic}"), &error))?;
        let refused = results.into_iter().find_map(std::result::Result::err);
        let deadline = Instant::now() + ms(CREATED_WAIT_MS);
        // Somebody else may have added them meanwhile.
        while !has()? {
            let doing = || format!("adding partitions to topic {topic}");
            match &refused {
                Some((_, code)) => return Err(Error::Refused { doing: doing(), detail: code.to_string() }),
                None if Instant::now() < deadline => std::thread::sleep(ms(CREATED_LOOK_MS)),
                None => return Err(Error::Unavailable { doing: doing(), detail: "they are not known yet".to_owned() }),
            }
        }
        Ok(())
    }

    /// Deletes topics; those that are not there are no error.
    pub fn delete(&self, names: &[&str]) -> Result<()> {
        let (admin, options) = self.admin()?;
        let results = block_on(admin.delete_topics(names, &options));
        for result in results.map_err(|error| fault::error("deleting topics", &error))? {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
                Err((topic, code)) => {
                    return Err(Error::Refused { doing: format!("deleting topic {topic}"), detail: code.to_string() });
                }
            }
        }
        Ok(())
    }

    /// Waits until a topic that was just deleted is known no more.
    pub fn await_deleted(&self, topic: &str) -> Result<()> {
        let deadline = Instant::now() + ms(CREATED_WAIT_MS);
        while self.partitions(topic)?.is_some() {
            if Instant::now() >= deadline {
                let detail = "it is still there".to_owned();
                return Err(Error::Unavailable { doing: format!("deleting topic {topic}"), detail });
            }
            std::thread::sleep(ms(CREATED_LOOK_MS));
        }
        Ok(())
    }
}
