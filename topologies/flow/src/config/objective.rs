//! What a model is to predict: its loss, and when a prediction is an alert.

use super::keys::{self, Range};
use super::node::{Entry, Node, Value};
use super::problem::{CONTRADICTION, MISSING_KEY, Problems, UNKNOWN_CHOICE, WRONG_TYPE, suggest};
use super::section::Section;
use super::types::{AlertRule, Calibration, Loss, Objective};
use super::values::number_in;

/// `loss: squared`, `absolute`, `{ huber: 1.0 }` or `{ quantile: 0.9 }` for numbers, `logistic` for two classes, `softmax`
/// for more.
pub(super) fn loss(node: &Node, objective: Objective, problems: &mut Problems) -> Loss {
    const HELP: &str = "write `logistic` for `objective: binary`, `softmax` for `objective: multiclass`, and for `objective: regression` `squared`, `absolute`, `{ huber: 1.0 }` or `{ quantile: 0.9 }`";
    let within =
        |range: Range, entry: &Entry, problems: &mut Problems| number_in(&entry.node, &entry.key, range, problems);
    let (word, found) = match &node.value {
        Value::Text(word) => match word.as_str() {
            "logistic" | "softmax" | "squared" => (word.as_str(), Some(Loss::OfObjective)),
            "absolute" => (word.as_str(), Some(Loss::Absolute)),
            "huber" => (word.as_str(), Some(Loss::Huber(1.0))),
            "quantile" => {
                problems.add_help(MISSING_KEY, node.span, "`quantile` needs to know which".to_owned(), HELP.to_owned());
                return Loss::OfObjective;
            }
            other => {
                let known = ["logistic", "softmax", "squared", "absolute", "huber", "quantile"];
                let help = suggest(other, known);
                problems.add_help(UNKNOWN_CHOICE, node.span, format!("`{other}` is no loss"), help);
                return Loss::OfObjective;
            }
        },
        Value::Map(entries) => match &entries[..] {
            [one] if one.key == "huber" => ("huber", within(keys::HUBER, one, problems).map(Loss::Huber)),
            [one] if one.key == "quantile" => ("quantile", within(keys::QUANTILE, one, problems).map(Loss::Quantile)),
            [one] if ["logistic", "softmax", "squared", "absolute"].contains(&one.key.as_str()) => {
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
    let (of, fitting) = match word {
        "logistic" => ("two classes", Objective::Binary),
        "softmax" => ("several classes", Objective::Multiclass),
        _ => ("numbers", Objective::Regression),
    };
    if fitting != objective {
        let is = keys::word(objective);
        let message = format!("`{word}` is a loss of {of}, and this model's objective is {is}");
        problems.add_help(CONTRADICTION, node.span, message, HELP.to_owned());
        return Loss::OfObjective;
    }
    found.unwrap_or(Loss::OfObjective)
}

/// `calibration: none`, `platt`, `temperature` or `isotonic`, the latter three for two classes, `temperature` for more.
pub(super) fn calibration(section: &Section<'_>, objective: Objective, problems: &mut Problems) -> Calibration {
    let found = section.choice::<Calibration>(&keys::CALIBRATION, problems);
    if objective == Objective::Regression && found != Calibration::None {
        let message = "`calibration` makes probabilities, and `objective: regression` predicts a number".to_owned();
        problems.add_help(CONTRADICTION, section.place(&keys::CALIBRATION), message, "take it out".to_owned());
        return Calibration::None;
    }
    if objective == Objective::Multiclass && matches!(found, Calibration::Platt | Calibration::Isotonic) {
        let message = format!("`{}` calibrates one probability, and this model has one per class", keys::word(found));
        let help = "write `calibration: temperature`, or take it out".to_owned();
        problems.add_help(CONTRADICTION, section.place(&keys::CALIBRATION), message, help);
    }
    found
}

/// `alert: { top_per_day: 100 }` or `alert: { above: 0.5 }`.
pub(super) fn alert(model: &Section<'_>, objective: Objective, problems: &mut Problems) -> Option<AlertRule> {
    let entry = model.entry(&keys::ALERT_SECTION)?;
    if objective == Objective::Multiclass {
        let message = "`alert` acts on one score, and `objective: multiclass` names a class".to_owned();
        let help = "take it out; whoever acts on a class reads `class` of the predictions".to_owned();
        problems.add_help(CONTRADICTION, entry.key_span, message, help);
        return None;
    }
    let section = Section::new("`alert`", entry.key_span, &entry.node, &keys::ALERT, problems)?;
    let (counted, above) = (section.get(&keys::TOP_PER_DAY).is_some(), section.get(&keys::ABOVE).is_some());
    let top = section.given_count(&keys::TOP_PER_DAY, problems).unwrap_or(1);
    let range = match objective {
        Objective::Regression => Range::Single,
        Objective::Binary | Objective::Multiclass => Range::Within(0.0, 1.0),
    };
    let score = section.number_in(&keys::ABOVE, range, problems);
    match (counted, above) {
        (false, false) => {
            problems.add(MISSING_KEY, section.at, "`alert` needs `top_per_day` or `above`".to_owned());
        }
        (true, true) => {
            let message = "`top_per_day` and `above` both set the threshold".to_owned();
            problems.add_help(CONTRADICTION, section.place(&keys::ABOVE), message, "keep one of them".to_owned());
        }
        _ => {}
    }
    Some(if above { AlertRule::Above(score.unwrap_or(0.5)) } else { AlertRule::TopPerDay(top) })
}
