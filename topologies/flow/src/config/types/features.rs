//! Features as checked: expressions, row features, the chain of entities.

use crate::config::Span;

/// An SQL text with its place in the file. Its grammar is checked by whoever compiles it; here only its columns are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    /// The text as written.
    pub text: String,
    /// Where it stands.
    pub span: Span,
    /// The columns it mentions, each once, in order of first mention.
    pub columns: Vec<String>,
}

impl Expression {
    /// The place of so many characters of the text, the first one being number `at`, counted from 1. The whole text where
    /// YAML folded or unescaped it.
    pub fn part(&self, at: usize, characters: usize) -> Span {
        let (text, span) = (&self.text, self.span);
        let byte = |character: usize| text.char_indices().nth(character).map_or(text.len(), |(byte, _)| byte);
        let (from, to) = (byte(at.saturating_sub(1)), byte(at.saturating_sub(1) + characters));
        // As it is, or between two quotes.
        let quote = match (span.end - span.start).checked_sub(text.len()) {
            Some(0) => 0,
            Some(2) => 1,
            _ => return span,
        };
        let column = span.column + u32::try_from(quote + at.saturating_sub(1)).unwrap_or(0);
        Span { start: span.start + quote + from, end: span.start + quote + to, line: span.line, column }
    }
}

/// The features section.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// Number of the feature set; `f1` in topic names.
    pub version: u32,
    /// SHA-256 of the section and the source schema: equal digests mean equal features.
    pub digest: String,
    /// Features of the event alone.
    pub row: Vec<RowFeature>,
    /// The chain, in order. Never empty: an entity without aggregates only routes.
    pub entities: Vec<Entity>,
    /// Features over all others, each behind those that it reads.
    pub derived: Vec<RowFeature>,
}

impl Features {
    /// Short id used in topic names: `f1`.
    pub fn id(&self) -> String {
        format!("f{}", self.version)
    }

    /// All feature names in their fixed order: row features, then each entity's, then derived ones.
    pub fn names(&self) -> Vec<String> {
        self.names_before(self.entities.len())
    }

    /// The features an event carries when it reaches the stage of entity number `stage`; none at the first one,
    /// which computes the row features itself. Behind the last one there are the derived ones, too.
    pub fn names_before(&self, stage: usize) -> Vec<String> {
        if stage == 0 {
            return Vec::new();
        }
        let row = self.row.iter().map(|feature| feature.output.clone());
        let entities = self.entities[..stage].iter().flat_map(Entity::outputs);
        let last = stage == self.entities.len();
        let derived = self.derived.iter().filter(|_| last).map(|feature| feature.output.clone());
        row.chain(entities).chain(derived).collect()
    }
}

/// A feature computed from one event alone, or from one with its features.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFeature {
    /// Name in the file: `is_night`.
    pub name: String,
    /// Feature name: `row_is_night`, `derived_is_night`.
    pub output: String,
    /// SQL over the source's columns, and over features where it is a derived one.
    pub expression: Expression,
}

/// One entity of the chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Entity {
    /// Name in the file; the first part of its feature names and of its log's name.
    pub name: String,
    /// Column with the key.
    pub key: String,
    /// Windows in declared order; empty only without aggregates.
    pub windows: Vec<Window>,
    /// How far the windows end before the event.
    pub delay_us: i64,
    /// Aggregates in declared order.
    pub aggregates: Vec<Aggregate>,
    /// Whether an aggregate reads the label, so that the journal must send labelled events here.
    pub label_derived: bool,
    /// Most that its state may be.
    pub limits: Limits,
    /// What becomes of an event behind the newest one of its key, for aggregates that say nothing else.
    pub late: Late,
}

/// What becomes of an event that comes when a later one of its key was applied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Late {
    /// It is put where its time belongs.
    #[default]
    Apply,
    /// It gets features, and no event sees it.
    Skip,
}

/// Most that the state of an entity may be, in all partitions together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Keys.
    pub keys: Option<u64>,
    /// Bytes, as the window engine counts them.
    pub bytes: Option<u64>,
}

impl Entity {
    /// Whether it has limits, so that something may be pushed out.
    pub fn is_limited(&self) -> bool {
        self.limits != Limits::default()
    }

    /// What all its aggregates of events do with late ones, if they do the same.
    pub fn common_late(&self) -> Option<Late> {
        let mut policies = self.aggregates.iter().filter(|one| !one.label_derived).map(|one| one.late);
        let first = policies.next().unwrap_or(self.late);
        policies.all(|policy| policy == first).then_some(first)
    }

    /// Its feature names: aggregates in declared order, windows inner.
    pub fn outputs(&self) -> impl Iterator<Item = String> + '_ {
        self.aggregates.iter().flat_map(|aggregate| aggregate.outputs.iter().cloned())
    }
}

/// A window as declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Text used in feature names: `7d`.
    pub label: String,
    /// Its length.
    pub length_us: i64,
}

/// One aggregate of an entity.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// Name in the file: `tx_count`.
    pub name: String,
    /// Its expression.
    pub expression: Expression,
    /// What stands where it gives null, if something does.
    pub if_null: Option<f64>,
    /// Whether it gives a feature per window (`avg(amount)`), or one alone (`last(amount)`, `ratio(count(), 1d, 30d)`).
    pub windowed: bool,
    /// Whether it reads the label.
    pub label_derived: bool,
    /// What becomes of an event behind the newest one of its key. Nothing of the kind becomes of labels.
    pub late: Late,
    /// Feature names, one per window in order, or one alone: `customer_tx_count_1d`, …
    pub outputs: Vec<String>,
}
