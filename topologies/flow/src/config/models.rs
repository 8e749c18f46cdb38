//! The `models` section: inputs, shape, training.

use super::categories;
use super::classes;
use super::keys::{self, EPOCHS_MAX, LAYERS_MAX, WIDTH_MAX};
use super::node::{Entry, Node, Value};
use super::objective::{alert, calibration, loss};
use super::problem::{
    CONTRADICTION, DUPLICATE, LABEL_LEAK, NO_MATCH, OUT_OF_RANGE, Problems, UNKNOWN_CHOICE, UNKNOWN_REFERENCE,
    WRONG_COLUMN_KIND, WRONG_TYPE, suggest,
};
use super::section::Section;
use super::types::{
    Calibration, ClassWeight, ColumnKind, EventSource, Features, LabelSource, Loss, Model, Network, Objective, Training,
};
use super::values::{Text, integer, number_in, text};

/// What models are checked against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Declared<'a> {
    pub events: &'a EventSource,
    pub labels: Option<&'a LabelSource>,
    pub features: &'a Features,
    /// Whether the features were read without a problem; if not, some of their names may be missing.
    pub features_complete: bool,
}

/// Reads the section.
pub(super) fn read(entries: &[&Entry], declared: Declared<'_>, problems: &mut Problems) -> Vec<Model> {
    entries.iter().filter_map(|entry| model(entry, declared, problems)).collect()
}

fn model(entry: &Entry, declared: Declared<'_>, problems: &mut Problems) -> Option<Model> {
    let section = Section::new(format!("model `{}`", entry.key), entry.key_span, &entry.node, &keys::MODEL, problems)?;
    let target = section.required_text(&keys::MODEL_TARGET, problems);
    check_target(&target, declared.labels, problems);
    let before = problems.len();
    let inputs = match section.require(&keys::INPUTS, problems).and_then(|_| section.list(&keys::INPUTS, problems)) {
        Some(items) => inputs(items, &section, declared, problems),
        None => Vec::new(),
    };
    // Of an input that is wrong already nothing more is said.
    let complete = declared.features_complete && problems.len() == before;
    let network = section.require(&keys::NETWORK, problems).map(|node| network(node, problems));
    let objective = section.choice(&keys::OBJECTIVE, problems);
    classes::check_objective(objective, section.place(&keys::OBJECTIVE), declared.labels, problems);
    let training = training(&section, objective, problems);
    let alert = alert(&section, objective, problems);
    let is_linear = network == Some(Network::Linear);
    let network = network.unwrap_or(Network::Linear);
    let declared = Declared { features_complete: complete, ..declared };
    let categories = categories::read(&section, (&inputs, &network), declared, problems);
    if is_linear && !categories.is_empty() && training.l2 == 0.0 {
        let message = "the weights of a linear model's categories are unique only with `l2` above 0".to_owned();
        let help = "add `training: { l2: 1.0 }`".to_owned();
        problems.add_help(CONTRADICTION, categories::place(&section), message, help);
    }
    let (name, span) = (entry.key.clone(), entry.key_span);
    Some(Model { name, target: target.text, objective, inputs, categories, network, training, alert, span })
}

fn check_target(target: &Text, labels: Option<&LabelSource>, problems: &mut Problems) {
    match labels {
        _ if target.text.is_empty() => {}
        Some(labels) if labels.target.is_empty() || labels.target == target.text => {}
        Some(labels) => {
            let message = format!("`{}` is not the label of source `{}`", target.text, labels.name);
            problems.add_help(UNKNOWN_REFERENCE, target.span, message, suggest(&target.text, [&*labels.target]));
        }
        None => {
            let message = format!("`{}` is the label of no source", target.text);
            let help = "declare a source with `labels:` and `target:`".to_owned();
            problems.add_help(UNKNOWN_REFERENCE, target.span, message, help);
        }
    }
}

/// Expands the patterns in order.
fn inputs(items: &[Node], section: &Section<'_>, declared: Declared<'_>, problems: &mut Problems) -> Vec<String> {
    let mut inputs: Vec<String> = Vec::new();
    for item in items {
        let Some(pattern) = text(item, "inputs", problems) else { continue };
        let found = expand(&pattern, declared, problems);
        let repeated: Vec<&String> = found.iter().filter(|name| inputs.contains(name)).collect();
        if let Some(name) = repeated.first() {
            problems.add(DUPLICATE, item.span, format!("`{}` gives input `{name}` a second time", pattern.text));
        }
        inputs.extend(found);
    }
    if items.is_empty() {
        problems.add(OUT_OF_RANGE, section.place(&keys::INPUTS), "a model needs at least one input".to_owned());
    }
    inputs
}

