//! Step two as a task: sketches in, drift reports, incidents and retraining requests out, bytes to bytes.

use crate::judge::{Judge, Verdict};
use crate::sketch::Sketches;
use flow::alert::Alert;
use flow::names::{Names, Place};
use flow::outputs::Outputs;
use flow::processor::{InRecord, OutRecord, Stop, Task};
use flow::public::{JsonRow, JsonSink};
use flow::reader::Trigger;
use flow::snapshot::State;
use flow::state::TaskState;
use flow::task::SchemaSource;
use schemas::codec::Decoder;
use schemas::contracts;
use schemas::framing::split;
use serde::Serialize;
use std::sync::Arc;

/// The topics a judge writes, by name number, each with the registry id of its schema.
#[derive(Debug, Clone, Copy)]
pub struct Topics {
    /// Drift reports.
    pub drift: (u16, u32),
    /// Incidents.
    pub alerts: (u16, u32),
    /// Retraining requests; none where the pipeline never asks for one.
    pub retraining: Option<(u16, u32)>,
}

/// The second step of all monitors of a pipeline, over the one partition of the sketches topic.
pub struct JudgeTask {
    own: Place,
    names: Arc<Names>,
    schemas: Arc<dyn SchemaSource>,
    decoder: Decoder,
    pub(crate) judges: Vec<Judge>,
    drift: Target,
    alerts: Target,
    retraining: Option<Target>,
    source: String,
    pub(crate) digest: String,
    pub(crate) taken: u64,
    /// The next offset to read.
    pub(crate) next: i64,
}

/// A topic and how its records are written.
struct Target {
    topic: u16,
    sink: JsonSink,
}

impl Target {
    fn new((topic, id): (u16, u32), path: &str) -> Result<Self, Stop> {
        Ok(Target { topic, sink: JsonSink::new(path, id)? })
    }
}

impl JudgeTask {
    /// A task at its topic's start. `source` names the pipeline in CloudEvents headers; `digest` is that of the feature
    /// set.
    pub fn new(
        own: Place,
        names: Arc<Names>,
        schemas: Arc<dyn SchemaSource>,
        judges: Vec<Judge>,
        topics: Topics,
        (source, digest): (&str, &str),
    ) -> Result<Self, Stop> {
        let sketches = contracts::avro(contracts::SKETCHES);
        let sketches = sketches.ok_or_else(|| Stop::Other("the schema of sketches is not built in".to_owned()))?;
        let retraining = topics.retraining.map(|topic| Target::new(topic, contracts::RETRAINING_REQUEST));
        Ok(JudgeTask {
            own,
            names,
            schemas,
            decoder: Decoder::new(sketches).map_err(flow::wire::Error::from)?,
            judges,
            drift: Target::new(topics.drift, contracts::DRIFT_REPORT)?,
            alerts: Target { topic: topics.alerts.0, sink: Alert::sink(topics.alerts.1)? },
            retraining: retraining.transpose()?,
            source: source.to_owned(),
            digest: digest.to_owned(),
            taken: 0,
            next: 0,
        })
    }

    pub(crate) fn save(&self) -> TaskState {
        let mut state = TaskState::new(&self.digest);
        state.asides.sketches = self.taken;
        state
    }

    /// The judges, for metrics.
    pub fn judges(&self) -> &[Judge] {
        &self.judges
    }

    fn decode(&mut self, record: &InRecord) -> Result<Vec<Sketches>, Stop> {
        let damaged = |detail: String| flow::wire::Error::Damaged { offset: record.offset, detail };
        let headers = record.headers.iter().map(|(name, value)| (&**name, value.as_deref()));
        let framed = split(record.value.as_deref(), headers).map_err(|reject| damaged(reject.to_string()))?;
        if !self.decoder.knows(framed.id) {
            let unknown = || damaged(format!("schema id {} is not in the registry", framed.id));
            let schema = self.schemas.schema(framed.id).ok_or_else(unknown)?;
            self.decoder.add_writer(framed.id, &schema).map_err(flow::wire::Error::from)?;
        }
        let decoded = self.decoder.decode(&[framed]);
        if let Some((_, reject)) = decoded.rejected.first() {
            return Err(damaged(reject.to_string()).into());
        }
        Sketches::from_batch(&decoded.batch).map_err(|error| damaged(error.to_string()).into())
    }

    fn write(&self, offset: i64, verdict: Verdict, out: &mut Vec<OutRecord>) -> Result<(), Stop> {
        let mut next = Trigger { offset, item: 0, index: 0 };
        for report in &verdict.reports {
            let id = format!("{}/{}/{}", report.monitor, report.model, report.window_start);
            self.record(&self.drift, (&report.monitor, id), report, &mut next, out)?;
        }
        for alert in &verdict.alerts {
            self.record(&self.alerts, (&alert.incident, alert.id()), alert, &mut next, out)?;
        }
        let Some(retraining) = &self.retraining else { return Ok(()) };
        for request in &verdict.requests {
            self.record(retraining, (&request.request, request.request.clone()), request, &mut next, out)?;
        }
        Ok(())
    }

    fn record(
        &self,
        target: &Target,
        name: (&str, String),
        value: &impl Serialize,
        next: &mut Trigger,
        out: &mut Vec<OutRecord>,
    ) -> Result<(), Stop> {
        let row = JsonRow::new(target.topic, name, *next, value)?;
        next.index += 1;
        out.push(target.sink.record(&self.names, self.own, &self.source, row)?);
        Ok(())
    }
}

impl Task for JudgeTask {
    fn draft(&mut self, records: &[InRecord], suppressed: bool, out: &mut Outputs) -> Result<(), Stop> {
        for record in records {
            for sketches in self.decode(record)? {
                self.taken += 1;
                let Some(judge) = self.judges.iter_mut().find(|judge| judge.monitor() == sketches.monitor) else {
                    // A monitor that the pipeline no longer has.
                    continue;
                };
                let verdict = judge.take(sketches).map_err(Stop::Other)?;
                if !suppressed {
                    self.write(record.offset, verdict, &mut out.records)?;
                }
            }
            self.next = record.offset + 1;
        }
        Ok(())
    }

    fn metadata(&self) -> String {
        self.save().text()
    }

    fn state(&mut self) -> Option<&mut dyn State> {
        Some(self)
    }
}
