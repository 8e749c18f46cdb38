//! The model card: the manifest's facts in sentences and tables, with nothing that is not in the manifest.

use super::manifest::{Manifest, Rule};
use crate::network::Head;
use std::fmt::Write;

/// Renders the card as Markdown.
pub(super) fn render(m: &Manifest) -> String {
    let mut card = String::new();
    // Writing to a string cannot fail, so results are dropped throughout.
    let _ = writeln!(card, "# Model card: {}\n", m.name);
    let hidden: Vec<String> = m.network.hidden.iter().map(ToString::to_string).collect();
    let shape = match hidden.is_empty() {
        true if m.network.head.is_none() => "a linear (logistic) model".to_owned(),
        true => "a linear model".to_owned(),
        false => format!("a dense network with hidden layers of {}", hidden.join(" and ")),
    };
    let score = match m.network.head {
        Some(Head::Number { mean, std }) => {
            format!("a number in the target's units, whose mean was {mean:.6} and deviation {std:.6}")
        }
        Some(Head::Classes) => {
            format!("the probability of the most probable of {} classes, which it names", m.network.classes.len())
        }
        _ => "between 0 and 1".to_owned(),
    };
    let _ = writeln!(card, "It is {shape} over {} inputs; its score is {score}.\n", m.inputs.len());
    match &m.threshold {
        Some(threshold) => {
            let rule = match threshold.rule {
                Rule::TopPerDay(k) => format!("about {k} alerts a day on the rows it was set on"),
                Rule::Fixed => "a value given by hand".to_owned(),
            };
            let _ = writeln!(card, "An event is an alert from a score of {} on: {rule}.\n", threshold.value);
        }
        None if m.network.head == Some(Head::Classes) => {}
        None => {
            let _ = writeln!(card, "It decides nothing: no score makes an event an alert.\n");
        }
    }
    data(&mut card, m);
    metrics(&mut card, m);
    inputs(&mut card, m);
    let _ = writeln!(card, "## Training\n\n| setting | value |\n| --- | --- |\n| seed | {} |", m.seed);
    for (key, value) in m.config.iter().chain(&m.environment) {
        let _ = writeln!(card, "| {key} | {value} |");
    }
    let _ = writeln!(card, "\n## Limits\n");
    match m.network.head {
        Some(Head::Number { .. }) => {
            let _ =
                writeln!(card, "The score was checked on events like those of the training period, and on no others.");
        }
        Some(Head::Classes) => {
            let _ = writeln!(
                card,
                "It knows these classes and no others, and was checked on events like those of the training period."
            );
            let _ = match &m.network.calibration {
                Some(_) => writeln!(card, "It was calibrated on the newest rows, which were kept aside for that."),
                None => writeln!(card, "If class weights were used its numbers are no probabilities."),
            };
        }
        _ => {
            let _ = writeln!(
                card,
                "The score ranks events like those of the training period; it was not checked on others."
            );
            let _ = match &m.network.calibration {
                Some(_) => writeln!(card, "It was calibrated on the newest rows, which were kept aside for that."),
                None => writeln!(card, "If class weights were used it is not a probability."),
            };
        }
    }
    card
}

fn data(card: &mut String, m: &Manifest) {
    let d = &m.dataset;
    let share = if d.rows == 0 { 0.0 } else { 100.0 * d.positives as f64 / d.rows as f64 };
    let _ = writeln!(card, "## Data\n\n| fact | value |\n| --- | --- |");
    let _ = writeln!(card, "| dataset | {} |\n| feature set | {} |", d.digest, m.feature_set);
    let _ = writeln!(card, "| rows | {} |", d.rows);
    if m.network.head.is_none() {
        let _ = writeln!(card, "| positive | {} ({share:.3} %) |", d.positives);
    }
    for (class, rows) in m.network.classes.iter().zip(&d.class_rows) {
        let share = if d.rows == 0 { 0.0 } else { 100.0 * *rows as f64 / d.rows as f64 };
        let _ = writeln!(card, "| class {class} | {rows} ({share:.3} %) |");
    }
    let _ = writeln!(card, "| first event (µs since 1970) | {} |\n| last event | {} |", d.first_us, d.last_us);
    let _ = writeln!(card, "| replaces model | {} |\n", m.parent.as_deref().unwrap_or("none"));
}

fn metrics(card: &mut String, m: &Manifest) {
    let _ = writeln!(card, "## Metrics, with 95 % intervals\n");
    if m.metrics.is_empty() {
        let _ = writeln!(card, "None were measured.\n");
        return;
    }
    let _ = writeln!(card, "| metric | value | low | high |\n| --- | --- | --- | --- |");
    for (name, x) in &m.metrics {
        let _ = writeln!(card, "| {name} | {:.4} | {:.4} | {:.4} |", x.value, x.low, x.high);
    }
    let _ = writeln!(card);
}

fn inputs(card: &mut String, m: &Manifest) {
    let _ = writeln!(card, "## Inputs\n\n| input | mean | deviation | a null counts as |\n| --- | --- | --- | --- |");
    let s = &m.standardisation;
    let is_category = |name: &String| m.network.categories.iter().any(|one| one.input == *name);
    for (((name, mean), std), fill) in m.inputs.iter().zip(&s.mean).zip(&s.std).zip(&s.fill) {
        if !is_category(name) {
            let _ = writeln!(card, "| {name} | {mean:.6} | {std:.6} | {fill:.6} |");
        }
    }
    let _ = writeln!(card);
    if m.network.categories.is_empty() {
        return;
    }
    let _ = writeln!(card, "| category | words | dimensions |\n| --- | --- | --- |");
    for one in &m.network.categories {
        let _ = writeln!(card, "| {} | {} | {} |", one.input, one.words, one.dimension);
    }
    let _ = writeln!(card, "\nA null and a text that is no word have vectors of their own.\n");
}
