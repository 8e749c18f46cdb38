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

mod aggregate;
mod check;
mod duration;
mod error;
mod lexer;
mod parse;

pub use aggregate::{Aggregate, Decayed, Function, Source, Statistic};
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

impl Group {
    /// Checks a declaration. All that is wrong with it comes back at once.
    ///
    /// # Errors
    ///
    /// Bad names, durations, expressions, unknown columns, repeated names or windows, counts above the limits.
    pub fn parse(declaration: &Declaration<'_>, scope: &Scope<'_>) -> Result<Group, Vec<Error>> {
        let mut errors = Vec::new();
        check::name("name", declaration.name, &mut errors);
        if declaration.key.is_empty() {
            errors.push(Error::Name { field: "key".into(), name: String::new() });
        }
        let windows = check::windows(declaration, &mut errors);
        let delay_us = match declaration.delay.map(|text| duration::parse_at("delay", text)) {
            None => 0,
            Some(Ok(delay_us)) => delay_us,
            Some(Err(error)) => {
                errors.push(error);
                0
            }
        };
        let mut inputs = Vec::new();
        let aggregates = check::aggregates(declaration, scope, &windows, &mut inputs, &mut errors);
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
        };
        let clashes = check::clashing_outputs(&group);
        if clashes.is_empty() { Ok(group) } else { Err(clashes) }
    }

    /// The same group, whose state has limits.
    pub fn limited(self, limits: Limits) -> Group {
        Group { limits: Some(limits), ..self }
    }

    /// The same group, whose aggregates, as is said of each, see no event that comes behind the newest of its key.
    pub fn skipping_late(mut self, skips: impl IntoIterator<Item = bool>) -> Group {
        for (aggregate, skips) in self.aggregates.iter_mut().zip(skips) {
            aggregate.skips_late = skips && !aggregate.reads_label();
        }
        self
    }

    /// Whether none of its aggregates of events sees such an event.
    pub fn skips_late(&self) -> bool {
        let mut events = self.aggregates.iter().filter(|aggregate| !aggregate.reads_label()).peekable();
        events.peek().is_some() && events.all(|aggregate| aggregate.skips_late)
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
        self.aggregates.iter().any(Aggregate::reads_label)
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

#[cfg(test)]
mod tests;
