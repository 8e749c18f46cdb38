//! Blobs of tasks that have no state but their blob, where they are too long for a commit: the store keeps them whole,
//! and the commit says where.

use crate::snapshot::{Error, Owner, Vault};
use flow::state::Pointer;

/// What is kept for one task.
pub(super) struct Keeping {
    vault: Vault,
    pub(super) owner: Owner,
    /// What the last commit names.
    current: Option<Pointer>,
    /// What was kept since, the newest last.
    fresh: Vec<Pointer>,
}

impl Keeping {
    /// Goes on from a commit that names this.
    pub(super) fn new(vault: Vault, owner: Owner, current: Option<Pointer>) -> Self {
        Keeping { vault, owner, current, fresh: Vec::new() }
    }

    /// Keeps a blob; the commit that follows names it.
    pub(super) fn keep(&mut self, position: i64, text: &str) -> Result<Pointer, Error> {
        let pointer = self.vault.keep(&self.owner, position, text)?;
        self.fresh.push(pointer.clone());
        Ok(pointer)
    }

    /// That commit came through: gives what none names any more.
    pub(super) fn committed(&mut self) -> Vec<Pointer> {
        let Some(newest) = self.fresh.pop() else { return Vec::new() };
        let mut gone = std::mem::take(&mut self.fresh);
        gone.extend(self.current.replace(newest));
        gone.retain(|pointer| Some(pointer) != self.current.as_ref());
        gone
    }
}
