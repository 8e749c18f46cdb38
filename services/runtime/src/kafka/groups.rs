//! Groups seen from outside: who is in one, and setting what one has committed that nobody is in.

use futures::executor::block_on;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::context::ConsumerSide;
use super::{CLIENT_ID, Cluster, Kafka, REQUEST_WAIT_MS, commit, committed, fault, ms};
use crate::log::{Commit, Error, METADATA_BYTES_MAX, Result, TopicPartition};

/// The members of a group: the name of each client and where it runs.
pub(super) fn members(cluster: &Cluster, group: &str) -> Result<Vec<String>> {
    let answer = cluster.asker.fetch_group_list(Some(group), ms(REQUEST_WAIT_MS));
    cluster.drain();
    let answer = answer.map_err(|error| fault::error(format!("asking for the members of group {group}"), &error))?;
    let found = answer.groups().iter().filter(|found| found.name() == group);
    let name =
        |member: &rdkafka::groups::GroupMemberInfo| format!("{} at {}", member.client_id(), member.client_host());
    Ok(found.flat_map(|found| found.members().iter().map(name)).collect())
}

/// Commits without being a member, which the group's coordinator accepts only while there is none.
pub(super) fn set_committed(cluster: &Cluster, group: &str, commits: &[Commit]) -> Result<()> {
    if commits.is_empty() {
        return Ok(());
    }
    for Commit { tp, metadata, .. } in commits {
        if metadata.len() > METADATA_BYTES_MAX {
            let (tp, bytes, bytes_max) = (tp.clone(), metadata.len(), METADATA_BYTES_MAX);
            return Err(Error::MetadataTooLarge { tp, bytes, bytes_max });
        }
    }
    let config = cluster.settings.client(CLIENT_ID, Some(group));
    let consumer = BaseConsumer::from_config_and_context(&config, ConsumerSide::default())
        .map_err(|error| fault::error("creating a Kafka client", &error))?;
    consumer.context().close();
    // This waits until the group's coordinator is found.
    let tps: Vec<TopicPartition> = commits.iter().map(|commit| commit.tp.clone()).collect();
    committed(&consumer, group, &tps)?;
    match commit::commit(&consumer, group, commits) {
        Err(Error::Fenced { group, .. }) => {
            let members = members(cluster, &group)?.join(", ");
            Err(Error::Occupied { group, members })
        }
        other => other,
    }
}

impl Kafka {
    /// Deletes groups with all that they committed. For whoever wants to lose something on purpose; no service does it.
    pub fn delete_groups(&self, names: &[&str]) -> Result<()> {
        let (admin, options) = self.cluster.admin()?;
        let deleted = block_on(admin.delete_groups(names, &options));
        for result in deleted.map_err(|error| fault::error("deleting groups", &error))? {
            if let Err((group, code)) = result {
                return Err(Error::Refused { doing: format!("deleting group {group}"), detail: code.to_string() });
            }
        }
        Ok(())
    }

    pub(super) fn delete_before(&self, tp: &TopicPartition, before: i64) -> Result<()> {
        let (admin, options) = self.cluster.admin()?;
        let failed = |error| fault::error(format!("deleting records of {tp}"), &error);
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&tp.topic, tp.partition, Offset::Offset(before)).map_err(failed)?;
        let deleted = block_on(admin.delete_records(&list, &options)).map_err(failed)?;
        deleted.elements().iter().try_for_each(|element| element.error()).map_err(failed)
    }
}
