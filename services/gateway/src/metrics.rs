//! The metrics page: what the services of this process counted, what the gateway took, and how far each group is behind.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Meter, MeterProvider};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};
use runtime::context::Context;
use runtime::log::{self, TopicPartition};
use runtime::shell::{Count, Stats};
use tracing::debug;

use crate::Error;
use crate::answer::{Answer, Problem, blocking};
use crate::state::Shared;

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

impl Metrics {
    /// Instruments of this pipeline and these services.
    pub fn new(context: &Context, stats: Vec<Arc<Stats>>) -> Result<Self, Error> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .without_target_info()
            .scope_info_enabled(false)
            .build()
            .map_err(|error| Error::Metrics { detail: error.to_string() })?;
        let provider = SdkMeterProvider::builder().with_reader(exporter).build();
        let meter = provider.meter("tidemill");
        services(&meter, &stats);
        labels(&meter, stats.clone());
        failures(&meter, stats);
        lag(&meter, context.clone());
        build_info(&meter, &context.pipeline.name);
        let records =
            meter.u64_counter("tidemill_gateway_records").with_description("Records sent to the gateway").build();
        let unknown = meter.u64_counter("tidemill_gateway_unknown_categories");
        let unknown = unknown.with_description("Categories in requests that the model does not know, by input").build();
        let metrics = Metrics { registry, records, unknown, _provider: provider };
        metrics.accepted(0);
        metrics.rejected(0);
        Ok(metrics)
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
fn services(meter: &Meter, stats: &[Arc<Stats>]) {
    for (at, Count { name, what, .. }) in Stats::default().counts().into_iter().enumerate() {
        let stats = stats.to_vec();
        let values = move || -> Vec<(u64, [KeyValue; 1])> {
            let one =
                |stats: &Arc<Stats>| (stats.counts()[at].value, [KeyValue::new("service", stats.name().to_owned())]);
            stats.iter().map(one).collect()
        };
        let full = format!("tidemill_{name}");
        if FALLING.contains(&name) {
            let gauge = meter.u64_observable_gauge(full).with_description(what);
            gauge
                .with_callback(move |seen| values().iter().for_each(|(value, labels)| seen.observe(*value, labels)))
                .build();
        } else {
            let counter = meter.u64_observable_counter(full).with_description(what);
            counter
                .with_callback(move |seen| values().iter().for_each(|(value, labels)| seen.observe(*value, labels)))
                .build();
        }
    }
}

/// What became of labels. Tasks keep their counts in their state, and take them along when they move to another process.
fn labels(meter: &Meter, stats: Vec<Arc<Stats>>) {
    let gauge = meter.u64_observable_gauge("tidemill_labels");
    let gauge = gauge.with_description("Labels by what became of them, since the journal's log began");
    let observe = move |seen: &dyn opentelemetry::metrics::AsyncInstrument<u64>| {
        for (outcome, labels) in stats.iter().flat_map(|stats| stats.labels()) {
            seen.observe(labels, &[KeyValue::new("outcome", outcome)]);
        }
    };
    gauge.with_callback(observe).build();
}

/// What the validator rejected by code, let pass by rule, and imputed by field.
fn failures(meter: &Meter, stats: Vec<Arc<Stats>>) {
    let counter = meter.u64_observable_counter("tidemill_failed_records");
    let counter = counter.with_description("Records that failed a check, by what became of them and what they failed");
    let observe = move |seen: &dyn opentelemetry::metrics::AsyncInstrument<u64>| {
        for ((outcome, reason), records) in stats.iter().flat_map(|stats| stats.failures()) {
            let labels = [KeyValue::new("outcome", outcome), KeyValue::new("reason", reason.to_string())];
            seen.observe(records, &labels);
        }
    };
    counter.with_callback(observe).build();
}

/// Records that each group has not committed yet, by partition. A log that does not answer leaves its series out.
fn lag(meter: &Meter, context: Context) {
    let gauge = meter.i64_observable_gauge("tidemill_lag_records");
    let gauge = gauge.with_description("Records between a group's commit and the partition's end");
    let observe = move |seen: &dyn opentelemetry::metrics::AsyncInstrument<i64>| {
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
    };
    gauge.with_callback(observe).build();
}

fn behind(context: &Context, group: &str, topic: &str) -> log::Result<Vec<(i32, i64)>> {
    let partitions = context.log.partitions(topic)?.unwrap_or(0);
    let tps: Vec<_> = (0..partitions).map(|partition| TopicPartition::new(topic, partition)).collect();
    let committed = context.log.committed(group, &tps)?;
    let lag = |(tp, committed): (&TopicPartition, Option<log::Committed>)| {
        let (start, end) = context.log.watermarks(tp)?;
        // What retention deleted before it was read is not waited for.
        let next = committed.map_or(start, |committed| committed.offset.max(start));
        Ok((tp.partition, (end - next).max(0)))
    };
    tps.iter().zip(committed).map(lag).collect()
}

fn build_info(meter: &Meter, pipeline: &str) {
    let labels = [KeyValue::new("version", env!("CARGO_PKG_VERSION")), KeyValue::new("pipeline", pipeline.to_owned())];
    let gauge = meter.u64_observable_gauge("tidemill_build_info").with_description("The release that runs, always 1");
    gauge.with_callback(move |seen| seen.observe(1, &labels)).build();
}
