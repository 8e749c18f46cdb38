//! How topics keep their records: asking brokers, and telling them.

use futures::executor::block_on;
use rdkafka::admin::{AlterConfig, ConfigEntry, ConfigResource, ConfigSource, ResourceSpecifier};
use rdkafka::types::RDKafkaErrorCode;
use tracing::debug;

use super::{Cluster, fault};
use crate::log::{Error, Result, Settings};

/// Settings that are compared and changed; all others are the operators'.
const COMPARED: [&str; 4] = ["cleanup.policy", "message.timestamp.type", "retention.ms", "retention.bytes"];

/// What topics are told, in their order; nothing of one whose settings may not be seen.
pub(super) fn settings(cluster: &Cluster, topics: &[&str]) -> Result<Vec<Settings>> {
    if topics.is_empty() {
        return Ok(Vec::new());
    }
    let of_topic = |found: Described| -> Settings {
        let found = found.inspect_err(|code| debug!(%code, "a topic's settings may not be seen"));
        let entries = found.into_iter().flat_map(|found| found.entries);
        let compared = entries.filter(|entry| COMPARED.contains(&entry.name.as_str()));
        compared.filter_map(|entry| Some((entry.name, entry.value?))).collect()
    };
    Ok(described(cluster, topics)?.into_iter().map(of_topic).collect())
}

/// All settings of a topic, or why they are not told.
type Described = std::result::Result<ConfigResource, RDKafkaErrorCode>;

fn described(cluster: &Cluster, topics: &[&str]) -> Result<Vec<Described>> {
    let (admin, options) = cluster.admin()?;
    let asked: Vec<ResourceSpecifier<'_>> = topics.iter().map(|topic| ResourceSpecifier::Topic(topic)).collect();
    let answer = block_on(admin.describe_configs(&asked, &options));
    answer.map_err(|error| fault::error("asking for topics' settings", &error))
}

/// Tells a topic so.
pub(super) fn set(cluster: &Cluster, topic: &str, settings: &Settings) -> Result<()> {
    let doing = || format!("changing the settings of topic {topic}");
    let refused = |code: RDKafkaErrorCode| Error::Refused { doing: doing(), detail: code.to_string() };
    // A broker forgets what it is not told again, so nothing is changed unless everything is known.
    let own = |entry: &ConfigEntry| entry.source == ConfigSource::DynamicTopic && !entry.is_sensitive;
    let mut all = Settings::new();
    for found in described(cluster, &[topic])? {
        let entries = found.map_err(refused)?.entries.into_iter();
        all.extend(entries.filter(own).filter_map(|entry| Some((entry.name, entry.value?))));
    }
    all.extend(settings.clone());
    let told =
        all.iter().fold(AlterConfig::new(ResourceSpecifier::Topic(topic)), |told, (name, value)| told.set(name, value));
    let (admin, options) = cluster.admin()?;
    let answer = block_on(admin.alter_configs(&[told], &options));
    for result in answer.map_err(|error| fault::error(doing(), &error))? {
        result.map_err(|(_, code)| refused(code))?;
    }
    Ok(())
}
