//! What a model is to predict: its loss, and when a prediction is an alert.

use super::node::{Entry, Node, Value};
use super::problem::{CONTRADICTION, MISSING_KEY, OUT_OF_RANGE, Problems, UNKNOWN_CHOICE, WRONG_TYPE, suggest};
use super::section::{Section, number};
use super::types::{AlertRule, Calibration, Loss, Objective};

/// A Huber loss whose kink lies further out than this many deviations of the target is the squared one.
const HUBER_MIN: f64 = 0.001;
const HUBER_MAX: f64 = 1_000.0;
/// Quantiles nearer to an end than this want more rows than anybody has.
const QUANTILE_MIN: f64 = 0.001;

/// `loss: squared`, `absolute`, `{ huber: 1.0 }` or `{ quantile: 0.9 }` for numbers, `logistic` for classes.
pub(super) fn loss(node: &Node, objective: Objective, problems: &mut Problems) -> Loss {
    const HELP: &str = "write `logistic` for `objective: binary`, and for `objective: regression` `squared`, `absolute`, `{ huber: 1.0 }` or `{ quantile: 0.9 }`";
    let within = |least: f64, most: f64, entry: &Entry, problems: &mut Problems| {
        let found = number(&entry.node, &entry.key, problems)?;
        if !(least..=most).contains(&found) {
            let message = format!("`{}` must be from {least} to {most}, not {found}", entry.key);
            problems.add(OUT_OF_RANGE, entry.node.span, message);
            return None;
        }
        Some(found)
    };
    let (word, found) = match &node.value {
        Value::Text(word) => match word.as_str() {
            "logistic" | "squared" => (word.as_str(), Some(Loss::OfObjective)),
            "absolute" => (word.as_str(), Some(Loss::Absolute)),
            "huber" => (word.as_str(), Some(Loss::Huber(1.0))),
            "quantile" => {
                problems.add_help(MISSING_KEY, node.span, "`quantile` needs to know which".to_owned(), HELP.to_owned());
                return Loss::OfObjective;
            }
            other => {
                let known = ["logistic", "squared", "absolute", "huber", "quantile"];
                let help = suggest(other, known);
                problems.add_help(UNKNOWN_CHOICE, node.span, format!("`{other}` is no loss"), help);
                return Loss::OfObjective;
            }
        },
        Value::Map(entries) => match &entries[..] {
            [one] if one.key == "huber" => ("huber", within(HUBER_MIN, HUBER_MAX, one, problems).map(Loss::Huber)),
            [one] if one.key == "quantile" => {
                ("quantile", within(QUANTILE_MIN, 1.0 - QUANTILE_MIN, one, problems).map(Loss::Quantile))
            }
            [one] if ["logistic", "squared", "absolute"].contains(&one.key.as_str()) => {
                let message = format!("`{}` takes no number", one.key);
                problems.add_help(WRONG_TYPE, one.key_span, message, HELP.to_owned());
                return Loss::OfObjective;
            }
            [one] => {
                let help = suggest(&one.key, ["huber", "quantile"]);
                problems.add_help(UNKNOWN_CHOICE, one.key_span, format!("`{}` is no loss", one.key), help);
                return Loss::OfObjective;
            }
            _ => {
                problems.add_help(WRONG_TYPE, node.span, "`loss` names one loss".to_owned(), HELP.to_owned());
                return Loss::OfObjective;
            }
        },
        other => {
            let message = format!("`loss` must be a word or a map, not {}", other.kind());
            problems.add_help(WRONG_TYPE, node.span, message, HELP.to_owned());
            return Loss::OfObjective;
        }
    };
    if (word == "logistic") != (objective == Objective::Binary) {
        let (of, is) = if word == "logistic" { ("classes", "regression") } else { ("numbers", "binary") };
        let message = format!("`{word}` is a loss of {of}, and this model's objective is {is}");
        problems.add_help(CONTRADICTION, node.span, message, HELP.to_owned());
        return Loss::OfObjective;
    }
    found.unwrap_or(Loss::OfObjective)
}

/// `calibration: none`, `platt`, `temperature` or `isotonic`, the latter three for classes only.
pub(super) fn calibration(section: &mut Section<'_>, objective: Objective, problems: &mut Problems) -> Calibration {
    let words = [
        ("none", Calibration::None),
        ("platt", Calibration::Platt),
        ("temperature", Calibration::Temperature),
        ("isotonic", Calibration::Isotonic),
    ];
    let found = section.choice("calibration", Calibration::None, &words, problems);
    if objective == Objective::Regression && found != Calibration::None {
        let message = "`calibration` makes probabilities, and `objective: regression` predicts a number".to_owned();
        problems.add_help(CONTRADICTION, section.place("calibration"), message, "take it out".to_owned());
        return Calibration::None;
    }
    found
}

/// `alert: { top_per_day: 100 }` or `alert: { above: 0.5 }`.
pub(super) fn alert(model: &mut Section<'_>, objective: Objective, problems: &mut Problems) -> Option<AlertRule> {
    let entry = model.entry("alert")?;
    let mut section = Section::new("`alert`", entry.key_span, &entry.node, problems)?;
    let (counted, above) = (section.get("top_per_day").is_some(), section.get("above").is_some());
    let top = section.count("top_per_day", 1, 1, u32::MAX, problems);
    let score = match objective {
        Objective::Binary => section.number("above", "from 0 to 1", |score| (0.0..=1.0).contains(&score), problems),
        Objective::Regression => {
            let fits = |score: f64| score.abs() <= f64::from(f32::MAX);
            section.number("above", "a number that fits single precision", fits, problems)
        }
    };
    match (counted, above) {
        (false, false) => {
            problems.add(MISSING_KEY, section.at, "`alert` needs `top_per_day` or `above`".to_owned());
        }
        (true, true) => {
            let message = "`top_per_day` and `above` both set the threshold".to_owned();
            problems.add_help(CONTRADICTION, section.place("above"), message, "keep one of them".to_owned());
        }
        _ => {}
    }
    section.finish(problems);
    Some(if above { AlertRule::Above(score.unwrap_or(0.5)) } else { AlertRule::TopPerDay(top) })
}
