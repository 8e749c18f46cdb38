//! What a pipeline file says once it has been checked: every name resolved, every default filled in, every list in
//! its final order. Nothing here can be half right; [`super::parse`] is the only maker.

use serde_json::Value;

use super::Span;

/// A checked pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline {
    /// `[a-z][a-z0-9_-]*`; the first part of every derived topic name.
    pub name: String,
    /// What the public edge promises.
    pub delivery: Delivery,
    /// In which order features see events.
    pub ordering: Ordering,
    /// How far an event may lie behind the greatest event time of its own source partition.
    pub lateness_us: i64,
    /// After how much silence a source partition no longer holds the watermark back.
    pub idle_timeout_us: i64,
    /// Partitions of every log and public topic that declares no number of its own.
    pub partitions: u32,
    /// The one source of events.
    pub events: EventSource,
    /// The source of late labels, where there is one.
    pub labels: Option<LabelSource>,
    /// Row features and the chain of entities.
    pub features: Features,
    /// Models in declared order; the first is the one the champion route is about.
    pub models: Vec<Model>,
    /// Monitors in declared order.
    pub monitors: Vec<Monitor>,
    /// When and how models are trained again; `None` means only by hand.
    pub retraining: Option<Retraining>,
    /// Where incidents go.
    pub alerts_topic: String,
}

impl Pipeline {
    /// The label's name, where there is one.
    pub fn target(&self) -> Option<&str> {
        self.labels.as_ref().map(|labels| labels.target.as_str())
    }

    /// The model called `name`.
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.name == name)
    }
}

/// What the public edge of a pipeline promises (DESIGN, "Delivery").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Public records go out at once; after a crash a few may appear twice with the same identity.
    LowLatency,
    /// Public records and offsets are committed together, once per interval.
    ExactlyOnce,
}

/// In which order features see events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ordering {
    /// As the log recorded them.
    Arrival,
    /// By event time: held until the watermark has passed them.
    EventTime,
}

/// A source's Avro schema, and what the pipeline needs to know of it.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceSchema {
    /// The path as written in the pipeline file.
    pub path: String,
    /// Full name of the record, namespace included.
    pub full_name: String,
    /// The schema itself.
    pub json: Value,
    /// Its fields in order.
    pub columns: Vec<Column>,
}

impl SourceSchema {
    /// The column called `name`, if the record has one.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// One field of a source record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Field name.
    pub name: String,
    /// What its values are, null aside.
    pub kind: ColumnKind,
    /// Whether null is among its values.
    pub nullable: bool,
}

/// The kinds of value a column can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Avro `boolean`.
    Boolean,
    /// Avro `int` or `long` with no logical type.
    Integer,
    /// Avro `float` or `double`.
    Float,
    /// Avro `string`, `enum` or a string-like logical type.
    Text,
    /// `timestamp-millis`, `timestamp-micros` or their local forms.
    Timestamp,
    /// Anything else: it travels with the event, but no key, rule bound or model input can use it.
    Opaque,
}

impl ColumnKind {
    /// Whether a model or a bound can read it as a number.
    pub fn is_numeric(self) -> bool {
        matches!(self, Self::Boolean | Self::Integer | Self::Float)
    }

    /// What a user would call its values.
    pub fn words(self) -> &'static str {
        match self {
            Self::Boolean => "true or false",
            Self::Integer => "a whole number",
            Self::Float => "a number with decimals",
            Self::Text => "a text",
            Self::Timestamp => "a time",
            Self::Opaque => "of a type that only travels along",
        }
    }

    /// Whether it can be an id or an entity key.
    pub fn is_key(self) -> bool {
        matches!(self, Self::Boolean | Self::Integer | Self::Text)
    }
}

/// The source of events.
#[derive(Debug, Clone, PartialEq)]
pub struct EventSource {
    /// Name in the pipeline file.
    pub name: String,
    /// Topic it is read from.
    pub topic: String,
    /// Partitions of that topic.
    pub partitions: u32,
    /// Its schema.
    pub schema: SourceSchema,
    /// Column with the event id.
    pub id: String,
    /// Column with the event time.
    pub event_time: String,
    /// SQL rules in declared order.
    pub rules: Vec<Rule>,
    /// Bounds on single columns in declared order.
    pub fields: Vec<FieldRule>,
    /// How far event time may lie ahead of the broker's append time.
    pub max_future_us: i64,
    /// Within what span of event time a repeated id is a duplicate.
    pub dedupe_horizon_us: i64,
}

/// A named SQL condition that every event must meet.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Name; it becomes the detail of the dead letter.
    pub name: String,
    /// A boolean expression over the source's columns.
    pub check: Expression,
    /// What happens to an event for which it is not true.
    pub on_fail: OnFail,
}

/// What happens to an event that fails a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFail {
    /// It becomes a dead letter.
    Reject,
}

/// Bounds on one column.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldRule {
    /// The column.
    pub column: String,
    /// Least value allowed.
    pub min: Option<f64>,
    /// Greatest value allowed.
    pub max: Option<f64>,
    /// The only values allowed, as canonical text; `None` allows all.
    pub allowed: Option<Vec<String>>,
    /// Whether null is refused although the schema allows it.
    pub required: bool,
    /// Where it stands in the file.
    pub span: Span,
}

/// The source of late labels.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelSource {
    /// Name in the pipeline file.
    pub name: String,
    /// Topic it is read from.
    pub topic: String,
    /// Partitions of that topic.
    pub partitions: u32,
    /// Its schema.
    pub schema: SourceSchema,
    /// Name of the event source it labels.
    pub events: String,
    /// Column with the id of the labelled event.
    pub id: String,
    /// Column with the label.
    pub target: String,
    /// Column with the time the label became known; absent, the append time stands for it.
    pub known_time: Option<String>,
    /// How long an event waits for its label.
    pub horizon_us: i64,
    /// Which of several labels for one event counts.
    pub policy: LabelPolicy,
}

