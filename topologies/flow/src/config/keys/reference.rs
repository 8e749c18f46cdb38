//! The keys as a page for people, in Markdown: a table per section.

use super::{Absent, Key, Kind, Needs, PIPELINE, Range, Shape};
use crate::config::format_duration;

const HEAD: &str = "# The pipeline file

Every key, as the program reads it. This page is what `tidemill schema --reference` prints, and a test compares them.
`tidemill validate` checks a file; `tidemill schema > tidemill.schema.json` writes a JSON Schema, with which an editor
completes keys and marks mistakes while you write:

```yaml in=shop
# yaml-language-server: $schema=tidemill.schema.json
pipeline: shop
```

`tidemill init` writes both. Names that you give yourself stand here as NAME; they begin with a-z, go on with a-z, 0-9
and `_`, and have at most 64 characters.

More of what follows: [validation](validation.md) of `sources`, [features](features.md) with all aggregates,
[models](models.md), [state](../explanation/state.md) and its `limits`, [contracts](../explanation/contracts.md) and
`compatibility`.
";

/// The page.
pub fn reference() -> String {
    let mut shapes = Vec::new();
    collect(&PIPELINE, &mut shapes);
    let mut page = HEAD.to_owned();
    for shape in shapes {
        page.push_str(&format!("\n## {}\n\n{}", shape.path, shape.doc));
        match shape.needs {
            Needs::Nothing => {}
            Needs::AnyOf(names) => page.push_str(&format!(" At least one of {} must be there.", listed(names, "and"))),
            Needs::OneOf(names) => page.push_str(&format!(" One of {} must be there.", listed(names, "and"))),
        }
        page.push_str("\n\n| key | holds | if absent | says |\n| --- | --- | --- | --- |\n");
        shape.keys.iter().for_each(|key| page.push_str(&row(key)));
    }
    page
}

/// The section and those in it, each once, in the order of the file.
fn collect<'s>(shape: &'s Shape, found: &mut Vec<&'s Shape>) {
    if found.iter().any(|one| one.path == shape.path) {
        return;
    }
    found.push(shape);
    shape.keys.iter().for_each(|key| collect_of(&key.kind, found));
}

fn collect_of<'s>(kind: &'s Kind, found: &mut Vec<&'s Shape>) {
    match kind {
        Kind::Section(shape) => collect(shape, found),
        Kind::Either { with, without, .. } => {
            collect(without, found);
            collect(with, found);
        }
        Kind::Named(of) | Kind::Of(_, of) | Kind::List { of, .. } => collect_of(of, found),
        Kind::Any(kinds) => kinds.iter().for_each(|kind| collect_of(kind, found)),
        _ => {}
    }
}

fn row(key: &Key) -> String {
    let absent = match key.absent {
        Absent::Refused => "must be there".to_owned(),
        Absent::Nothing => "nothing".to_owned(),
        Absent::Integer(number) => format!("`{number}`"),
        Absent::Number(number) => format!("`{number}`"),
        Absent::Time(us) => format!("`{}`", format_duration(us)),
        Absent::Word(word) => format!("`{word}`"),
        Absent::Boolean(value) => format!("`{value}`"),
        Absent::Told(words) => words.to_owned(),
    };
    format!("| `{}` | {} | {absent} | {} |\n", key.name, words(&key.kind), key.doc)
}

/// What a key holds, in words.
fn words(kind: &Kind) -> String {
    match kind {
        Kind::Text(of) => (*of).to_owned(),
        Kind::Name => "a name, in which `-` may stand, too".to_owned(),
        Kind::Topic => "a topic".to_owned(),
        Kind::Duration { is_longer_than_nothing: true } => "a length of time above 0".to_owned(),
        Kind::Duration { is_longer_than_nothing: false } => "a length of time".to_owned(),
        Kind::Size { least } => format!("a size, at least `{}KiB`", least / 1_024),
        Kind::Integer { least, most: u64::MAX } => format!("a whole number, at least {least}"),
        Kind::Integer { least, most } => format!("a whole number from {least} to {most}"),
        Kind::Number(Range::Finite | Range::Single) => "a number".to_owned(),
        Kind::Number(range) => format!("a number {}", range.words()),
        Kind::Boolean => "`true` or `false`".to_owned(),
        Kind::Word(word) => format!("`{word}`"),
        Kind::Choice(words) => listed(&words(), "or"),
        Kind::Only(value) => format!("`{value}`"),
        Kind::Nothing => "nothing".to_owned(),
        Kind::Value => "a value".to_owned(),
        Kind::Section(shape) => link(shape),
        Kind::Either { with, without, .. } => format!("{} or {}", link(without), link(with)),
        Kind::Named(of) => format!("names, each with {}", words(of)),
        Kind::Of(what, of) => format!("a map, each key {what}, each value {}", words(of)),
        Kind::List { of, .. } => format!("a list, each item {}", words(of)),
        Kind::Any(kinds) => kinds.iter().map(words).collect::<Vec<_>>().join(", or "),
    }
}

/// A link to a section of the page, by the anchor that forges make of its heading.
fn link(shape: &Shape) -> String {
    let anchor: String = shape
        .path
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || matches!(c, '-' | '_') => Some(c),
            _ => None,
        })
        .collect();
    format!("[{}](#{anchor})", shape.path)
}

fn listed(names: &[&str], between: &str) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match &names[..] {
        [] => String::new(),
        [one] => one.clone(),
        [front @ .., last] => format!("{} {between} {last}", front.join(", ")),
    }
}
