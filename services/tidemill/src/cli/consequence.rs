//! Which commands do what cannot be taken back. Every command stands here, so that a new one has to decide.

use super::Command;
use super::dlq::Dlq;
use super::files::Features;
use super::ledger::Ledger;
use super::models::{Dataset, Model};
use super::rules::Rules;
use super::snapshot::Snapshot;
use crate::commands::bench::Bench;

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
            Self::Apply(_) | Self::Compact(_) | Self::Retain(_) | Self::Repair(_) | Self::Train(_) | Self::Demo(_) => {
                None
            }
            // These publish what comes on top of what is there.
            Self::Up(_) | Self::Run { .. } | Self::Publish { .. } | Self::Label(_) | Self::Dlq(Dlq::Retry(_)) => None,
            // These write what nobody had before, into the store or a place that was named.
            Self::Init(_)
            | Self::Features(Features::Compute { .. })
            | Self::Dataset(Dataset::Build { .. })
            | Self::Score(_)
            | Self::Man { .. } => None,
            // These work in a place of their own, and remove it.
            Self::Test(_) | Self::Bench(Bench::Pipeline(_) | Bench::Recovery(_) | Bench::Worker(_)) => None,
            // These only look.
            Self::Validate
            | Self::Schema { .. }
            | Self::Graph { .. }
            | Self::Asyncapi
            | Self::Plan(_)
            | Self::Tap(_)
            | Self::Topics
            | Self::Sql(_)
            | Self::Evaluate(_)
            | Self::Model(Model::List | Model::Show { .. })
            | Self::Snapshot(
                Snapshot::List { .. } | Snapshot::Show { .. } | Snapshot::Verify { .. } | Snapshot::Restore { .. },
            )
            | Self::Ledger(Ledger::Verify(_) | Ledger::Show { .. })
            | Self::Dlq(Dlq::List { .. } | Dlq::Show { .. })
            | Self::Rules(Rules::Check { .. })
            | Self::Health { .. }
            | Self::Top(_)
            | Self::Settings
            | Self::Token(_)
            | Self::Explain { .. }
            | Self::Completions { .. } => None,
        }
    }
}
