//! What an entity's features are: the group a pipeline declares, checked into a type that cannot be wrong.
//!
//! Grammar of an aggregate, function names in any case:
//!
//! ```text
//! aggregate := call | "coalesce" "(" call "," number ")"
//! call      := windowed | single
//! windowed  := ( "count" | "rate" ) "(" [ column ] [ where ] ")"
//!            | ( "sum" | "avg" | "min" | "max" | "stddev" | "first" | "distinct" | "most_frequent" )
//!                "(" column [ where ] ")"
//!            | "quantile" "(" column "," share [ where ] ")"
//! single    := "last" "(" column [ where ] ")" | "time_since_last" "(" ")"
//!            | "ratio" "(" windowed "," window "," window ")"
//!            | "decayed_count" "(" [ column "," ] duration [ where ] ")"
//!            | ( "decayed_sum" | "decayed_avg" ) "(" column "," duration [ where ] ")"
//! where     := "where" condition
//! ```
//!
//! A column is a numeric or boolean column of the event, or the pipeline's label target. The target wins where both
//! have one name: a feature must never read a label off the event that it is to predict. `distinct` takes text columns,
//! too. A condition is SQL over the
//! event's columns: an event for which it is not true has no value for the aggregate.

mod duration;
mod error;
mod lexer;
mod parse;

use std::collections::HashSet;

use flow::config::WINDOWS_MAX;

pub use duration::parse_duration_us;
pub use error::Error;

/// Most aggregates of one group.
pub const AGGREGATES_MAX: usize = 64;
/// Longest window or delay: a century, so that sums of both stay far from the ends of the time axis.
pub const DURATION_US_MAX: i64 = 36_525 * 86_400_000_000;

/// A group as written in the pipeline file, unchecked.
#[derive(Debug, Clone, Default)]
pub struct Declaration<'a> {
    /// Name of the entity; the first part of each feature name.
    pub name: &'a str,
    /// Column with the key.
    pub key: &'a str,
    /// Windows as written: `1d`.
    pub windows: Vec<&'a str>,
    /// How far the windows end before the event; nothing means zero.
    pub delay: Option<&'a str>,
    /// Name and expression of each aggregate, in order.
    pub aggregates: Vec<(&'a str, &'a str)>,
}

/// What expressions may name.
#[derive(Debug, Clone, Default)]
pub struct Scope<'a> {
    /// Columns of the event with numbers or booleans.
    pub numeric: Vec<&'a str>,
    /// Columns with texts.
    pub texts: Vec<&'a str>,
    /// Its other columns: naming one is an error of its own, not an unknown column.
    pub other: Vec<&'a str>,
    /// The label target, if the pipeline has one.
    pub target: Option<&'a str>,
}

/// A checked group of features over one entity.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    name: String,
    key: String,
    windows: Vec<Window>,
    delay_us: i64,
    aggregates: Vec<Aggregate>,
    inputs: Vec<Input>,
    limits: Option<Limits>,
    skips_late: bool,
}

/// Limits on the state of an entity, over all its key groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most keys.
    pub keys_max: Option<u64>,
    /// Most bytes, as the window engine counts them.
    pub bytes_max: Option<u64>,
    /// How late rows may come, which decides how long a key counts.
    pub retention_us: i64,
}

/// A window as declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Text used in feature names.
    pub text: String,
    /// Its length, above zero.
    pub length_us: i64,
}

/// A number that the engine takes of every event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The column it is read from; none stands for a one of every event.
    pub column: Option<String>,
    /// Whether the column has texts, for which a number of their own stands.
    pub hashed: bool,
    /// SQL that must be true of the event, otherwise the number is null.
    pub condition: Option<Condition>,
}

/// A condition and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The SQL.
    pub text: String,
    /// The aggregate that has it first.
    pub aggregate: String,
}

/// One aggregate.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// Name in the file.
    pub name: String,
    /// What it computes.
    pub function: Function,
    /// Whether it is divided by the seconds of its window.
    pub per_second: bool,
    /// The two windows whose values are divided, the second one below the line.
    pub ratio: Option<(usize, usize)>,
    /// What stands where the function gives null.
    pub default: Option<f64>,
}

