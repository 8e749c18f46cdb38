//! Topic names (DESIGN, "The pipeline"): public ones end in a major version, internal ones in feature set and
//! generation, so that a rebuild never writes into a log that others still read.

use crate::config::Pipeline;

/// Topic names by role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Topic of the event source.
    pub events: String,
    /// Topic of the label source, where there is one.
    pub labels: Option<String>,
    /// Log of each entity, in chain order.
    pub entity_logs: Vec<String>,
    /// Log with all features.
    pub features_log: String,
    /// Log that pairs events, labels and predictions.
    pub journal_log: String,
    /// Counts that monitors judge.
    pub sketches: String,
    /// Predictions.
    pub predictions: String,
    /// Predictions with their labels.
    pub outcomes: String,
    /// Labels that came to nothing.
    pub refusals: String,
    /// Drift reports.
    pub drift: String,
    /// Incidents.
    pub alerts: String,
    /// Retraining requests and results.
    pub retraining: String,
    /// Announced models.
    pub models: String,
    /// Readiness reports and control requests.
    pub control: String,
    /// Ledger counters.
    pub ledger: String,
    /// Progress that validators share.
    pub progress: String,
}

impl Names {
    /// The names of a pipeline whose internal logs are in the given generation.
    pub fn new(pipeline: &Pipeline, generation: u32) -> Self {
        let name = &pipeline.name;
        let features = pipeline.features.id();
        let featured = |log: &str| format!("{name}.{log}.log.{features}.g{generation}");
        let public = |kind: &str| format!("{name}.{kind}.v1");
        Self {
            events: pipeline.events.topic.clone(),
            labels: pipeline.labels.as_ref().map(|labels| labels.topic.clone()),
            entity_logs: pipeline.features.entities.iter().map(|entity| featured(&entity.name)).collect(),
            features_log: featured("features"),
            journal_log: format!("{name}.journal.log.g{generation}"),
            sketches: featured("sketches"),
            predictions: public("predictions"),
            outcomes: public("outcomes"),
            refusals: public("refusals"),
            drift: public("drift"),
            alerts: pipeline.alerts_topic.clone(),
            retraining: public("retraining"),
            models: public("models"),
            control: public("control"),
            ledger: public("ledger"),
            progress: public("progress"),
        }
    }

    /// The topics that events and labels come from.
    pub fn sources(&self) -> impl Iterator<Item = &String> {
        [&self.events].into_iter().chain(&self.labels)
    }

    /// The log that the validator writes events to.
    pub fn first_log(&self) -> &str {
        self.entity_logs.first().unwrap_or(&self.features_log)
    }

    /// All topics that tasks of the pipeline write.
    pub fn written(&self) -> Vec<String> {
        let fixed = [
            &self.features_log,
            &self.journal_log,
            &self.sketches,
            &self.predictions,
            &self.outcomes,
            &self.refusals,
            &self.drift,
            &self.alerts,
            &self.retraining,
            &self.models,
            &self.control,
            &self.ledger,
            &self.progress,
        ];
        let beside =
            self.sources().flat_map(|source| [Self::dead_letters(source), Self::retries(source), Self::late(source)]);
        self.entity_logs.iter().chain(fixed).cloned().chain(beside).collect()
    }

    /// Dead letters of `source_topic`, as the validator writes them.
    pub fn dead_letters(source_topic: &str) -> String {
        format!("{source_topic}.validator.dlq")
    }

    /// Dead letters of `source_topic` that were published again, for the validator.
    pub fn retries(source_topic: &str) -> String {
        format!("{source_topic}.validator.retry")
    }

    /// The source whose retries are in this topic, if it is such a topic.
    pub fn retried(&self, topic: &str) -> Option<&String> {
        self.sources().find(|source| topic == Self::retries(source))
    }

    /// Late records of `source_topic`.
    pub fn late(source_topic: &str) -> String {
        format!("{source_topic}.late")
    }
}
