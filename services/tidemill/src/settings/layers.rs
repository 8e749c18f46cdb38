//! Which layer each setting came from.

use std::fmt;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use super::file::{Profile, Setting, SettingsFile};
use super::hide::hidden;
use super::settings;

/// The settings with where they came from.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// The settings file, where there is one.
    pub file: Option<String>,
    /// The profile, where one is chosen.
    pub profile: Option<String>,
    /// Whether it asks before something is destroyed.
    pub is_protected: bool,
    /// All settings in the order of `--help`.
    pub settings: Vec<Chosen>,
}

/// One setting.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// Its name in the file.
    pub name: String,
    /// Its value, secrets hidden; none where nothing says one.
    pub value: Option<String>,
    /// Which layer won.
    pub origin: Origin,
}

/// A layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Built in.
    Default,
    /// The settings file.
    File { path: String, line: u32 },
    /// A profile in it.
    Profile { name: String, path: String, line: u32 },
    /// A variable of the environment.
    Environment(String),
    /// An option.
    CommandLine(String),
}

impl Origin {
    /// Its kind in a word, for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File { .. } => "file",
            Self::Profile { .. } => "profile",
            Self::Environment(_) => "environment",
            Self::CommandLine(_) => "command_line",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::Profile { name, path, line } => write!(f, "profile {name}, {path}:{line}"),
            Self::Environment(variable) => f.write_str(variable),
            Self::CommandLine(option) => f.write_str(option),
        }
    }
}

/// What won. The options of `built_in` stand in the order of `--help`; one that is given another default does not any more.
pub(super) fn of(
    built_in: &Command,
    matches: &ArgMatches,
    file: Option<&SettingsFile>,
    profile: Option<&Profile>,
    below: &[(&Setting, Option<&Profile>)],
) -> Layers {
    let path = file.map(|file| file.path.clone());
    let chosen = |arg: &Arg| {
        let name = arg.get_id().as_str();
        let from_file = below.iter().find(|(setting, _)| setting.name == name);
        let origin = match (matches.value_source(name), from_file) {
            (Some(ValueSource::CommandLine), _) => Origin::CommandLine(format!("--{}", arg.get_long().unwrap_or(name))),
            (Some(ValueSource::EnvVariable), _) => {
                let variable = arg.get_env().map(|variable| variable.to_string_lossy().into_owned());
                Origin::Environment(variable.unwrap_or_default())
            }
            (_, Some((setting, of))) => {
                let (path, line) = (path.clone().unwrap_or_default(), setting.line);
                match of {
                    Some(profile) => Origin::Profile { name: profile.name.clone(), path, line },
                    None => Origin::File { path, line },
                }
            }
            _ => Origin::Default,
        };
        let values = matches.get_raw(name).map(|values| values.map(|value| value.to_string_lossy().into_owned()));
        let value = values.map(|values| values.map(|value| hidden(name, &value)).collect::<Vec<_>>().join("; "));
        Chosen { name: name.to_owned(), value, origin }
    };
    Layers {
        profile: profile.map(|profile| profile.name.clone()),
        is_protected: profile.is_some_and(|profile| profile.is_protected),
        settings: settings(built_in).map(chosen).collect(),
        file: path,
    }
}
