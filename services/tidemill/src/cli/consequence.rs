//! Which commands do what cannot be taken back.

use super::Command;
use super::models::Model;

impl Command {
    /// What it does that cannot be taken back, as the end of a sentence; none if everything stays as it is, or if something
    /// is only added.
    pub fn consequence(&self) -> Option<&'static str> {
        match self {
            Self::Apply(options) if options.delete_left_behind => {
                Some("`apply --delete-left-behind` deletes topics with their records, and states of tasks")
            }
            Self::Apply(options) if options.rebuild => Some("`apply --rebuild` begins a new generation of the logs"),
            Self::Compact(options) if options.delete_older_than.is_some() => {
                Some("`compact --delete-older-than` deletes files that were merged")
            }
            Self::Retain(options) if !options.dry_run => Some("`retain` deletes records from the log"),
            Self::Repartition(options) if options.withdraw => Some("`repartition --withdraw` gives up what was begun"),
            Self::Repartition(_) => Some("`repartition` stops the services and moves the logs into a new generation"),
            Self::Repair(options) if !options.dry_run => Some("`repair` commits other offsets for consumer groups"),
            Self::Model(Model::Promote { .. }) => Some("`model promote` changes which model decides"),
            Self::Train(options) if options.promote => Some("`train --promote` changes which model decides"),
            Self::Demo(options) if options.fresh => Some("`demo --fresh` removes what an earlier demo left"),
            _ => None,
        }
    }
}
