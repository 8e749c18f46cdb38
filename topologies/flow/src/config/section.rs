//! Reading one map of the file. Every reader notes what is wrong and goes on with a stand-in, so that one mistake
//! neither hides the next nor is reported twice; the stand-ins are thrown away with the pipeline at the end.

use super::bytes::{self, parse_bytes};
use super::duration::{self, parse_duration};
use super::node::{Entry, Node, Value};
use super::problem::{
    BAD_DURATION, BAD_NAME, BAD_SIZE, MISSING_KEY, OUT_OF_RANGE, Problems, Span, UNKNOWN_CHOICE, UNKNOWN_KEY,
    WRONG_TYPE, suggest,
};

/// A map that is being read. Keys that were asked for are known; [`Section::finish`] complains about the rest.
pub(super) struct Section<'n> {
    /// What it is, for messages: `source transactions`.
    what: String,
    /// Where its name stands; missing keys are reported there.
    pub at: Span,
    entries: &'n [Entry],
    known: Vec<&'static str>,
}

/// A text with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    pub text: String,
    pub span: Span,
}

impl<'n> Section<'n> {
    /// Begins to read `node` as a map; anything else is a problem and reads as an empty one without complaint.
    pub fn new(what: impl Into<String>, at: Span, node: &'n Node, problems: &mut Problems) -> Option<Self> {
        let what = what.into();
        let Value::Map(entries) = &node.value else {
            problems.add(WRONG_TYPE, node.span, format!("{what} must be a map, not {}", node.value.kind()));
            return None;
        };
        Some(Self { what, at, entries, known: Vec::new() })
    }

    /// A section with nothing in it, read for its defaults.
    pub fn empty(at: Span) -> Self {
        Self { what: String::new(), at, entries: &[], known: Vec::new() }
    }

