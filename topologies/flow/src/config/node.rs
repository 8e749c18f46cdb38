//! The YAML text as a tree in which every key and value knows its place. Reading sections from a tree, not straight
//! into structs, is what lets one run report every mistake.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use super::problem::{DUPLICATE, Problem, SYNTAX, Span};

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it stands.
    pub span: Span,
}

impl Node {
    /// The value below a path of keys.
    pub fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| match &node.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == *key).map(|entry| &entry.node),
            _ => None,
        })
    }
}

/// A value of YAML.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing, as behind a key that stands alone.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Another number.
    Float(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the file.
    Map(Vec<Entry>),
}

/// One key of a map with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where it stands.
    pub key_span: Span,
    /// Its value.
    pub node: Node,
}

impl Value {
    /// What a user would call it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

/// Parses the text; the error is the one place where it stops being YAML.
pub fn parse(yaml: &str) -> Result<Node, Box<Problem>> {
    let options = serde_saphyr::options! { with_snippet: false };
    let tree: Spanned<Tree> =
        serde_saphyr::from_str_with_options(yaml, options).map_err(|error| Box::new(problem(yaml, &error)))?;
    Ok(Places { yaml }.node(tree))
}

fn problem(yaml: &str, error: &serde_saphyr::Error) -> Problem {
    let span = Places { yaml }.span(error.location().unwrap_or(Location::UNKNOWN));
    if let serde_saphyr::Error::DuplicateMappingKey { key, .. } = error.without_snippet() {
        let message = match key {
            Some(key) => format!("`{key}` is declared a second time"),
            None => "this key is declared a second time".to_owned(),
        };
        return Problem { code: DUPLICATE, message, span, help: Some("remove or rename one of them".to_owned()) };
    }
    let help = "check indentation, and quote texts that contain `: ` or ` #`".to_owned();
    Problem { code: SYNTAX, message: message(error), span, help: Some(help) }
}

/// The parser's message without the place, which the span already says.
fn message(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    let text = text.lines().next().unwrap_or_default();
    let end = text.rfind(" at line ").unwrap_or(text.len());
    text[..end].trim_end_matches([':', ',']).to_owned()
}

/// Turns the parser's locations into byte spans of the text.
struct Places<'a> {
    yaml: &'a str,
}

impl Places<'_> {
    fn node(&self, tree: Spanned<Tree>) -> Node {
        let span = self.span(tree.referenced);
        let value = match tree.value {
            Tree::Null => Value::Null,
            Tree::Bool(value) => Value::Bool(value),
            Tree::Integer(value) => Value::Integer(value),
            Tree::Float(value) => Value::Float(value),
            Tree::Text(value) => Value::Text(value),
            Tree::List(items) => Value::List(items.into_iter().map(|item| self.node(item)).collect()),
            Tree::Map(entries) => Value::Map(entries.into_iter().map(|(key, value)| self.entry(key, value)).collect()),
        };
        Node { value, span }
    }

    fn entry(&self, key: Spanned<String>, value: Spanned<Tree>) -> Entry {
        Entry { key_span: self.span(key.referenced), key: key.value, node: self.node(value) }
    }

    fn span(&self, location: Location) -> Span {
        let line = u32::try_from(location.line()).unwrap_or(u32::MAX).max(1);
        let column = u32::try_from(location.column()).unwrap_or(u32::MAX).max(1);
        let start = self.line_start(line) + self.column_bytes(line, column);
        let len = location.span().byte_len().and_then(|len| usize::try_from(len).ok()).unwrap_or(0);
        let end = start.saturating_add(len).min(self.yaml.len());
        // A block map spans many lines; the caret belongs on the first.
        let first_line = self.yaml.get(start..end).unwrap_or_default();
        let first_line = first_line.lines().next().unwrap_or_default().trim_end();
        Span { start, end: start + first_line.len(), line, column }
    }

    fn line_start(&self, line: u32) -> usize {
        let newlines = self.yaml.match_indices('\n').map(|(at, _)| at + 1);
        let before = usize::try_from(line - 1).unwrap_or(usize::MAX);
        std::iter::once(0).chain(newlines).nth(before).unwrap_or(self.yaml.len())
    }

    fn column_bytes(&self, line: u32, column: u32) -> usize {
        let rest = &self.yaml[self.line_start(line)..];
        let before = usize::try_from(column - 1).unwrap_or(usize::MAX);
        rest.chars().take_while(|c| *c != '\n').take(before).map(char::len_utf8).sum()
    }
}

/// [`Value`] as the parser gives it, with its locations.
enum Tree {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Spanned<Tree>>),
    Map(Vec<(Spanned<String>, Spanned<Tree>)>),
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        // Beyond i64 no setting has a meaning; the float keeps the value visible to range checks.
        Ok(i64::try_from(value).map_or(Tree::Float(value as f64), Tree::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Tree::Map(entries))
    }
}
