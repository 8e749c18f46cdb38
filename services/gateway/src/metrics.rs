//! The metrics page: what the services of this process counted, what the gateway took, and how far each group is behind.

mod instruments;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, MeterProvider};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};
use runtime::context::Context;
use runtime::log::{self, TopicPartition};
use runtime::shell::{Count, Stats};
use tracing::debug;

use crate::Error;
use crate::answer::{Answer, Problem, blocking};
use crate::state::Shared;

use instruments::{Instruments, Seen};
pub use instruments::{Kind, Metric};

/// The values of a shell that may fall.
const FALLING: [&str; 3] = ["partitions", "delay_ms", "held_records"];
/// Content type of Prometheus's text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The instruments, and where they are read.
pub(crate) struct Metrics {
    registry: Registry,
    records: Counter<u64>,
    unknown: Counter<u64>,
    /// Instruments with callbacks live as long as their provider.
    _provider: SdkMeterProvider,
}

/// Every metric that the gateway of a pipeline tells, also those of which nothing was counted yet, by name.
pub fn described(context: &Context) -> Result<Vec<Metric>, Error> {
    let (_, mut all) = Metrics::made(context, Vec::new())?;
    all.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(all)
}

impl Metrics {
    /// Instruments of this pipeline and these services.
    pub fn new(context: &Context, stats: Vec<Arc<Stats>>) -> Result<Self, Error> {
        let (metrics, _) = Self::made(context, stats)?;
        metrics.accepted(0);
        metrics.rejected(0);
        Ok(metrics)
    }

    fn made(context: &Context, stats: Vec<Arc<Stats>>) -> Result<(Self, Vec<Metric>), Error> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .without_target_info()
            .scope_info_enabled(false)
            .build()
            .map_err(|error| Error::Metrics { detail: error.to_string() })?;
        let provider = SdkMeterProvider::builder().with_reader(exporter).build();
        let mut make = Instruments::of(provider.meter("tidemill"));
        services(&mut make, &stats);
        labels(&mut make, stats.clone());
        failures(&mut make, stats);
        lag(&mut make, context.clone());
        build_info(&mut make, &context.pipeline.name);
        let records = make.counter("tidemill_gateway_records", &["outcome"], "Records sent to the gateway");
        let unknown = make.counter(
            "tidemill_gateway_unknown_categories",
            &["input", "model"],
            "Categories in requests that the model does not know, by input",
        );
        Ok((Metrics { registry, records, unknown, _provider: provider }, make.made()))
    }

    /// Counts records that were published.
    pub fn accepted(&self, count: usize) {
        self.records.add(count as u64, &[KeyValue::new("outcome", "accepted")]);
    }

    /// Counts records that were refused.
    pub fn rejected(&self, count: usize) {
        self.records.add(count as u64, &[KeyValue::new("outcome", "rejected")]);
    }

    /// Counts categories that a model does not know.
    pub fn unknown(&self, model: &str, counts: &BTreeMap<String, u64>) {
        for (input, count) in counts {
            let labels = [KeyValue::new("model", model.to_owned()), KeyValue::new("input", input.clone())];
            self.unknown.add(*count, &labels);
        }
    }

    /// The page; asks the log for positions.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// `GET /metrics`.
pub(crate) async fn page(State(state): Shared) -> Answer<impl IntoResponse> {
    let text = blocking(move || state.metrics.text().map_err(Problem::ours)).await?;
    Ok(([(header::CONTENT_TYPE, TEXT)], text))
}

/// One instrument per value that shells count, one series per service.
fn services(make: &mut Instruments, stats: &[Arc<Stats>]) {
    for (at, Count { name, what, .. }) in Stats::default().counts().into_iter().enumerate() {
        let stats = stats.to_vec();
        let kind = if FALLING.contains(&name) { Kind::Gauge } else { Kind::Counter };
        make.observed((&format!("tidemill_{name}"), kind), &["service"], what, move |seen| {
            for stats in &stats {
                seen.observe(stats.counts()[at].value, &[KeyValue::new("service", stats.name().to_owned())]);
            }
        });
    }
}

/// What became of labels. Tasks keep their counts in their state, and take them along when they move to another process.
fn labels(make: &mut Instruments, stats: Vec<Arc<Stats>>) {
    let what = "Labels by what became of them, since the journal's log began";
    make.observed(("tidemill_labels", Kind::Gauge), &["outcome"], what, move |seen| {
        for (outcome, labels) in stats.iter().flat_map(|stats| stats.labels()) {
            seen.observe(labels, &[KeyValue::new("outcome", outcome)]);
        }
    });
}

/// What the validator rejected by code, let pass by rule, and imputed by field.
fn failures(make: &mut Instruments, stats: Vec<Arc<Stats>>) {
    let what = "Records that failed a check, by what became of them and what they failed";
    make.observed(("tidemill_failed_records", Kind::Counter), &["outcome", "reason"], what, move |seen| {
        for ((outcome, reason), records) in stats.iter().flat_map(|stats| stats.failures()) {
            let labels = [KeyValue::new("outcome", outcome), KeyValue::new("reason", reason.to_string())];
            seen.observe(records, &labels);
        }
    });
}

/// Records that each group has not committed yet, by partition. A log that does not answer leaves its series out.
fn lag(make: &mut Instruments, context: Context) {
    let what = "Records between a group's commit and the partition's end";
    let labels = &["group", "partition", "topic"];
    make.observed(("tidemill_lag_records", Kind::Gauge), labels, what, move |seen| {
        for task in &context.plan.tasks {
            for topic in &task.reads {
                match behind(&context, &task.group_id, topic) {
                    Ok(lags) => lags.iter().for_each(|(partition, lag)| {
                        let labels = [
                            KeyValue::new("group", task.group_id.clone()),
                            KeyValue::new("topic", topic.clone()),
                            KeyValue::new("partition", i64::from(*partition)),
                        ];
                        seen.observe(*lag, &labels);
                    }),
                    Err(error) => debug!(%error, group = task.group_id, topic, "no lag"),
                }
            }
        }
    });
}

fn behind(context: &Context, group: &str, topic: &str) -> log::Result<Vec<(i32, u64)>> {
    let partitions = context.log.partitions(topic)?.unwrap_or(0);
    let tps: Vec<_> = (0..partitions).map(|partition| TopicPartition::new(topic, partition)).collect();
    let committed = context.log.committed(group, &tps)?;
    let lag = |(tp, committed): (&TopicPartition, Option<log::Committed>)| {
        let (start, end) = context.log.watermarks(tp)?;
        // What retention deleted before it was read is not waited for.
        let next = committed.map_or(start, |committed| committed.offset.max(start));
        Ok((tp.partition, u64::try_from(end - next).unwrap_or(0)))
    };
    tps.iter().zip(committed).map(lag).collect()
}

fn build_info(make: &mut Instruments, pipeline: &str) {
    let labels = [KeyValue::new("version", env!("CARGO_PKG_VERSION")), KeyValue::new("pipeline", pipeline.to_owned())];
    let what = "The release that runs, always 1";
    let shown = move |seen: Seen<'_>| seen.observe(1, &labels);
    make.observed(("tidemill_build_info", Kind::Gauge), &["pipeline", "version"], what, shown);
}