    /// The value of `key`; a key with nothing after it counts as absent.
    pub fn get(&mut self, key: &'static str) -> Option<&'n Node> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// The entry of `key`, for those who need the key's place too.
    pub fn entry(&mut self, key: &'static str) -> Option<&'n Entry> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.entries.iter().find(|entry| entry.key == key && entry.node.value != Value::Null)
    }

    /// Where `key` stands, or the section if it is absent.
    pub fn place(&self, key: &str) -> Span {
        self.entries.iter().find(|entry| entry.key == key).map_or(self.at, |entry| entry.node.span)
    }

    /// The value of a key that must be there.
    pub fn require(&mut self, key: &'static str, problems: &mut Problems) -> Option<&'n Node> {
        let node = self.get(key);
        if node.is_none() {
            problems.add(MISSING_KEY, self.at, format!("{} needs `{key}`", self.what));
        }
        node
    }

    /// A text that must be there.
    pub fn required_text(&mut self, key: &'static str, problems: &mut Problems) -> Text {
        let at = self.at;
        self.require(key, problems)
            .and_then(|node| text(node, key, problems))
            .unwrap_or(Text { text: String::new(), span: at })
    }

    /// A text that may be absent.
    pub fn text(&mut self, key: &'static str, problems: &mut Problems) -> Option<Text> {
        self.get(key).and_then(|node| text(node, key, problems))
    }

    /// A duration, in microseconds.
    pub fn duration(&mut self, key: &'static str, default_us: i64, problems: &mut Problems) -> i64 {
        self.get(key).and_then(|node| duration(node, key, problems)).unwrap_or(default_us)
    }

    /// A duration longer than nothing.
    pub fn span_of_time(&mut self, key: &'static str, default_us: i64, problems: &mut Problems) -> i64 {
        let found = self.duration(key, default_us, problems);
        if found == 0 {
            problems.add(OUT_OF_RANGE, self.place(key), format!("`{key}` must be longer than nothing"));
        }
        found
    }

    /// A size in bytes.
    pub fn bytes(&mut self, key: &'static str, least: u64, problems: &mut Problems) -> Option<u64> {
        self.get(key).and_then(|node| size(node, key, least, problems))
    }

    /// A whole number from `least` to `most`.
    pub fn integer(&mut self, key: &'static str, default: u64, least: u64, most: u64, problems: &mut Problems) -> u64 {
        self.get(key).and_then(|node| integer(node, key, least, most, problems)).unwrap_or(default)
    }

    /// [`Section::integer`] for the many settings that fit `u32`.
    pub fn count(&mut self, key: &'static str, default: u32, least: u32, most: u32, problems: &mut Problems) -> u32 {
        let found = self.integer(key, default.into(), least.into(), most.into(), problems);
        u32::try_from(found).unwrap_or(default)
    }

    /// A number that `valid` accepts; `range` says in words which those are.
    pub fn number(
        &mut self,
        key: &'static str,
        range: &str,
        valid: impl Fn(f64) -> bool,
        problems: &mut Problems,
    ) -> Option<f64> {
        let node = self.get(key)?;
        let found = number(node, key, problems)?;
        if !valid(found) {
            problems.add(OUT_OF_RANGE, node.span, format!("`{key}` must be {range}, not {found}"));
            return None;
        }
        Some(found)
    }

    /// One of several words.
    pub fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        default: T,
        choices: &[(&str, T)],
        problems: &mut Problems,
    ) -> T {
        self.text(key, problems).and_then(|text| choice(&text, key, choices, problems)).unwrap_or(default)
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, key: &'static str, problems: &mut Problems) -> Option<bool> {
        let node = self.get(key)?;
        match node.value {
            Value::Bool(value) => Some(value),
            ref other => {
                let message = format!("`{key}` must be true or false, not {}", other.kind());
                problems.add(WRONG_TYPE, node.span, message);
                None
            }
        }
    }

    /// The names and values of a map whose keys are the user's own names.
    pub fn named(&mut self, key: &'static str, problems: &mut Problems) -> Vec<&'n Entry> {
        match self.get(key) {
            Some(node) => named(node, key, problems),
            None => Vec::new(),
        }
    }

    /// The items of a list.
    pub fn list(&mut self, key: &'static str, problems: &mut Problems) -> Option<&'n [Node]> {
        let node = self.get(key)?;
        match &node.value {
            Value::List(items) => Some(items),
            other => {
                let message = format!("`{key}` must be a list, not {}", other.kind());
                problems.add_help(WRONG_TYPE, node.span, message, format!("write `{key}: [a, b]`"));
                None
            }
        }
    }

    /// Ends the reading: keys that nobody asked for are problems.
    pub fn finish(self, problems: &mut Problems) {
        for entry in self.entries.iter().filter(|entry| !self.known.contains(&entry.key.as_str())) {
            let message = format!("{} has no setting `{}`", self.what, entry.key);
            let help = suggest(&entry.key, self.known.iter().copied());
            problems.add_help(UNKNOWN_KEY, entry.key_span, message, help);
        }
    }
}

/// The entries of a map whose keys are the user's own names. Bad names are problems, and kept.
pub(super) fn named<'n>(node: &'n Node, what: &str, problems: &mut Problems) -> Vec<&'n Entry> {
    let Value::Map(entries) = &node.value else {
        problems.add(WRONG_TYPE, node.span, format!("`{what}` must be a map of names, not {}", node.value.kind()));
        return Vec::new();
    };
    for entry in entries.iter().filter(|entry| !is_name(&entry.key, '_')) {
        bad_name(&entry.key, entry.key_span, problems);
    }
    entries.iter().collect()
}

/// Whether `name` is a lower-case letter followed by lower-case letters, digits, `_` and `also`.
pub(super) fn is_name(name: &str, also: char) -> bool {
    let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == also;
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(rest) && name.len() <= NAME_BYTES_MAX
}

/// Names become parts of topic names, which Kafka limits to 249 bytes.
pub(super) const NAME_BYTES_MAX: usize = 64;

/// Notes a name that is none.
pub(super) fn bad_name(name: &str, span: Span, problems: &mut Problems) {
    let message = format!("`{name}` cannot be a name");
    let help = format!("names begin with a-z, go on with a-z, 0-9, _ and have at most {NAME_BYTES_MAX} characters");
    problems.add_help(BAD_NAME, span, message, help);
}

/// A text; numbers and booleans are none, because `1e3` or `no` would silently change.
pub(super) fn text(node: &Node, key: &str, problems: &mut Problems) -> Option<Text> {
    match &node.value {
        Value::Text(text) => Some(Text { text: text.trim().to_owned(), span: node.span }),
        other => {
            let message = format!("`{key}` must be a text, not {}", other.kind());
            problems.add(WRONG_TYPE, node.span, message);
            None
        }
    }
}

/// A duration in microseconds.
pub(super) fn duration(node: &Node, key: &str, problems: &mut Problems) -> Option<i64> {
    let found = match &node.value {
        Value::Text(text) => parse_duration(text).ok_or_else(|| format!("`{text}`")),
        Value::Integer(number) => Err(format!("`{number}` without a unit")),
        other => Err(other.kind().to_owned()),
    };
    found
        .map_err(|wrong| {
            let message = format!("`{key}` must be a duration, not {wrong}");
            problems.add_help(BAD_DURATION, node.span, message, duration::HELP.to_owned());
        })
        .ok()
}

/// A size of at least so many bytes.
fn size(node: &Node, key: &str, least: u64, problems: &mut Problems) -> Option<u64> {
    let found = match &node.value {
        Value::Text(text) => parse_bytes(text).ok_or_else(|| format!("`{text}`")),
        Value::Integer(number) => Err(format!("`{number}` without a unit")),
        other => Err(other.kind().to_owned()),
    };
    match found {
        Ok(bytes) if bytes < least => {
            problems.add(OUT_OF_RANGE, node.span, format!("`{key}` must be at least {} KiB", least / 1_024));
            None
        }
        Ok(bytes) => Some(bytes),
        Err(wrong) => {
            let message = format!("`{key}` must be a size, not {wrong}");
            problems.add_help(BAD_SIZE, node.span, message, bytes::HELP.to_owned());
            None
        }
    }
}

/// A whole number from `least` to `most`.
pub(super) fn integer(node: &Node, key: &str, least: u64, most: u64, problems: &mut Problems) -> Option<u64> {
    let range = if most == u64::MAX { format!("at least {least}") } else { format!("from {least} to {most}") };
    match node.value {
        Value::Integer(number) => {
            let fitting = u64::try_from(number).ok().filter(|number| (least..=most).contains(number));
            if fitting.is_none() {
                problems.add(OUT_OF_RANGE, node.span, format!("`{key}` must be {range}, not {number}"));
            }
            fitting
        }
        ref other => {
            let message = format!("`{key}` must be a whole number {range}, not {}", other.kind());
            problems.add(WRONG_TYPE, node.span, message);
            None
        }
    }
}

/// A finite number.
pub(super) fn number(node: &Node, key: &str, problems: &mut Problems) -> Option<f64> {
    match node.value {
        Value::Integer(number) => Some(number as f64),
        Value::Float(number) if number.is_finite() => Some(number),
        ref other => {
            problems.add(WRONG_TYPE, node.span, format!("`{key}` must be a number, not {}", other.kind()));
            None
        }
    }
}

/// One of several words.
pub(super) fn choice<T: Copy>(text: &Text, key: &str, choices: &[(&str, T)], problems: &mut Problems) -> Option<T> {
    let found = choices.iter().find(|(word, _)| *word == text.text).map(|(_, value)| *value);
    if found.is_none() {
        let message = format!("`{}` is no choice for `{key}`", text.text);
        let help = suggest(&text.text, choices.iter().map(|(word, _)| *word));
        problems.add_help(UNKNOWN_CHOICE, text.span, message, help);
    }
    found
}
