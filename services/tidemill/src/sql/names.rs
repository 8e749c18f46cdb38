//! Short names of a pipeline's topics, for queries.

use flow::config::Pipeline;
use flow::plan::{Names as Topics, Plan};

/// The table of the datasets that were built.
pub const DATASETS: &str = "datasets";

/// A pipeline's topics with a short name each.
#[derive(Debug, Clone)]
pub struct Names(Vec<(String, String)>);

impl Names {
    /// The names of a plan's topics: sources and entities by their own, the others by what they hold. Where two would have
    /// the same, the first has it; each topic also goes by its whole name.
    pub fn new(pipeline: &Pipeline, plan: &Plan) -> Self {
        let topics = &plan.names;
        let mut all: Vec<(String, String)> = Vec::new();
        let labels = pipeline.labels.as_ref().map(|labels| (&labels.name, &labels.topic));
        for (name, topic) in [(&pipeline.events.name, &pipeline.events.topic)].into_iter().chain(labels) {
            let beside = [
                (name.clone(), topic.clone()),
                (format!("{name}_dlq"), Topics::dead_letters(topic)),
                (format!("{name}_retry"), Topics::retries(topic)),
                (format!("{name}_late"), Topics::late(topic)),
            ];
            all.extend(beside);
        }
        let fixed = [
            ("features", &topics.features_log),
            ("predictions", &topics.predictions),
            ("outcomes", &topics.outcomes),
            ("refusals", &topics.refusals),
            ("drift", &topics.drift),
            ("alerts", &topics.alerts),
            ("retraining", &topics.retraining),
            ("models", &topics.models),
            ("control", &topics.control),
            ("journal", &topics.journal_log),
            ("sketches", &topics.sketches),
            ("ledger", &topics.ledger),
            ("progress", &topics.progress),
        ];
        all.extend(fixed.map(|(name, topic)| (name.to_owned(), topic.clone())));
        let entities = pipeline.features.entities.iter().zip(&topics.entity_logs);
        all.extend(entities.map(|(entity, log)| (entity.name.clone(), log.clone())));
        all.retain(|(_, topic)| plan.topic(topic).is_some());
        let mut unique: Vec<(String, String)> = Vec::new();
        for (name, topic) in all {
            if name != DATASETS && unique.iter().all(|(known, _)| *known != name) {
                unique.push((name, topic));
            }
        }
        Self(unique)
    }

    /// The topic of this short name.
    pub fn topic(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(short, _)| short == name).map(|(_, topic)| topic.as_str())
    }

    /// All of them: short name and topic.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, topic)| (name.as_str(), topic.as_str()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::loading::SHIPPED;

    #[test]
    fn every_topic_of_a_shipped_pipeline_has_a_short_name() {
        for (name, text) in SHIPPED {
            let resolve = |path: &str| Ok(schemas::contracts::avro(path).unwrap().to_owned());
            let Ok(pipeline) = flow::config::parse(text, &resolve) else { continue };
            let plan = flow::plan::plan(&pipeline);
            let names = Names::new(&pipeline, &plan);
            let nameless: Vec<&str> = plan.topics.iter().map(|topic| topic.name.as_str()).collect();
            let nameless = nameless.into_iter().filter(|topic| names.all().all(|(_, known)| known != *topic));
            assert_eq!(nameless.collect::<Vec<_>>(), [""; 0], "{name}");
            assert_eq!(names.topic(&pipeline.events.name), Some(pipeline.events.topic.as_str()));
        }
    }
}
