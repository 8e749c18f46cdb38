//! The snapshots that a history left: whatever was damaged is refused, and all others hold the state of their position.

use super::cluster::Cluster;
use super::process::Kind;
use flow::processor::Task;
use flow::snapshot::Blob;
use runtime::log::TopicPartition;
use runtime::snapshot::{Error, Owner, Vault};

/// What a good snapshot says.
pub struct Saved {
    pub position: i64,
    owner: Owner,
    sum: u128,
    metadata: String,
}

impl Saved {
    /// The good snapshots of a task, oldest first.
    pub fn of(cluster: &Cluster, kind: &Kind, tp: &TopicPartition) -> Result<Vec<Saved>, String> {
        let Some(store) = &cluster.shared.snapshots else { return Ok(Vec::new()) };
        let vault = Vault::new(store.clone());
        let owner = Owner { group: kind.group.clone(), log: tp.topic.to_string(), partition: tp.partition };
        let mut all = Vec::new();
        for name in vault.list(&owner).map_err(|error| error.to_string())?.into_iter().rev() {
            let Ok(loaded) = vault.load(&owner, &name) else { continue };
            let position = name.position;
            let sum = loaded.manifest.sum().ok_or("a sum is no number")?;
            match loaded.verify() {
                Ok(_) => {}
                Err(error @ Error::State { .. }) => {
                    return Err(format!("the snapshot of {owner} at {position}: {error}"));
                }
                Err(_) => continue,
            }
            let header = Blob::header(&loaded.manifest.blob).map_err(|error| error.to_string())?;
            all.push(Saved { position, owner: owner.clone(), sum, metadata: header.state.text() });
        }
        Ok(all)
    }

    /// Compares it with a task that has read its log from the start to the snapshot's position.
    pub fn verify(&self, task: &mut dyn Task) -> Result<(), String> {
        let (place, metadata) = (format!("the snapshot of {} at {}", self.owner, self.position), task.metadata());
        let sum = task.state().map(|state| state.hash());
        if sum != Some(self.sum) {
            return Err(format!("{place} is not the state of its position: {:032x} and {sum:032x?}", self.sum));
        }
        if metadata == self.metadata {
            Ok(())
        } else {
            Err(format!("{place} has {} and not {metadata}", self.metadata))
        }
    }
}
