//! Where a benchmark works: a temporary folder, and a name that no other pipeline has. On Kafka all topics begin with
//! that name and are deleted at the end.

use std::collections::BTreeMap;
use std::time::Duration;

use flow::config::Pipeline;
use runtime::kafka::Kafka;
use runtime::log::Log;
use tempfile::TempDir;

use crate::cli::Global;
use crate::environment::Environment;
use crate::error::Error;
use crate::loading;
use crate::output::note;

/// After how much silence a partition counts as idle, where nobody says otherwise: the end of a run waits for it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(2);

/// A place of one's own. Dropped, it leaves nothing behind.
pub struct Place {
    /// The options for everything that runs here.
    pub global: Global,
    /// Name of the pipeline as measured.
    pub name: String,
    /// Name of the pipeline as declared.
    pub declared: String,
    folder: TempDir,
}

impl Place {
    /// A fresh place for the pipeline that the options name.
    pub fn open(global: &Global) -> Result<Self, Error> {
        let declared = loading::load(global)?.checked(global)?.name;
        let folder = tempfile::Builder::new().prefix("tidemill-bench-").tempdir();
        let folder = folder.map_err(|error| Error::Failed(format!("no folder for the benchmark: {error}")))?;
        let now_ms = runtime::clock::now_ms();
        let name = format!("{declared}-bench-{:x}-{:x}", std::process::id(), now_ms);
        let global = Global {
            data: folder.path().to_owned(),
            store: None,
            // Schemas lie in the folder: nobody's registry is filled with names that live for a minute.
            schema_registry: None,
            gateway: None,
            idle_timeout: Some(global.idle_timeout.unwrap_or(IDLE_TIMEOUT)),
            ..global.clone()
        };
        Ok(Place { global, name, declared, folder })
    }

    /// A file in the folder.
    pub fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Log, store and pipeline.
    pub fn environment(&self) -> Result<Environment, Error> {
        environment(&self.global, &self.name)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(brokers) = &self.global.brokers else { return };
        let prefix = format!("{}.", self.name);
        let settings: BTreeMap<String, String> = self.global.kafka.iter().cloned().collect();
        let removed = Kafka::connect(brokers, &settings).and_then(|kafka| {
            let topics = kafka.topics()?;
            let ours: Vec<&str> = topics.iter().map(String::as_str).filter(|name| name.starts_with(&prefix)).collect();
            kafka.delete_topics(&ours)
        });
        if let Err(error) = removed {
            note(&format!("the topics {prefix}* could not be deleted, please do it yourself: {error}"));
        }
    }
}

/// Log, store and pipeline of a benchmark, as its own processes open them.
pub fn environment(global: &Global, name: &str) -> Result<Environment, Error> {
    let pipeline = loading::load(global)?.checked(global)?;
    Environment::with(global, renamed(pipeline, name))
}

/// The same pipeline under another name, its declared topics included.
fn renamed(mut pipeline: Pipeline, name: &str) -> Pipeline {
    let before = format!("{}.", pipeline.name);
    let topic = |topic: &str| format!("{name}.{}", topic.strip_prefix(&before).unwrap_or(topic));
    pipeline.events.topic = topic(&pipeline.events.topic);
    if let Some(labels) = &mut pipeline.labels {
        labels.topic = topic(&labels.topic);
    }
    pipeline.alerts_topic = topic(&pipeline.alerts_topic);
    pipeline.name = name.to_owned();
    pipeline
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_topics_begin_with_the_new_name() {
        let yaml = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../topologies/pipelines/demo.yaml"));
        let resolve = |path: &str| schemas::contracts::avro(path).map(str::to_owned).ok_or_else(String::new);
        let pipeline = flow::config::parse(yaml, &resolve).expect("the shipped pipeline");
        let digest = pipeline.features.digest.clone();
        let renamed = renamed(pipeline, "other-1f");
        assert_eq!(renamed.features.digest, digest, "the features stay the same");
        let plan = flow::plan::plan(&renamed);
        for topic in &plan.topics {
            assert!(topic.name.starts_with("other-1f."), "{}", topic.name);
        }
        for task in &plan.tasks {
            assert!(task.group_id.starts_with("other-1f"), "{}", task.group_id);
        }
    }
}