/// What an aggregate computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// Number of events.
    Count,
    /// Seconds since the event before the current one.
    TimeSinceLast,
    /// Number of events, each weighing half after each half-life.
    DecayedCount {
        /// The half-life.
        half_life_us: i64,
    },
    /// A statistic of one column or of the label.
    Of(Statistic, Source),
}

/// A statistic over the non-null values of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    /// How many there are.
    Count,
    /// Their sum, rounded once.
    Sum,
    /// Their mean.
    Avg,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// Sample standard deviation (n - 1); null below two values.
    Stddev,
    /// The first in the window.
    First,
    /// The latest before the current event.
    Last,
    /// How many different ones there are.
    Distinct,
    /// The most frequent, of several the least.
    MostFrequent,
    /// The one at this place in ascending order, in millionths of the way from the least to the greatest.
    Quantile(u32),
    /// A statistic in which a value weighs half after each half-life.
    Decayed(Decayed, i64),
}

/// Statistics with weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decayed {
    /// Sum of the weights.
    Count,
    /// Sum of the values times their weights.
    Sum,
    /// The sum divided by the count.
    Avg,
}

/// Where a statistic's values come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Index into [`Group::inputs`].
    Column(usize),
    /// The label: a value exists from the moment its label is applied.
    Label,
}

/// One feature of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// `<group>_<aggregate>_<window>`, without the window for those that give one feature.
    pub name: String,
    /// Index into [`Group::aggregates`].
    pub aggregate: usize,
    /// Index into [`Group::windows`].
    pub window: Option<usize>,
}

impl Function {
    /// False for what gives one feature and not one per window.
    pub fn windowed(self) -> bool {
        use Function::{DecayedCount, Of, TimeSinceLast};
        !matches!(self, TimeSinceLast | DecayedCount { .. } | Of(Statistic::Last | Statistic::Decayed(..), _))
    }
}

impl Aggregate {
    /// Whether it gives a feature per window.
    pub fn windowed(&self) -> bool {
        self.function.windowed() && self.ratio.is_none()
    }
}

impl Group {
    /// Checks a declaration. All that is wrong with it comes back at once.
    ///
    /// # Errors
    ///
    /// Bad names, durations, expressions, unknown columns, repeated names or windows, counts above the limits.
    pub fn parse(declaration: &Declaration<'_>, scope: &Scope<'_>) -> Result<Group, Vec<Error>> {
        let mut errors = Vec::new();
        check_name("name", declaration.name, &mut errors);
        if declaration.key.is_empty() {
            errors.push(Error::Name { field: "key".into(), name: String::new() });
        }
        let windows = check_windows(declaration, &mut errors);
        let delay_us = match declaration.delay.map(|text| duration::parse_at("delay", text)) {
            None => 0,
            Some(Ok(delay_us)) => delay_us,
            Some(Err(error)) => {
                errors.push(error);
                0
            }
        };
        let mut inputs = Vec::new();
        let aggregates = check_aggregates(declaration, scope, &windows, &mut inputs, &mut errors);
        if !errors.is_empty() {
            return Err(errors);
        }
        let group = Group {
            name: declaration.name.into(),
            key: declaration.key.into(),
            windows,
            delay_us,
            aggregates,
            inputs,
            limits: None,
            skips_late: false,
        };
        let clashes = clashing_outputs(&group);
        if clashes.is_empty() { Ok(group) } else { Err(clashes) }
    }

    /// The same group, whose state has limits.
    pub fn limited(self, limits: Limits) -> Group {
        Group { limits: Some(limits), ..self }
    }

    /// The same group, where no other event sees one that comes behind the newest of its key.
    pub fn skipping_late(self) -> Group {
        Group { skips_late: true, ..self }
    }

    /// Whether it is so.
    pub fn skips_late(&self) -> bool {
        self.skips_late
    }

    /// The same group, where these stand for null, one per aggregate. One that an aggregate has itself comes first.
    pub fn defaulting(mut self, defaults: impl IntoIterator<Item = Option<f64>>) -> Group {
        for (aggregate, default) in self.aggregates.iter_mut().zip(defaults) {
            aggregate.default = aggregate.default.or(default);
        }
        self
    }

    /// Limits on its state.
    pub fn limits(&self) -> Option<Limits> {
        self.limits
    }

    /// Name of the entity.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Column with the key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Windows in declared order.
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// How far the windows end before the event.
    pub fn delay_us(&self) -> i64 {
        self.delay_us
    }

