//! `tidemill health`: whether the process whose gateway is asked answers, and what its pipeline lacks.

use crate::cli::Global;
use crate::error::Error;
use crate::output::Output;
use crate::remote::Remote;

pub fn run(global: &Global, output: Output, ready: bool) -> Result<(), Error> {
    let remote = match &global.gateway {
        Some(address) => Remote::named(address, global)?,
        None => Remote::of(&global.data).unwrap_or_else(|| Remote::at(gateway::LISTEN)),
    };
    let told = remote.health()?;
    let missing: Vec<&str> =
        told["reasons"].as_array().into_iter().flatten().filter_map(|one| one["error"].as_str()).collect();
    if ready && !missing.is_empty() {
        return Err(Error::Outside(format!("{} answers and is not ready: {}", remote.address(), missing.join("; "))));
    }
    let text = || match &missing[..] {
        [] => format!("{} answers and is ready", remote.address()),
        missing => format!("{} answers; it is not ready: {}", remote.address(), missing.join("; ")),
    };
    output.show(text, || told.clone())
}
