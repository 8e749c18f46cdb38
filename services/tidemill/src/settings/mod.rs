//! Settings in layers: what is built in, the settings file, a profile of that file, the environment, the command line. Of
//! those that say something about a setting the last one wins.
//!
//! The settings are the global options. What the file says of one is put where its built-in value stands, so the file's
//! values are read as those of the command line are.

mod ask;
mod file;
mod hide;
mod layers;

use std::ffi::OsString;
use std::path::Path;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches};

use crate::cli::Cli;
use crate::error::Error;
use crate::output::Format;

pub use ask::confirm;
use file::{Profile, Setting, SettingsFile};
pub use layers::{Layers, Origin};

/// The settings file of a folder, taken where none is named.
const FILE: &str = "tidemill.yaml";
/// Global options that say which settings there are, and are none.
const NO_SETTINGS: [&str; 3] = ["settings", "profile", "yes"];

/// Reads the command line over all other layers. Help and what cannot be read end the process as clap does; the latter
/// is an error like others where programs read us.
pub fn command_line(arguments: &[OsString]) -> Result<Cli, (Box<Error>, Format)> {
    let built_in = Cli::command();
    let mut command = built_in.clone();
    let alone = command.clone().try_get_matches_from(arguments).map_err(|error| unreadable(&error, arguments))?;
    let format = alone.get_one("output").copied().unwrap_or(Format::Text);
    let failed = |error: Error| (Box::new(error), format);
    let file = find(&alone, &command, format).map_err(failed)?;
    let profile = chosen(&alone, file.as_ref()).map_err(failed)?;
    let below: Vec<(&Setting, Option<&Profile>)> = below(file.as_ref(), profile);
    for (setting, _) in below.iter().filter(|(setting, _)| is_built_in(&alone, &setting.name)) {
        command = command
            .mut_arg(&setting.name, |arg| arg.default_values(kept(&setting.values)).value_delimiter(None::<char>));
    }
    let matches = command.clone().try_get_matches_from(arguments).map_err(|error| unreadable(&error, arguments))?;
    let mut cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    cli.layers = layers::of(&built_in, &matches, file.as_ref(), profile, &below);
    Ok(cli)
}

/// What is wrong with a command line that says, as far as it can be read, that it wants JSON; otherwise ends the process.
fn unreadable(error: &clap::Error, arguments: &[OsString]) -> (Box<Error>, Format) {
    let says = |words: &[OsString]| words[0] == "--output" && words[1] == "json";
    let is_json = arguments.windows(2).any(says)
        || arguments.iter().any(|word| word == "--output=json")
        || std::env::var_os("TIDEMILL_OUTPUT").is_some_and(|format| format == "json");
    if !error.use_stderr() || !is_json {
        error.exit();
    }
    let message = error.to_string();
    (Box::new(Error::Input(message.trim_start_matches("error: ").trim_end().to_owned())), Format::Json)
}

/// The settings among the options, in their order.
fn settings(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| arg.is_global_set() && !NO_SETTINGS.contains(&arg.get_id().as_str()))
}

/// The settings file that is named, or that of the folder, if there is one.
fn find(matches: &ArgMatches, command: &Command, format: Format) -> Result<Option<SettingsFile>, Error> {
    let named = matches.get_one::<std::path::PathBuf>("settings");
    let path = named.map_or(Path::new(FILE), std::path::PathBuf::as_path);
    if named.is_none() && !path.is_file() {
        return Ok(None);
    }
    let known: Vec<&Arg> = settings(command).collect();
    file::read(path, &known, format).map(Some)
}

/// The profile that is chosen.
fn chosen<'f>(matches: &ArgMatches, file: Option<&'f SettingsFile>) -> Result<Option<&'f Profile>, Error> {
    let Some(name) = matches.get_one::<String>("profile") else { return Ok(None) };
    let Some(file) = file else {
        return Err(Error::Input(format!(
            "there is no profile `{name}`, because there is no settings file; write `profiles: {{ {name}: … }}` into {FILE}, or name the file with --settings"
        )));
    };
    let found = file.profiles.iter().find(|profile| profile.name == *name);
    found.map(Some).ok_or_else(|| {
        let names: Vec<&str> = file.profiles.iter().map(|profile| profile.name.as_str()).collect();
        let help = match flow::config::nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.is_empty() => "it has none".to_owned(),
            None => format!("it has {}", names.join(", ")),
        };
        Error::Input(format!("there is no profile `{name}` in {}; {help}", file.path))
    })
}

/// What lies below the environment, each setting once, with the profile it comes from.
fn below<'f>(file: Option<&'f SettingsFile>, profile: Option<&'f Profile>) -> Vec<(&'f Setting, Option<&'f Profile>)> {
    let of_profile = profile.into_iter().flat_map(|profile| &profile.settings);
    let mut found: Vec<(&Setting, Option<&Profile>)> = of_profile.map(|setting| (setting, profile)).collect();
    for setting in file.into_iter().flat_map(|file| &file.settings) {
        if !found.iter().any(|(other, _)| other.name == setting.name) {
            found.push((setting, None));
        }
    }
    found
}

/// Whether neither the environment nor the command line says something about a setting.
fn is_built_in(matches: &ArgMatches, name: &str) -> bool {
    !matches!(matches.value_source(name), Some(ValueSource::EnvVariable | ValueSource::CommandLine))
}

/// clap keeps built-in values for as long as the process runs; there are a few of them, once.
fn kept(values: &[String]) -> Vec<&'static str> {
    values.iter().map(|value| &*Box::leak(value.clone().into_boxed_str())).collect()
}

/// Whether an option may be given several times.
fn is_repeated(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
}