    /// How far back the group looks: the delay and its longest window.
    pub fn span_us(&self) -> i64 {
        self.delay_us + self.windows.iter().map(|window| window.length_us).max().unwrap_or(0)
    }

    /// Aggregates in declared order.
    pub fn aggregates(&self) -> &[Aggregate] {
        &self.aggregates
    }

    /// The numbers of an event, in the order in which the engine takes them.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// Whether an aggregate reads the label, so that labelled events must reach the engine.
    pub fn reads_label(&self) -> bool {
        self.aggregates.iter().any(|aggregate| matches!(aggregate.function, Function::Of(_, Source::Label)))
    }

    /// Its features: aggregates in declared order, windows inner.
    pub fn outputs(&self) -> Vec<Output> {
        let mut outputs = Vec::new();
        for (index, aggregate) in self.aggregates.iter().enumerate() {
            let stem = format!("{}_{}", self.name, aggregate.name);
            if !aggregate.windowed() {
                outputs.push(Output { name: stem, aggregate: index, window: None });
                continue;
            }
            for (number, window) in self.windows.iter().enumerate() {
                outputs.push(Output {
                    name: format!("{stem}_{}", window.text),
                    aggregate: index,
                    window: Some(number),
                });
            }
        }
        outputs
    }
}

fn check_name(field: &str, name: &str, errors: &mut Vec<Error>) {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    if !first || !bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        errors.push(Error::Name { field: field.into(), name: name.into() });
    }
}

fn check_windows(declaration: &Declaration<'_>, errors: &mut Vec<Error>) -> Vec<Window> {
    let mut windows: Vec<Window> = Vec::new();
    for (index, text) in declaration.windows.iter().enumerate() {
        let field = format!("windows[{index}]");
        match duration::parse_at(&field, text) {
            Err(error) => errors.push(error),
            Ok(0) => errors.push(Error::EmptyWindow { field, text: (*text).into() }),
            Ok(length_us) => match windows.iter().find(|window| window.length_us == length_us) {
                Some(other) => {
                    errors.push(Error::SameWindow { field, text: (*text).into(), other: other.text.clone() })
                }
                None => windows.push(Window { text: (*text).into(), length_us }),
            },
        }
    }
    if declaration.windows.len() > WINDOWS_MAX {
        errors.push(Error::TooMany { field: "windows".into(), count: declaration.windows.len(), max: WINDOWS_MAX });
    }
    windows
}

fn check_aggregates(
    declaration: &Declaration<'_>,
    scope: &Scope<'_>,
    windows: &[Window],
    inputs: &mut Vec<Input>,
    errors: &mut Vec<Error>,
) -> Vec<Aggregate> {
    let mut aggregates: Vec<Aggregate> = Vec::new();
    for (index, &(name, text)) in declaration.aggregates.iter().enumerate() {
        let field = format!("aggregates.{name}");
        check_name(&field, name, errors);
        if declaration.aggregates[..index].iter().any(|(other, _)| *other == name) {
            errors.push(Error::Repeated { field: field.clone(), name: name.into() });
        }
        let place = parse::Place { name, field: &field, text, scope, windows };
        match parse::aggregate(place, inputs) {
            Err(error) => errors.push(error),
            Ok(aggregate) => aggregates.push(aggregate),
        }
        // A windowless aggregate looks back over the longest window, so it needs one as well.
        if declaration.windows.is_empty() {
            errors.push(Error::NoWindow { field });
        }
    }
    if declaration.aggregates.len() > AGGREGATES_MAX {
        let count = declaration.aggregates.len();
        errors.push(Error::TooMany { field: "aggregates".into(), count, max: AGGREGATES_MAX });
    }
    aggregates
}

/// Two aggregates can meet in one feature name: `a` over window `1d`, and a windowless one called `a_1d`.
fn clashing_outputs(group: &Group) -> Vec<Error> {
    let mut seen = HashSet::new();
    let outputs = group.outputs().into_iter();
    let clashing = outputs.filter(|output| !seen.insert(output.name.clone()));
    clashing
        .map(|output| Error::Repeated {
            field: format!("aggregates.{}", group.aggregates[output.aggregate].name),
            name: output.name,
        })
        .collect()
}

#[cfg(test)]
mod tests;