fn expand(pattern: &Text, declared: Declared<'_>, problems: &mut Problems) -> Vec<String> {
    let Declared { events, labels, features, features_complete } = declared;
    let name = pattern.text.as_str();
    if labels.is_some_and(|labels| labels.target == name) {
        let message = format!("`{name}` is the label, which is not known when an event is scored");
        problems.add(LABEL_LEAK, pattern.span, message);
        return Vec::new();
    }
    if let Some(column) = events.schema.column(name) {
        if !column.kind.is_numeric() && column.kind != ColumnKind::Text {
            let message = format!("`{name}` is {} and cannot be an input", column.kind.words());
            let help = "make a number of it in a row feature".to_owned();
            problems.add_help(WRONG_COLUMN_KIND, pattern.span, message, help);
        }
        return vec![name.to_owned()];
    }
    if features.names().iter().any(|feature| feature == name) {
        return vec![name.to_owned()];
    }
    let found = match name.split_once('.') {
        Some((group, wanted)) => group_outputs(group, wanted, features),
        None => None,
    };
    // Where columns or features could not be read, the name may well be one of theirs, and that is reported already.
    let of_group = |group: &str| name.strip_prefix(group).is_some_and(|rest| rest.starts_with(['_', '.']));
    let is_entity = features.entities.iter().any(|entity| of_group(&entity.name));
    let known_group = is_entity || of_group("row") || of_group("derived");
    if found.is_none() && !name.contains('.') && events.schema.columns.is_empty() {
        return vec![name.to_owned()];
    }
    found.unwrap_or_else(|| {
        if features_complete || !known_group {
            no_match(pattern, declared, problems);
        }
        Vec::new()
    })
}

/// The outputs of `row.*`, `customer.*`, `customer.tx_count`; `None` where nothing is called that.
fn group_outputs(group: &str, wanted: &str, features: &Features) -> Option<Vec<String>> {
    let matches = |name: &str| wanted == "*" || wanted == name;
    if group == "row" || group == "derived" {
        let declared = if group == "row" { &features.row } else { &features.derived };
        let rows: Vec<_> = declared.iter().filter(|row| matches(&row.name)).collect();
        let declared = !rows.is_empty() || wanted == "*";
        return declared.then(|| rows.into_iter().map(|row| row.output.clone()).collect());
    }
    let entity = features.entities.iter().find(|entity| entity.name == group)?;
    let found: Vec<_> = entity.aggregates.iter().filter(|aggregate| matches(&aggregate.name)).collect();
    let declared = !found.is_empty() || wanted == "*";
    declared.then(|| found.into_iter().flat_map(|aggregate| aggregate.outputs.iter().cloned()).collect())
}

fn no_match(pattern: &Text, declared: Declared<'_>, problems: &mut Problems) {
    let Declared { events, features, .. } = declared;
    let mut known: Vec<String> = events.schema.columns.iter().map(|column| column.name.clone()).collect();
    known.push("row.*".to_owned());
    known.extend(features.entities.iter().map(|entity| format!("{}.*", entity.name)));
    known.extend(features.names());
    let message = format!("`{}` is no column, feature or group of features", pattern.text);
    let help = suggest(&pattern.text, known.iter().map(String::as_str));
    problems.add_help(NO_MATCH, pattern.span, message, help);
}

fn network(node: &Node, problems: &mut Problems) -> Network {
    const HELP: &str = "write `network: linear` or `network: { mlp: [64, 32] }`";
    let mut wrong = |message: String| {
        problems.add_help(WRONG_TYPE, node.span, message, HELP.to_owned());
        Network::Linear
    };
    let Value::Map(entries) = &node.value else {
        return match &node.value {
            Value::Text(word) if word == "linear" => Network::Linear,
            Value::Text(word) => wrong(format!("`{word}` is no network")),
            other => wrong(format!("`network` must be a map, not {}", other.kind())),
        };
    };
    match &entries[..] {
        [one] if one.key == "linear" && one.node.value == Value::Bool(true) => Network::Linear,
        [one] if one.key == "mlp" => match &one.node.value {
            Value::List(widths) => Network::Mlp(layers(widths, one, problems)),
            _ => wrong("`mlp` must be a list of layer widths".to_owned()),
        },
        [one] if one.key != "linear" => {
            let help = suggest(&one.key, ["linear", "mlp"]);
            problems.add_help(UNKNOWN_CHOICE, one.key_span, format!("`{}` is no network", one.key), help);
            Network::Linear
        }
        _ => wrong("`network` must be one of `linear: true` and `mlp: [..]`".to_owned()),
    }
}

