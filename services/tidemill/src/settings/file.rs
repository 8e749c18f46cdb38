//! The settings file: settings by the names of the global options, and profiles with settings of their own.

use std::any::TypeId;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{Arg, Command};
use flow::config::node::{self, Entry, Node, Value};
use flow::config::{Problem, Span, UNKNOWN_CHOICE, UNKNOWN_KEY, WRONG_TYPE, nearest};

use super::is_repeated;
use crate::diagnostics;
use crate::error::Error;
use crate::output::Format;

const PROFILES: &str = "profiles";
const PROTECTED: &str = "protected";

/// A settings file as read; all that it says is valid.
pub struct SettingsFile {
    pub path: String,
    /// What holds whichever profile is chosen.
    pub settings: Vec<Setting>,
    pub profiles: Vec<Profile>,
}

/// Settings that go together, such as those of a place.
pub struct Profile {
    pub name: String,
    /// Whether commands that destroy something ask before.
    pub is_protected: bool,
    pub settings: Vec<Setting>,
}

/// What the file says of one setting.
pub struct Setting {
    /// The option's name, as in `schema_registry`.
    pub name: String,
    /// As on the command line; several only where the option may be repeated.
    pub values: Vec<String>,
    pub line: u32,
}

/// Reads a file in which `known` are the settings. The error has all that is wrong.
pub fn read(path: &Path, known: &[&Arg], format: Format) -> Result<SettingsFile, Error> {
    let shown = path.display().to_string();
    let yaml = std::fs::read_to_string(path)
        .map_err(|error| Error::Input(format!("cannot read the settings file {shown}: {error}")))?;
    let mut reading = Reading { known, problems: Vec::new() };
    let file = match node::parse(&yaml) {
        Ok(root) => reading.file(&shown, &root),
        Err(problem) => {
            reading.problems.push(*problem);
            None
        }
    };
    reading.problems.sort_by_key(|problem| problem.span.start);
    match file {
        Some(file) if reading.problems.is_empty() => Ok(file),
        _ => Err(diagnostics::error(&shown, &yaml, &reading.problems, format)),
    }
}

struct Reading<'k> {
    known: &'k [&'k Arg],
    problems: Vec<Problem>,
}

