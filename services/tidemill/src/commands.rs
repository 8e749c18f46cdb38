//! One module per command.

mod apply;
mod asyncapi;
pub mod bench;
mod compact;
mod completions;
mod dataset;
pub mod dlq;
mod evaluate;
mod explain;
mod features;
mod graph;
mod health;
mod init;
mod label;
mod ledger;
mod man;
mod model;
mod plan;
mod publish;
pub mod repair;
mod repartition;
mod retain;
mod rules;
mod run;
pub mod schema;
mod score;
mod settings;
mod snapshot;
mod sql;
pub(crate) mod tap;
mod test;
mod token;
mod top;
mod topics;
mod train;
mod up;
mod validate;

use crate::cli::{Cli, Command};
use crate::error::Error;
use crate::output::Output;
use crate::settings::confirm;

/// Does what the command line says.
pub fn run(cli: &Cli) -> Result<(), Error> {
    let (global, output) = (&cli.global, Output::new(cli.global.output));
    confirm(&cli.layers, &cli.command, global.yes)?;
    match &cli.command {
        Command::Demo(options) => crate::demo::run(global, output, options),
        Command::Init(options) => init::run(global, output, options),
        Command::Test(options) => test::run(global, output, options),
        Command::Validate => validate::run(global, output),
        Command::Schema { reference } => schema::run(output, *reference),
        Command::Graph { format } => graph::run(global, output, *format),
        Command::Asyncapi => asyncapi::run(global, output),
        Command::Plan(options) => plan::run(global, output, options),
        Command::Apply(options) => apply::run(global, output, options),
        Command::Up(options) => up::run(global, output, options),
        Command::Run { services, drain, doors } => run::run(global, output, services, doors, *drain),
        Command::Publish { file, source } => publish::run(global, output, file, source),
        Command::Label(options) => label::run(global, output, options),
        Command::Tap(options) => tap::run(global, output, options),
        Command::Topics => topics::run(global, output),
        Command::Sql(options) => sql::run(global, output, options),
        Command::Features(command) => features::run(global, output, command),
        Command::Dataset(command) => dataset::run(global, output, command),
        Command::Train(options) => train::run(global, output, options),
        Command::Evaluate(options) => evaluate::run(global, output, options),
        Command::Score(options) => score::run(global, output, options),
        Command::Model(command) => model::run(global, output, command),
        Command::Compact(options) => compact::run(global, output, options),
        Command::Retain(options) => retain::run(global, output, options),
        Command::Snapshot(command) => snapshot::run(global, output, command),
        Command::Ledger(command) => ledger::run(global, output, command),
        Command::Dlq(command) => dlq::run(global, output, command),
        Command::Rules(command) => rules::run(global, output, command),
        Command::Repair(options) => repair::run(global, output, options),
        Command::Repartition(options) => repartition::run(global, output, options),
        Command::Health { ready } => health::run(global, output, *ready),
        Command::Top(options) => top::run(global, output, options),
        Command::Settings => settings::run(output, &cli.layers),
        Command::Token(options) => token::run(output, options),
        Command::Bench(command) => bench::run(global, output, command),
        Command::Explain { code } => explain::run(output, code.as_deref()),
        Command::Man { dir } => man::run(output, dir),
        Command::Completions { shell } => completions::run(output, *shell),
    }
}
