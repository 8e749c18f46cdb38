//! The `sources` section: one source of events and at most one of labels.

use super::breaker::breaker;
use super::classes;
use super::expression::Scope;
use super::format::format;
use super::keys;
use super::node::{Entry, Node, Value};
use super::policy;
use super::problem::{
    BAD_NAME, CONTRADICTION, DUPLICATE, LABEL_LEAK, MISSING_KEY, Problems, Span, UNKNOWN_COLUMN, UNKNOWN_REFERENCE,
    UNSUPPORTED, WRONG_COLUMN_KIND, suggest,
};
use super::rules::{field_rule, rule};
use super::schema::load;
use super::section::Section;
use super::types::{
    BreakerLimits, ColumnKind, EventSource, FAILED_RULES, FieldRule, Format, IMPUTED_FIELDS, Impute, LabelSource, Rule,
    SourceSchema,
};
use super::values::{Text, named};
use super::{Resolve, Settings};

/// Kafka's limit of 249 bytes less room for `.validator.dlq` and what may follow it.
pub(super) const TOPIC_BYTES_MAX: usize = 220;

/// Reads the section.
pub(super) fn read(
    node: Option<&Node>,
    settings: &Settings,
    resolve: Resolve<'_>,
    problems: &mut Problems,
) -> (EventSource, Option<LabelSource>) {
    let entries = node.map_or(Vec::new(), |node| named(node, keys::SOURCES.name, problems));
    let is_label = |entry: &&Entry| match &entry.node.value {
        Value::Map(settings) => settings.iter().any(|setting| setting.key == keys::LABELS_OF.name),
        _ => false,
    };
    let (label_entries, event_entries): (Vec<&Entry>, Vec<&Entry>) = entries.into_iter().partition(is_label);
    for (kind, extra) in [("events", event_entries.get(1)), ("labels", label_entries.get(1))] {
        if let Some(extra) = extra {
            let message = format!("`{}` is a second source of {kind}; a pipeline has one", extra.key);
            let help = "put it into a pipeline of its own, or publish both to one topic".to_owned();
            problems.add_help(UNSUPPORTED, extra.key_span, message, help);
        }
    }
    let mut labels = label_entries.first().and_then(|entry| label_source(entry, settings, resolve, problems));
    let target = labels.as_ref().map(|labels| labels.source.target.clone());
    let events = match event_entries.first() {
        Some(entry) => event_source(entry, target.as_deref(), settings, resolve, problems),
        None => {
            if let Some(node) = node.filter(|node| matches!(node.value, Value::Map(_))) {
                problems.add(MISSING_KEY, node.span, "`sources` needs a source of events".to_owned());
            }
            EventSource::unknown()
        }
    };
    if let Some(labels) = &mut labels {
        labels.connect(&events, problems);
    }
    (events, labels.map(|labels| labels.source))
}

