//! Reading one map of the file. Every reader notes what is wrong and goes on with a stand-in, so that one mistake
//! neither hides the next nor is reported twice; the stand-ins are thrown away with the pipeline at the end.

use super::keys::{Absent, Key, Kind, Range, Shape, Word};
use super::node::{Entry, Node, Value};
use super::problem::{MISSING_KEY, OUT_OF_RANGE, Problems, Span, UNKNOWN_KEY, WRONG_TYPE, suggest};
use super::values::{Text, choice, duration, entries, integer, named, number_in, size, text};

/// A map that is being read by the keys of its shape.
pub(super) struct Section<'n> {
    /// What it is, for messages: `source transactions`.
    what: String,
    /// Where its name stands; missing keys are reported there.
    pub at: Span,
    entries: &'n [Entry],
    shape: &'static Shape,
}

impl<'n> Section<'n> {
    /// Begins to read `node` as a map, in which keys that the shape does not have are problems; anything else is a problem
    /// and reads as an empty one without complaint.
    pub fn new(
        what: impl Into<String>,
        at: Span,
        node: &'n Node,
        shape: &'static Shape,
        problems: &mut Problems,
    ) -> Option<Self> {
        let what = what.into();
        let Value::Map(entries) = &node.value else {
            problems.add(WRONG_TYPE, node.span, format!("{what} must be a map, not {}", node.value.kind()));
            return None;
        };
        for entry in entries.iter().filter(|entry| !shape.has(&entry.key)) {
            let message = format!("{what} has no setting `{}`", entry.key);
            let help = suggest(&entry.key, shape.keys.iter().map(|key| key.name));
            problems.add_help(UNKNOWN_KEY, entry.key_span, message, help);
        }
        Some(Self { what, at, entries, shape })
    }

    /// A section with nothing in it, read for its defaults.
    pub fn empty(at: Span, shape: &'static Shape) -> Self {
        Self { what: String::new(), at, entries: &[], shape }
    }

