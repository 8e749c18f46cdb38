//! What the demo prints: a line per thing that happens, read from the public topics as any subscriber would.

use std::time::Duration;

use runtime::log::{Session, SessionOptions};
use schemas::registry::SchemaRegistry;
use serde_json::{Value, json};
use trainer::First;

use crate::environment::Environment;
use crate::error::Error;
use crate::output::Output;
use gateway::decode::Values;

/// A subscriber to predictions, drift, alerts, requests and models.
pub struct Show {
    session: Box<dyn Session>,
    values: Values,
    output: Output,
    names: flow::plan::Names,
    predictions: u64,
    alerts: u64,
    best: f64,
    model: String,
    first: Option<String>,
    switched: bool,
}

impl Show {
    /// Subscribes from the ends of the topics on.
    pub fn open(environment: &Environment, output: Output) -> Result<Self, Error> {
        let context = &environment.context;
        let names = context.plan.names.clone();
        let mut positions = Vec::new();
        for topic in [&names.predictions, &names.drift, &names.alerts, &names.retraining, &names.models] {
            positions.extend(context.bounds(topic)?.into_iter().map(|(tp, _, end)| (tp, end)));
        }
        let session = context.log.session(SessionOptions::assigned("tidemill.demo.show", positions))?;
        let (values, model) = (Values::default(), String::new());
        Ok(Show {
            session,
            values,
            output,
            names,
            predictions: 0,
            alerts: 0,
            best: 0.0,
            model,
            first: None,
            switched: false,
        })
    }

    /// A line of the script.
    pub fn say(&mut self, line: &str) -> Result<(), Error> {
        self.output.show(|| format!("-- {line}"), || json!({ "demo": line }))
    }

    /// The first model.
    pub fn trained(&mut self, first: &First) -> Result<(), Error> {
        let metric = |name: &str| first.candidate.model.manifest().metrics.get(name).map(|metric| metric.value);
        let shown =
            ["roc_auc", "average_precision"].map(|name| metric(name).map_or("-".into(), |value| format!("{value:.3}")));
        let line = format!(
            "model {}@{} trained on {} transactions ({} frauds) and promoted by fence {}: AUC {}, average precision {}",
            first.published.name,
            first.published.version,
            first.rows,
            first.positives,
            first.promotion.number,
            shown[0],
            shown[1]
        );
        self.say(&line)
    }

    /// Prints what came since the last look.
    pub fn look(&mut self, schemas: &dyn SchemaRegistry) -> Result<(), Error> {
        let poll = self.session.poll(Duration::ZERO)?;
        for (tp, records) in poll.records {
            for value in self.values.decode(schemas, &records)? {
                self.happened(&tp.topic, &value)?;
            }
        }
        Ok(())
    }

    fn happened(&mut self, topic: &str, value: &Value) -> Result<(), Error> {
        let text = |name: &str| value[name].as_str().map_or_else(|| value[name].to_string(), str::to_owned);
        if topic == self.names.predictions {
            return self.predicted(value);
        }
        let line = if topic == self.names.drift {
            format!(
                "drift report {} to {}: {} ({} events)",
                text("window_start"),
                text("window_end"),
                text("level"),
                text("events")
            )
        } else if topic == self.names.alerts {
            format!("incident {} {}: {}", text("state"), text("severity"), text("title"))
        } else if topic == self.names.retraining {
            format!("retraining {}: {}", text("state"), text("reason"))
        } else {
            format!("model {}@{} {}", text("model"), text("version"), text("standing"))
        };
        self.output.show(|| format!("   {line}"), || json!({ "topic": topic, "value": value }))
    }

    fn predicted(&mut self, value: &Value) -> Result<(), Error> {
        self.predictions += 1;
        self.alerts += u64::from(value["decision"] == true);
        self.best = self.best.max(value["score"].as_f64().unwrap_or_default());
        let model = value["model"].as_str().unwrap_or_default();
        if model == self.model {
            return Ok(());
        }
        self.model = model.to_owned();
        self.switched |= self.first.as_ref().is_some_and(|first| first != model);
        self.first.get_or_insert_with(|| model.to_owned());
        let line = format!("model {model} scores from transaction {} on", value["event_id"]);
        self.say(&line)
    }

    /// Sums up a live day.
    pub fn day(&mut self, day: u32) -> Result<(), Error> {
        let line = format!(
            "live day {day}: {} predictions, {} alerts, highest score {:.3}",
            self.predictions, self.alerts, self.best
        );
        (self.predictions, self.alerts, self.best) = (0, 0, 0.0);
        self.say(&line)
    }

    /// Whether another model than the first one has scored.
    pub fn switched(&self) -> bool {
        self.switched
    }
}
