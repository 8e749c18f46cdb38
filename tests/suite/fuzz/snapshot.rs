//! Snapshots: a manifest and a file of changes are taken up or refused, and what was taken up has the sum of what is in it.

use super::seeds::context;
use featurizer::{Featurizer, Role};
use flow::processor::Task;
use flow::snapshot::Merged;
use runtime::context::Context;
use runtime::log::TopicPartition;
use runtime::shell::Service;
use runtime::snapshot::Manifest;

pub const WORDS: &[&str] =
    &["\"held\":null", "\"position\":0", "\"own\":{}", "\"marks\":[]", "\"ledger\":[]", "[", "{"];

/// Tasks to restore.
pub struct Target(Context);

impl Target {
    pub fn new() -> Self {
        Target(context())
    }

    /// A task that has handled nothing.
    pub fn task(&self, role: Role) -> Box<dyn Task> {
        let reads = Featurizer::roles(&self.0).into_iter().find(|(other, _)| *other == role).unwrap().1;
        let opened = Featurizer::new(self.0.clone(), role).open(&TopicPartition::new(reads, 0), None);
        opened.unwrap_or_else(|stop| panic!("{stop}")).task
    }

    /// A line with the manifest, which says whose it is, and changes.
    pub fn answer(&self, bytes: &[u8]) -> String {
        let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return "no line".to_owned() };
        let (line, changes) = (&bytes[..end], &bytes[end + 1..]);
        let manifest: Manifest = match serde_json::from_slice(line) {
            Ok(manifest) => manifest,
            Err(error) => return error.to_string(),
        };
        let _ = (manifest.sum(), manifest.files.len());
        let mut merged = Merged::default();
        if let Err(error) = merged.add(changes) {
            return error.to_string();
        }
        let role = if manifest.log.contains("journal") { Role::Journal } else { Role::Stage(0) };
        let mut task = self.task(role);
        let state = task.state().unwrap();
        if let Err(error) = merged.restore(&manifest.blob, state) {
            return error.to_string();
        }
        let total = merged.each(|_| {}).unwrap();
        assert_eq!(state.hash(), total.sum, "the state is not that of the entries");
        format!("restored {}", manifest.log)
    }
}