impl Reading<'_> {
    fn file(&mut self, path: &str, root: &Node) -> Option<SettingsFile> {
        let mut file = SettingsFile { path: path.to_owned(), settings: Vec::new(), profiles: Vec::new() };
        if root.value == Value::Null {
            return Some(file);
        }
        for entry in self.map(root, "a settings file")? {
            if entry.key == PROFILES {
                for profile in self.map(&entry.node, "`profiles`").unwrap_or_default() {
                    file.profiles.extend(self.profile(profile));
                }
            } else {
                file.settings.extend(self.setting(entry, PROFILES, "the settings file"));
            }
        }
        Some(file)
    }

    fn profile(&mut self, entry: &Entry) -> Option<Profile> {
        let mut profile = Profile { name: entry.key.clone(), is_protected: false, settings: Vec::new() };
        if entry.node.value == Value::Null {
            return Some(profile);
        }
        let what = format!("profile `{}`", entry.key);
        for setting in self.map(&entry.node, &what)? {
            match (&*setting.key, &setting.node.value) {
                (PROTECTED, Value::Bool(is_protected)) => profile.is_protected = *is_protected,
                (PROTECTED, other) => {
                    let message = format!("`{PROTECTED}` must be true or false, not {}", other.kind());
                    self.wrong(WRONG_TYPE, setting.node.span, message, None);
                }
                _ => profile.settings.extend(self.setting(setting, PROTECTED, &what)),
            }
        }
        Some(profile)
    }

    /// One setting; `beside` is what may stand where it stands, too.
    fn setting(&mut self, entry: &Entry, beside: &str, what: &str) -> Option<Setting> {
        let Some(arg) = self.known.iter().find(|arg| arg.get_id() == entry.key.as_str()) else {
            let names = self.known.iter().map(|arg| arg.get_id().as_str()).chain([beside]);
            let help = nearest(&entry.key, names).map(|near| format!("did you mean `{near}`?"));
            let help = help.or_else(|| Some("`tidemill settings` lists all".to_owned()));
            self.wrong(UNKNOWN_KEY, entry.key_span, format!("{what} has no setting `{}`", entry.key), help);
            return None;
        };
        if entry.node.value == Value::Null {
            return None;
        }
        let values = self.values(arg, entry)?;
        Some(Setting { name: entry.key.clone(), values, line: entry.key_span.line })
    }

    fn values(&mut self, arg: &Arg, entry: &Entry) -> Option<Vec<String>> {
        let pairs: Vec<(Option<&str>, &Node)> = match &entry.node.value {
            Value::Map(entries) if is_repeated(arg) => {
                entries.iter().map(|entry| (Some(entry.key.as_str()), &entry.node)).collect()
            }
            _ => vec![(None, &entry.node)],
        };
        let mut found = Vec::new();
        for (key, node) in pairs {
            let text = self.text(arg, entry, node)?;
            let value = key.map_or(text.clone(), |key| format!("{key}={text}"));
            if let Err((code, message)) = check(arg, &value) {
                self.wrong(code, node.span, message, None);
                return None;
            }
            found.push(value);
        }
        Some(found)
    }

    /// A value as it would stand on the command line.
    fn text(&mut self, arg: &Arg, entry: &Entry, node: &Node) -> Option<String> {
        let is_text = [TypeId::of::<String>(), TypeId::of::<PathBuf>()]
            .iter()
            .any(|text| arg.get_value_parser().type_id() == *text);
        match &node.value {
            Value::Text(text) => Some(text.trim().to_owned()),
            Value::Integer(number) if !is_text => Some(number.to_string()),
            Value::Float(number) if !is_text => Some(number.to_string()),
            Value::Bool(value) if !is_text => Some(value.to_string()),
            other => {
                let wanted = match (is_text, is_repeated(arg)) {
                    (true, _) => "a text",
                    (false, true) => "a map of names to texts",
                    (false, false) => "a text or a number",
                };
                let message = format!("`{}` must be {wanted}, not {}", entry.key, other.kind());
                let help = is_text.then(|| "write it between quotes".to_owned());
                let help = help.filter(|_| !matches!(other, Value::List(_) | Value::Map(_)));
                self.wrong(WRONG_TYPE, node.span, message, help);
                None
            }
        }
    }

    fn map<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Entry]> {
        match &node.value {
            Value::Map(entries) => Some(entries),
            other => {
                self.wrong(WRONG_TYPE, node.span, format!("{what} must be a map, not {}", other.kind()), None);
                None
            }
        }
    }

    fn wrong(&mut self, code: &'static str, span: Span, message: String, help: Option<String>) {
        self.problems.push(Problem { code, message, span, help });
    }
}

/// What the option itself says of a value.
fn check(arg: &Arg, value: &str) -> Result<(), (&'static str, String)> {
    let name = arg.get_id().as_str();
    let option = format!("--{}={value}", arg.get_long().unwrap_or(name));
    let alone = Command::new("settings").no_binary_name(true).arg(arg.clone().value_delimiter(None::<char>));
    let Err(error) = alone.try_get_matches_from([option]) else { return Ok(()) };
    if error.kind() == ErrorKind::InvalidValue {
        let choices = arg.get_possible_values();
        let words: Vec<&str> = choices.iter().map(|choice| choice.get_name()).collect();
        return Err((UNKNOWN_CHOICE, format!("`{value}` is no choice for `{name}`; known: {}", words.join(", "))));
    }
    let why = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
    Err((WRONG_TYPE, format!("`{name}`: {why}")))
}
