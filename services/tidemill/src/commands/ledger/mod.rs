//! `tidemill ledger`: whether everything that was written was read, and what became of one event.

mod beside;
mod chosen;
mod offline;
mod report;
mod show;

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use runtime::ledger::{Verified, recount, settle, verify};

use crate::cli::Global;
use crate::cli::ledger::{Ledger, Verify};
use crate::environment::{Environment, Workshop};
use crate::error::Error;
use crate::output::Output;
use beside::Beside;
use chosen::Chosen;
use offline::Offline;
use report::Report;

pub fn run(global: &Global, output: Output, command: &Ledger) -> Result<(), Error> {
    match command {
        Ledger::Verify(options) => verified(global, output, options),
        Ledger::Show { event } => show::run(global, output, event),
    }
}

fn verified(global: &Global, output: Output, options: &Verify) -> Result<(), Error> {
    let report = if options.offline { offline(global, options)? } else { live(global, options)? };
    output.show(|| report.text(), || report.value())?;
    report.outcome()
}

fn live(global: &Global, options: &Verify) -> Result<Report, Error> {
    let environment = Environment::existing(global)?;
    let context = &environment.context;
    let stop = environment.signals.stop();
    let chosen = Chosen::live(&environment, options)?;
    let found = match &environment.remote {
        None => verify(context, options.wait, stop)?,
        Some(_) if options.recount => {
            return Err(Error::Input(
                "another process has the log, and only that process can read it through; stop it for --recount"
                    .to_owned(),
            ));
        }
        Some(remote) => {
            let mut beside = Beside::new(remote, context);
            settle(&context.plan, options.wait, stop, || beside.sample())?
        }
    };
    environment.signals.check()?;
    let counted = if options.recount { Some(recount(context, &found.sample)?) } else { None };
    Ok(Report::new(found, counted.as_ref(), None, &chosen))
}

/// The same from the archive, which stands still.
fn offline(global: &Global, options: &Verify) -> Result<Report, Error> {
    let workshop = Workshop::open(global)?;
    let chosen = Chosen::planned(&workshop.plan, options)?;
    let offline = Offline::new(&workshop.plan, workshop.store.clone());
    let sample = offline.sample()?;
    let found = settle(&workshop.plan, Duration::ZERO, &AtomicBool::new(false), || Ok::<_, Error>(sample.clone()))?;
    // The archive's end is where it was read last, in the ledger's topic as in all others.
    let found = Verified { unread: 0, ..found };
    let counted = offline.recount(&sample)?;
    Ok(Report::new(found, Some(&counted), Some(offline.lacks(&sample)), &chosen))
}
