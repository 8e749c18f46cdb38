//! Names of functions, and what others call them.

use flow::config::{listed, nearest};

use super::super::Statistic;

/// All functions.
pub const FUNCTIONS: [&str; 18] = [
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "stddev",
    "first",
    "last",
    "distinct",
    "quantile",
    "most_frequent",
    "rate",
    "ratio",
    "decayed_count",
    "decayed_sum",
    "decayed_avg",
    "time_since_last",
    "coalesce",
];

/// What others call our functions.
const ALIASES: [(&str, &str); 18] = [
    ("mean", "avg"),
    ("average", "avg"),
    ("std", "stddev"),
    ("stdev", "stddev"),
    ("stddev_samp", "stddev"),
    ("minimum", "min"),
    ("maximum", "max"),
    ("total", "sum"),
    ("first_value", "first"),
    ("last_value", "last"),
    ("frequency", "rate"),
    ("ewma", "decayed_avg"),
    ("count_distinct", "distinct"),
    ("nunique", "distinct"),
    ("percentile", "quantile"),
    ("median", "quantile"),
    ("mode", "most_frequent"),
    ("most_common", "most_frequent"),
];

/// Statistics that take a column and nothing else.
pub fn simple(name: &str) -> Statistic {
    match name {
        "sum" => Statistic::Sum,
        "avg" => Statistic::Avg,
        "min" => Statistic::Min,
        "max" => Statistic::Max,
        "stddev" => Statistic::Stddev,
        "first" => Statistic::First,
        "most_frequent" => Statistic::MostFrequent,
        _ => Statistic::Last,
    }
}

/// What to write instead of a name that is no function.
pub fn help(name: &str) -> String {
    let aliases = ALIASES.iter().map(|(alias, _)| *alias);
    let near = nearest(name, FUNCTIONS.into_iter().chain(aliases));
    let meant =
        near.map(|near| ALIASES.iter().find(|(alias, _)| *alias == near).map_or(near, |(_, function)| function));
    match meant {
        Some(function) => format!("did you mean `{function}`?"),
        None => format!("there are {}", listed(FUNCTIONS)),
    }
}
