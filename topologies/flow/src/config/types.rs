//! What a pipeline file says once it has been checked: every name resolved, every default filled in, every list in
//! its final order. Nothing here can be half right; [`super::parse`] is the only maker.

mod compatibility;
mod features;
mod models;
mod monitors;
mod retention;
mod sources;

pub use compatibility::*;
pub use features::*;
pub use models::*;
pub use monitors::*;
pub use retention::*;
pub use sources::*;

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
    /// What new schemas of its topics owe to earlier ones.
    pub compatibility: Compatibilities,
    /// How long its topics keep their records.
    pub retention: Retentions,
}

impl Pipeline {
    /// The label's name, where there is one.
    pub fn target(&self) -> Option<&str> {
        self.labels.as_ref().map(|labels| labels.target.as_str())
    }

    /// The classes of the label in order; none where it has none.
    pub fn classes(&self) -> &[String] {
        self.labels.as_ref().map_or(&[], |labels| &labels.classes)
    }

    /// Whether a model predicts one of several classes, so that predictions name it.
    pub fn predicts_classes(&self) -> bool {
        self.models.iter().any(|model| model.objective == Objective::Multiclass)
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