    /// The value of `key`; a key with nothing after it counts as absent.
    pub fn get(&self, key: &Key) -> Option<&'n Node> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// The entry of `key`, for those who need the key's place too.
    pub fn entry(&self, key: &Key) -> Option<&'n Entry> {
        debug_assert!(self.shape.has(key.name), "{} declares no `{}`", self.shape.path, key.name);
        self.entries.iter().find(|entry| entry.key == key.name && entry.node.value != Value::Null)
    }

    /// Where `key` stands, or the section if it is absent.
    pub fn place(&self, key: &Key) -> Span {
        self.entries.iter().find(|entry| entry.key == key.name).map_or(self.at, |entry| entry.node.span)
    }

    /// The value of a key that must be there.
    pub fn require(&self, key: &Key, problems: &mut Problems) -> Option<&'n Node> {
        debug_assert!(matches!(key.absent, Absent::Refused), "`{}` may be absent", key.name);
        let node = self.get(key);
        if node.is_none() {
            problems.add(MISSING_KEY, self.at, format!("{} needs `{}`", self.what, key.name));
        }
        node
    }

    /// A text that must be there.
    pub fn required_text(&self, key: &Key, problems: &mut Problems) -> Text {
        self.require(key, problems)
            .and_then(|node| text(node, key.name, problems))
            .unwrap_or(Text { text: String::new(), span: self.at })
    }

    /// A text that may be absent.
    pub fn text(&self, key: &Key, problems: &mut Problems) -> Option<Text> {
        self.get(key).and_then(|node| text(node, key.name, problems))
    }

    /// A duration, in microseconds.
    pub fn duration(&self, key: &Key, problems: &mut Problems) -> i64 {
        let found = self.get(key).and_then(|node| duration(node, key.name, problems));
        if found == Some(0) && matches!(key.kind, Kind::Duration { is_longer_than_nothing: true }) {
            problems.add(OUT_OF_RANGE, self.place(key), format!("`{}` must be longer than nothing", key.name));
        }
        found.unwrap_or_else(|| key.time())
    }

    /// A size in bytes.
    pub fn given_bytes(&self, key: &Key, problems: &mut Problems) -> Option<u64> {
        let Kind::Size { least } = key.kind else { unreachable!("`{}` is no size", key.name) };
        self.get(key).and_then(|node| size(node, key.name, least, problems))
    }

    /// A whole number, if it is there.
    pub fn given_integer(&self, key: &Key, problems: &mut Problems) -> Option<u64> {
        let Kind::Integer { least, most } = key.kind else { unreachable!("`{}` is no integer", key.name) };
        self.get(key).and_then(|node| integer(node, key.name, least, most, problems))
    }

    /// A whole number.
    pub fn integer(&self, key: &Key, problems: &mut Problems) -> u64 {
        self.given_integer(key, problems).unwrap_or_else(|| key.integer())
    }

    /// [`Section::given_integer`] for the many settings that fit `u32`.
    pub fn given_count(&self, key: &Key, problems: &mut Problems) -> Option<u32> {
        self.given_integer(key, problems).and_then(|number| u32::try_from(number).ok())
    }

    /// [`Section::integer`] for the many settings that fit `u32`.
    pub fn count(&self, key: &Key, problems: &mut Problems) -> u32 {
        u32::try_from(self.integer(key, problems)).unwrap_or_default()
    }

    /// A number, if it is there.
    pub fn given_number(&self, key: &Key, problems: &mut Problems) -> Option<f64> {
        let Kind::Number(range) = key.kind else { unreachable!("`{}` is no number", key.name) };
        self.number_in(key, range, problems)
    }

    /// A number.
    pub fn number(&self, key: &Key, problems: &mut Problems) -> f64 {
        self.given_number(key, problems).unwrap_or_else(|| key.number())
    }

    /// A number in a range that depends on other keys, if it is there.
    pub fn number_in(&self, key: &Key, range: Range, problems: &mut Problems) -> Option<f64> {
        self.get(key).and_then(|node| number_in(node, key.name, range, problems))
    }

    /// One of several words, if it is there.
    pub fn given_choice<T: Word>(&self, key: &Key, problems: &mut Problems) -> Option<T> {
        self.text(key, problems).and_then(|text| choice(&text, key.name, problems))
    }

    /// One of several words.
    pub fn choice<T: Word>(&self, key: &Key, problems: &mut Problems) -> T {
        self.given_choice(key, problems).unwrap_or_else(|| key.word())
    }

    /// `true` or `false`, if it is there.
    pub fn given_boolean(&self, key: &Key, problems: &mut Problems) -> Option<bool> {
        let node = self.get(key)?;
        match node.value {
            Value::Bool(value) => Some(value),
            ref other => {
                let message = format!("`{}` must be true or false, not {}", key.name, other.kind());
                problems.add(WRONG_TYPE, node.span, message);
                None
            }
        }
    }

    /// The names and values of a map whose keys are the user's own names.
    pub fn named(&self, key: &Key, problems: &mut Problems) -> Vec<&'n Entry> {
        self.get(key).map(|node| named(node, key.name, problems)).unwrap_or_default()
    }

    /// The keys and values of a map whose keys are names of something else.
    pub fn entries_of(&self, key: &Key, problems: &mut Problems) -> Vec<&'n Entry> {
        self.get(key).map(|node| entries(node, key.name, problems)).unwrap_or_default()
    }

    /// The items of a list.
    pub fn list(&self, key: &Key, problems: &mut Problems) -> Option<&'n [Node]> {
        let node = self.get(key)?;
        match &node.value {
            Value::List(items) => Some(items),
            other => {
                let message = format!("`{}` must be a list, not {}", key.name, other.kind());
                problems.add_help(WRONG_TYPE, node.span, message, format!("write `{}: [a, b]`", key.name));
                None
            }
        }
    }
}