fn event_source(
    entry: &Entry,
    target: Option<&str>,
    settings: &Settings,
    resolve: Resolve<'_>,
    problems: &mut Problems,
) -> EventSource {
    let what = format!("source `{}`", entry.key);
    let Some(section) = Section::new(what, entry.key_span, &entry.node, &keys::SOURCE, problems) else {
        return EventSource::unknown();
    };
    let topic = topic(&section, problems);
    let schema_text = section.required_text(&keys::SCHEMA, problems);
    let schema = load(&schema_text, resolve, problems);
    let id = section.required_text(&keys::ID, problems);
    check_column(&id, &schema, "an id", ColumnKind::is_key, problems);
    let event_time = section.required_text(&keys::EVENT_TIME, problems);
    check_column(&event_time, &schema, "an event time", |kind| kind == ColumnKind::Timestamp, problems);
    if let Some(target) = target.filter(|target| schema.column(target).is_some()) {
        let message = format!("the label `{target}` is also a column of `{}`", schema.path);
        let help = "take it out of the events: a model that sees its label learns nothing else".to_owned();
        problems.add_help(LABEL_LEAK, schema_text.span, message, help);
    }
    let scope = Scope { schema: &schema, target, label_allowed: false, label_has_classes: false };
    let rules = section.named(&keys::RULES, problems);
    let rules: Vec<Rule> = rules.into_iter().filter_map(|entry| rule(entry, scope, problems)).collect();
    let fields = section.entries_of(&keys::FIELDS, problems);
    let fields: Vec<FieldRule> = fields.into_iter().filter_map(|entry| field_rule(entry, scope, problems)).collect();
    let of_fields = fields.iter().filter_map(|field| field.impute.as_ref());
    let imputes: Vec<&Impute> = rules.iter().flat_map(|rule| &rule.imputes).chain(of_fields).collect();
    policy::check_identity(&imputes, &id, &event_time, problems);
    let dedupe_horizon_us = section.duration(&keys::DEDUPE_HORIZON, problems);
    if dedupe_horizon_us < settings.lateness_us {
        let message = "`dedupe_horizon` is shorter than `lateness`".to_owned();
        let help = "a copy may come as late as any event: make the horizon at least as long".to_owned();
        problems.add_help(CONTRADICTION, section.place(&keys::DEDUPE_HORIZON), message, help);
    }
    let partitions = section.given_count(&keys::SOURCE_PARTITIONS, problems);
    let source = EventSource {
        name: entry.key.clone(),
        topic,
        partitions: partitions.unwrap_or(settings.partitions),
        partitions_declared: partitions.is_some(),
        format: format(&section, problems),
        breaker: breaker(&section, problems),
        id: id.text,
        event_time: event_time.text,
        rules,
        fields,
        max_future_us: section.duration(&keys::MAX_FUTURE, problems),
        dedupe_horizon_us,
        schema,
    };
    for (name, what) in [(FAILED_RULES, "names of failed rules"), (IMPUTED_FIELDS, "names of replaced fields")] {
        if source.is_flagged() && source.schema.column(name).is_some() {
            let message = format!("`{name}` of `{}` is where the {what} would go", source.schema.path);
            problems.add_help(DUPLICATE, schema_text.span, message, "rename the field, or reject".to_owned());
        }
    }
    source
}

/// A label source whose connection to the events is still unchecked.
struct Labels {
    source: LabelSource,
    events: Text,
    topic_span: Span,
    id: Option<Text>,
    at: Span,
}

fn label_source(entry: &Entry, settings: &Settings, resolve: Resolve<'_>, problems: &mut Problems) -> Option<Labels> {
    let what = format!("source `{}`", entry.key);
    let section = Section::new(what, entry.key_span, &entry.node, &keys::LABELS, problems)?;
    let topic = topic(&section, problems);
    let topic_span = section.place(&keys::TOPIC);
    let schema = load(&section.required_text(&keys::SCHEMA, problems), resolve, problems);
    let already = problems.len();
    let mut target = section.required_text(&keys::TARGET, problems);
    classes::check_kind(&target, &schema, section.get(&keys::CLASSES).is_some(), problems);
    let is_wrong = problems.len() > already;
    let classes = classes::read(&section, &schema, &target, problems);
    if is_wrong {
        // Unknown from here on, so that what mentions the right one is not reported as well.
        target.text.clear();
    }
    let known_time = section.text(&keys::KNOWN_TIME, problems);
    if let Some(known_time) = &known_time {
        check_column(known_time, &schema, "a known time", |kind| kind == ColumnKind::Timestamp, problems);
    }
    let events = section.required_text(&keys::LABELS_OF, problems);
    let id = section.text(&keys::LABEL_ID, problems);
    let partitions = section.given_count(&keys::SOURCE_PARTITIONS, problems);
    let source = LabelSource {
        name: entry.key.clone(),
        topic,
        partitions: partitions.unwrap_or(settings.partitions),
        partitions_declared: partitions.is_some(),
        format: format(&section, problems),
        breaker: breaker(&section, problems),
        events: events.text.clone(),
        id: String::new(),
        target: target.text,
        classes,
        known_time: known_time.map(|text| text.text),
        horizon_us: section.duration(&keys::HORIZON, problems),
        policy: section.choice(&keys::POLICY, problems),
        schema,
    };
    Some(Labels { source, events, topic_span, id, at: entry.key_span })
}

