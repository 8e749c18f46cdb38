//! What a protected profile asks before something is done that cannot be taken back.

use std::io::{self, BufRead, IsTerminal};

use super::Layers;
use crate::cli::Command;
use crate::error::Error;
use crate::output::note;

/// Goes on where nothing is protected or nothing is destroyed, or where somebody says so: with `--yes`, or by typing the
/// profile's name.
pub fn confirm(layers: &Layers, command: &Command, is_agreed: bool) -> Result<(), Error> {
    let Some(profile) = layers.profile.as_ref().filter(|_| layers.is_protected && !is_agreed) else { return Ok(()) };
    let Some(consequence) = command.consequence() else { return Ok(()) };
    let input = io::stdin();
    if !input.is_terminal() {
        return Err(Error::Input(format!(
            "profile {profile} is protected, and {consequence}; nothing was done. Add --yes to do it without being asked"
        )));
    }
    note(&format!("profile {profile} is protected, and {consequence}.\nType {profile} to go on:"));
    let mut answer = String::new();
    input.lock().read_line(&mut answer).map_err(|error| Error::Failed(format!("cannot read an answer: {error}")))?;
    match answer.trim() == profile {
        true => Ok(()),
        false => Err(Error::Input("that was something else; nothing was done".to_owned())),
    }
}