fn layers(widths: &[Node], entry: &Entry, problems: &mut Problems) -> Vec<u32> {
    if widths.is_empty() || widths.len() > LAYERS_MAX {
        let message = format!("`mlp` must have from 1 to {LAYERS_MAX} hidden layers, not {}", widths.len());
        problems.add(OUT_OF_RANGE, entry.node.span, message);
    }
    let width = |node: &Node| {
        integer(node, keys::MLP.name, 1, WIDTH_MAX.into(), problems).and_then(|width| u32::try_from(width).ok())
    };
    widths.iter().filter_map(width).collect()
}

fn training(model: &Section<'_>, objective: Objective, problems: &mut Problems) -> Training {
    let declared = model.entry(&keys::TRAINING_SECTION);
    let declared =
        declared.and_then(|entry| Section::new("`training`", entry.key_span, &entry.node, &keys::TRAINING, problems));
    let section = declared.unwrap_or_else(|| Section::empty(model.at, &keys::TRAINING));
    let training = Training {
        epochs: section.count(&keys::EPOCHS, problems),
        batch_size: section.count(&keys::BATCH_SIZE, problems),
        learning_rate: section.number(&keys::LEARNING_RATE, problems),
        dropout: section.number(&keys::DROPOUT, problems),
        l2: section.number(&keys::L2, problems),
        class_weight: class_weight(&section, problems),
        calibration: calibration(&section, objective, problems),
        loss: section.get(&keys::LOSS).map_or(Loss::OfObjective, |node| loss(node, objective, problems)),
        early_stopping_epochs: early_stopping(&section, problems),
        validation_share: section.number(&keys::VALIDATION_SHARE, problems),
        window_us: section.duration(&keys::TRAINING_WINDOW, problems),
        delay_us: section.duration(&keys::TRAINING_DELAY, problems),
        seed: section.integer(&keys::SEED, problems),
    };
    if training.early_stopping_epochs.is_some() && training.validation_share == 0.0 {
        let message = "`early_stopping` needs a `validation_share` above 0".to_owned();
        problems.add(CONTRADICTION, section.place(&keys::EARLY_STOPPING), message);
    }
    if training.calibration != Calibration::None && training.validation_share == 0.0 {
        let message = "`calibration` is fitted on the newest rows and needs a `validation_share` above 0".to_owned();
        problems.add(CONTRADICTION, section.place(&keys::CALIBRATION), message);
    }
    if objective == Objective::Regression && training.class_weight != ClassWeight::None {
        let message = "`class_weight` weights classes, and `objective: regression` has none".to_owned();
        problems.add_help(CONTRADICTION, section.place(&keys::CLASS_WEIGHT), message, "take it out".to_owned());
    }
    if let (Objective::Multiclass, ClassWeight::Positive(weight)) = (objective, training.class_weight) {
        let message = format!("`class_weight: {weight}` weights the positive class, and this model has several");
        let help = "write `class_weight: balanced`, or take it out".to_owned();
        problems.add_help(CONTRADICTION, section.place(&keys::CLASS_WEIGHT), message, help);
    }
    training
}

fn class_weight(section: &Section<'_>, problems: &mut Problems) -> ClassWeight {
    let key = &keys::CLASS_WEIGHT;
    match section.get(key) {
        Some(node) if !matches!(node.value, Value::Text(_)) => {
            number_in(node, key.name, keys::POSITIVE, problems).map_or_else(|| key.word(), ClassWeight::Positive)
        }
        _ => section.choice(key, problems),
    }
}

/// `early_stopping: 5`, or `false`.
fn early_stopping(section: &Section<'_>, problems: &mut Problems) -> Option<u32> {
    let key = &keys::EARLY_STOPPING;
    let node = section.get(key)?;
    match node.value {
        Value::Bool(false) => None,
        _ => {
            let epochs = integer(node, key.name, 1, EPOCHS_MAX.into(), problems);
            Some(epochs.and_then(|epochs| u32::try_from(epochs).ok()).unwrap_or(1))
        }
    }
}
