//! The command line.

pub mod compact;
mod consequence;
pub mod demo;
pub mod dlq;
pub mod files;
pub mod gateway;
mod global;
pub mod init;
pub mod label;
pub mod ledger;
pub mod models;
pub mod plan;
pub mod repair;
pub mod repartition;
pub mod retain;
pub mod rows;
pub mod rules;
pub mod snapshot;
pub mod sql;
pub mod tap;
pub mod test;
pub mod top;
mod values;

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::commands::bench::Bench;
use crate::settings::Layers;
use crate::{exit, services};
pub use global::{Global, LogFormat};
pub(crate) use values::{duration, pair, positive};

/// Machine learning on event streams: validate, compute features, score, watch, retrain; every step a topic.
#[derive(Debug, Parser)]
#[command(name = "tidemill", version, after_help = exit::HELP, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
    /// Where the global options came from.
    #[arg(skip)]
    pub layers: Layers,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the whole product on simulated card transactions; nothing needs to be installed, nothing is left behind.
    Demo(demo::Demo),
    Init(init::Init),
    /// Check the pipeline file: every problem at once, with its place and what to do.
    Validate,
    Test(test::Test),
    /// Print a JSON Schema of pipeline files, with which an editor completes keys and marks mistakes.
    Schema {
        /// Print the reference of all keys instead, in Markdown.
        #[arg(long)]
        reference: bool,
    },
    /// Draw topics and tasks of the pipeline.
    Graph {
        /// What the picture is written as.
        #[arg(long, value_enum, default_value = "mermaid")]
        format: Picture,
    },
    /// Write the pipeline as an AsyncAPI 3.0 document: topics, their schemas, who reads and writes them.
    Asyncapi,
    /// Show what `apply` would create or change, what that costs, and what stands in the way. Changes nothing.
    Plan(plan::Plan),
    Apply(plan::Apply),
    /// Apply, then run all services in this process until Ctrl-C.
    Up(files::Up),
    /// Run some services in this process until Ctrl-C.
    Run {
        /// The services.
        #[arg(required = true, value_name = "SERVICE", value_parser = PossibleValuesParser::new(services::names()))]
        services: Vec<String>,
        /// Stop once everything published has gone through.
        #[arg(long)]
        drain: bool,
        #[command(flatten)]
        doors: gateway::Doors,
    },
    /// Publish events from a Parquet, CSV or JSON-lines file, and labels from one of its columns.
    Publish {
        /// The file.
        file: PathBuf,
        #[command(flatten)]
        source: files::SourceArgs,
    },
    Label(label::Label),
    /// Show records of a topic, decoded, as JSON lines.
    Tap(tap::Tap),
    /// List topics with their records.
    Topics,
    Sql(sql::Sql),
    /// Features without a stream.
    #[command(subcommand)]
    Features(files::Features),
    /// Datasets: rows of features with the labels that were known, named by a digest.
    #[command(subcommand)]
    Dataset(models::Dataset),
    /// Train a model by the pipeline's configuration and publish it into the registry.
    Train(models::Train),
    /// Measure a published model on labelled rows. Default: the newest labelled ones behind those to train on.
    Evaluate(models::Evaluate),
    /// Score the rows of a file, to the bit as the stream would.
    Score(models::Score),
    /// Models in the registry.
    #[command(subcommand)]
    Model(models::Model),
    Compact(compact::Compact),
    Retain(retain::Retain),
    /// Snapshots of the tasks' state, from which services go on after a restart.
    #[command(subcommand)]
    Snapshot(snapshot::Snapshot),
    /// What crossed each edge of the graph, counted at both ends.
    #[command(subcommand)]
    Ledger(ledger::Ledger),
    /// Dead letters: source records that were rejected, and publishing them once more.
    #[command(subcommand)]
    Dlq(dlq::Dlq),
    /// The rules of the pipeline's sources.
    #[command(subcommand)]
    Rules(rules::Rules),
    Repair(repair::Repair),
    Repartition(repartition::Repartition),
    /// Say whether the gateway of a running process answers, by default the one on this machine, and what it lacks.
    Health {
        /// Fail unless its pipeline can do all its work: topics are there, and a model is champion.
        #[arg(long)]
        ready: bool,
    },
    Top(top::Top),
    /// Show all settings: each with its value, secrets hidden, and the layer that set it.
    Settings,
    /// Make a token for the gateway's public address.
    Token(gateway::Token),
    /// Measure what the pipeline costs on this machine.
    #[command(subcommand)]
    Bench(Bench),
    /// Say what a code means, of a problem in a pipeline file or of a dead letter: cause, example, remedy.
    Explain {
        /// The code, such as TM0002 or FIELD_NULL; without it all codes are listed.
        code: Option<String>,
    },
    /// Write manual pages of all commands into a folder.
    Man {
        /// The folder; it is made if it is not there.
        dir: PathBuf,
    },
    /// Write a script for a shell that completes command lines. For bash: `source <(tidemill completions bash)`.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// Form of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Picture {
    /// For GitHub and many editors.
    Mermaid,
    /// For Graphviz.
    Dot,
}

impl Command {
    /// Whether it runs services, which tell what they do.
    pub fn is_service(&self) -> bool {
        matches!(self, Self::Up(_) | Self::Run { .. })
    }
}

#[cfg(test)]
mod tests;
