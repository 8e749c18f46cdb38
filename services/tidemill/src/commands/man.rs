//! `tidemill man`: manual pages of all commands.

use std::path::Path;

use clap::CommandFactory;
use serde_json::json;

use crate::cli::Cli;
use crate::error::Error;
use crate::output::Output;

pub fn run(output: Output, dir: &Path) -> Result<(), Error> {
    let failed =
        |error: std::io::Error| Error::Input(format!("cannot write manual pages to {}: {error}", dir.display()));
    write(dir).map_err(failed)?;
    output.show(
        || format!("wrote manual pages to {0}; read them with man -l {0}/tidemill.1", dir.display()),
        || json!({ "dir": dir }),
    )
}

fn write(dir: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    clap_mangen::generate_to(Cli::command(), dir)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use clap::{Command, CommandFactory};

    use super::{Cli, write};

    /// The pages of a command and of those below it, each with what it must name.
    fn expected(command: &Command, name: &str, pages: &mut BTreeMap<String, Vec<String>>) {
        let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
        let mut names: Vec<String> = shown
            .flat_map(|arg| match arg.get_long() {
                Some(long) => vec![format!("--{long}")],
                None => arg.get_value_names().into_iter().flatten().map(|name| name.to_string()).collect(),
            })
            .collect();
        for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
            let name = format!("{name}-{}", below.get_name());
            names.push(format!("{name}(1)"));
            expected(below, &name, pages);
        }
        pages.insert(name.to_owned(), names);
    }

    #[test]
    fn every_command_has_a_page_that_names_all_its_options() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path()).unwrap();
        let mut command = Cli::command().disable_help_subcommand(true);
        command.build();
        let mut pages = BTreeMap::new();
        expected(&command, "tidemill", &mut pages);
        assert!(pages.len() > 50 && pages["tidemill-plan"].contains(&"--detailed-exitcode".to_owned()));
        for (page, names) in &pages {
            let text = std::fs::read_to_string(dir.path().join(format!("{page}.1"))).unwrap().replace("\\-", "-");
            let is_word = |after: &str| !after.starts_with(|next: char| next.is_alphanumeric() || next == '-');
            for name in names {
                let is_named = text.match_indices(name).any(|(at, _)| is_word(&text[at + name.len()..]));
                assert!(is_named, "the page of {page} does not name {name}");
            }
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), pages.len(), "there are no others");
    }
}