/// Which of several labels for one event counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelPolicy {
    /// The first; later ones are counted and change nothing.
    First,
}

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
}

impl Features {
    /// Short id used in topic names: `f1`.
    pub fn id(&self) -> String {
        format!("f{}", self.version)
    }

    /// All feature names in their fixed order: row features, then each entity's.
    pub fn names(&self) -> Vec<String> {
        self.names_before(self.entities.len())
    }

    /// The features an event carries when it reaches the stage of entity number `stage`; none at the first one,
    /// which computes the row features itself.
    pub fn names_before(&self, stage: usize) -> Vec<String> {
        if stage == 0 {
            return Vec::new();
        }
        let row = self.row.iter().map(|feature| feature.output.clone());
        let entities = self.entities[..stage].iter().flat_map(Entity::outputs);
        row.chain(entities).collect()
    }
}

/// A feature computed from one event alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFeature {
    /// Name in the file: `is_night`.
    pub name: String,
    /// Feature name: `row_is_night`.
    pub output: String,
    /// SQL over the source's columns.
    pub expression: Expression,
}

/// One entity of the chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Entity {
    /// Name in the file; the first part of its feature names and of its log's name.
    pub name: String,
    /// Column with the key.
    pub key: String,
    /// Windows in declared order.
    pub windows: Vec<Window>,
    /// How far the windows end before the event.
    pub delay_us: i64,
    /// Aggregates in declared order.
    pub aggregates: Vec<Aggregate>,
    /// Whether an aggregate reads the label, so that the journal must send labelled events here.
    pub label_derived: bool,
}

impl Entity {
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aggregate {
    /// Name in the file: `tx_count`.
    pub name: String,
    /// Its expression.
    pub expression: Expression,
    /// Whether it is computed per window (`avg(amount)`) or over all that came before (`last(amount)`).
    pub windowed: bool,
    /// Whether it reads the label.
    pub label_derived: bool,
    /// Feature names, one per window in order, or one alone: `customer_tx_count_1d`, …
    pub outputs: Vec<String>,
}

/// One model.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Name in the registry.
    pub name: String,
    /// Label column it learns.
    pub target: String,
    /// Its inputs in order, patterns expanded: columns and feature names.
    pub inputs: Vec<String>,
    /// Its shape.
    pub network: Network,
    /// How it is trained.
    pub training: Training,
    /// Its decision threshold's capacity; `None` means no alerts on single events.
    pub alert_top_per_day: Option<u32>,
    /// Where its name stands.
    pub span: Span,
}

/// The shape of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// One layer: logistic regression.
    Linear,
    /// Dense layers of these widths, then one output.
    Mlp(Vec<u32>),
}

/// How a model is trained.
#[derive(Debug, Clone, PartialEq)]
pub struct Training {
    /// Passes over the data at most.
    pub epochs: u32,
    /// Rows per step.
    pub batch_size: u32,
    /// Step size.
    pub learning_rate: f64,
    /// Share of hidden units left out per step.
    pub dropout: f64,
    /// Weight decay.
    pub l2: f64,
    /// How rare labels are weighted.
    pub class_weight: ClassWeight,
    /// Stop after this many epochs without a better validation loss; `None` runs all epochs.
    pub early_stopping_epochs: Option<u32>,
    /// Share of the training rows, the latest ones, kept for validation.
    pub validation_share: f64,
    /// Event time a training set spans.
    pub window_us: i64,
    /// Gap between the end of the training set and the cutoff: labels younger than that are not yet in.
    pub delay_us: i64,
    /// Seed of everything random.
    pub seed: u64,
}

/// How rare labels are weighted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ClassWeight {
    /// All rows count alike.
    None,
    /// Both classes weigh the same in sum.
    Balanced,
    /// A positive row weighs this much, a negative one 1.
    Positive(f64),
}

/// One monitor.
#[derive(Debug, Clone, PartialEq)]
pub struct Monitor {
    /// Name in the file.
    pub name: String,
    /// Model whose reference profile it compares with.
    pub model: String,
    /// Event-time window.
    pub window_us: i64,
    /// Population stability index of inputs and score.
    pub psi: Psi,
    /// Windows with fewer events are not judged.
    pub min_events: u64,
}

/// Settings of the population stability index.
#[derive(Debug, Clone, PartialEq)]
pub struct Psi {
    /// The model inputs it watches, in the model's order. The score is always watched.
    pub features: Vec<String>,
    /// From here on it is worth a look.
    pub warn: f64,
    /// From here on it is an incident.
    pub alarm: f64,
}

/// When and how models are trained again.
#[derive(Debug, Clone, PartialEq)]
pub struct Retraining {
    /// What asks for it.
    pub on: Vec<Trigger>,
    /// Event time of the training set.
    pub train_window_us: i64,
    /// How long labels take to be complete.
    pub label_delay_us: i64,
    /// Newest labelled event time, kept out of training, on which candidate and champion are compared.
    pub holdout_us: i64,
    /// Whether a better model takes over by itself.
    pub promote: Promote,
}

/// What asks for a retraining.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// A drift alarm.
    Drift,
}

/// Whether a better model takes over by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promote {
    /// Yes, if it beats the champion on the holdout.
    IfBetter,
    /// No; somebody runs `tidemill model promote`.
    Manual,
}