impl Labels {
    /// Checks the labels against the events they are for.
    fn connect(&mut self, events: &EventSource, problems: &mut Problems) {
        if !events.name.is_empty() && !self.events.text.is_empty() && self.events.text != events.name {
            let message = format!("`{}` is no source of events", self.events.text);
            problems.add_help(
                UNKNOWN_REFERENCE,
                self.events.span,
                message,
                suggest(&self.events.text, [&*events.name]),
            );
        }
        if !self.source.topic.is_empty() && self.source.topic == events.topic {
            let message = format!("events and labels both come from topic `{}`", events.topic);
            let help = "give labels a topic of their own".to_owned();
            problems.add_help(DUPLICATE, self.topic_span, message, help);
        }
        let id = self.id.clone().unwrap_or(Text { text: events.id.clone(), span: self.at });
        check_column(&id, &self.source.schema, "an id", ColumnKind::is_key, problems);
        let kind = |schema: &SourceSchema, name: &str| schema.column(name).map(|column| column.kind);
        if let (Some(ours), Some(theirs)) = (kind(&self.source.schema, &id.text), kind(&events.schema, &events.id))
            && ours.is_key()
            && theirs.is_key()
            && ours != theirs
        {
            let message = format!("id `{}` of labels and id `{}` of events differ in kind", id.text, events.id);
            problems.add(WRONG_COLUMN_KIND, id.span, message);
        }
        self.source.id = id.text;
    }
}

impl EventSource {
    /// Stands in for a source that could not be read.
    fn unknown() -> Self {
        let json = serde_json::Value::Null;
        let schema = SourceSchema { path: String::new(), full_name: String::new(), json, columns: Vec::new() };
        Self {
            name: String::new(),
            topic: String::new(),
            partitions: 1,
            partitions_declared: false,
            format: Format::Avro,
            breaker: BreakerLimits::default(),
            schema,
            id: String::new(),
            event_time: String::new(),
            rules: Vec::new(),
            fields: Vec::new(),
            max_future_us: keys::MAX_FUTURE.time(),
            dedupe_horizon_us: keys::DEDUPE_HORIZON.time(),
        }
    }
}

/// Notes a column that the schema lacks or that cannot be `role`.
pub(super) fn check_column(
    name: &Text,
    schema: &SourceSchema,
    role: &str,
    fits: impl Fn(ColumnKind) -> bool,
    problems: &mut Problems,
) {
    if schema.columns.is_empty() || name.text.is_empty() {
        return;
    }
    match schema.column(&name.text) {
        None => {
            let message = format!("`{}` is no column of `{}`", name.text, schema.path);
            let help = suggest(&name.text, schema.columns.iter().map(|column| column.name.as_str()));
            problems.add_help(UNKNOWN_COLUMN, name.span, message, help);
        }
        Some(column) if !fits(column.kind) => {
            let message = format!("`{}` is {} and cannot be {role}", name.text, column.kind.words());
            let wants_time = fits(ColumnKind::Timestamp);
            let help = match column.kind {
                ColumnKind::Integer if wants_time => Some(
                    "if it counts milliseconds, say so in the file of the schema: \
                     `{\"type\": \"long\", \"logicalType\": \"timestamp-millis\"}`; what is written stays the same",
                ),
                ColumnKind::Text if wants_time => Some(
                    "with `format: json` a time may be a text: declare it in the schema as \
                     `{\"type\": \"long\", \"logicalType\": \"timestamp-millis\"}`",
                ),
                ColumnKind::Opaque => Some(
                    "ids, times, keys and inputs are columns of their own: what is part of a record, a list or a map must \
                     be copied beside it by those who publish",
                ),
                _ => None,
            };
            match help {
                Some(help) => problems.add_help(WRONG_COLUMN_KIND, name.span, message, help.to_owned()),
                None => problems.add(WRONG_COLUMN_KIND, name.span, message),
            }
        }
        Some(_) => {}
    }
}

fn topic(section: &Section<'_>, problems: &mut Problems) -> String {
    let topic = section.required_text(&keys::TOPIC, problems);
    check_topic(&topic, problems);
    topic.text
}

/// Notes a text that Kafka would not take as a topic.
pub(super) fn check_topic(topic: &Text, problems: &mut Problems) {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let long = topic.text.len() > TOPIC_BYTES_MAX;
    if long || matches!(&*topic.text, "." | "..") || !topic.text.chars().all(legal) {
        let message = format!("`{}` cannot be a topic", topic.text);
        let help = format!("topics have at most {TOPIC_BYTES_MAX} of a-z, A-Z, 0-9, `.`, `_` and `-`");
        problems.add_help(BAD_NAME, topic.span, message, help);
    }
}
