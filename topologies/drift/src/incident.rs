//! The incident of one monitor: opens with an alarm, goes on while any statistic is at least a warning, and ends with the
//! first full window below that, or when its model no longer scores.

use crate::report::{DriftReport, Level, label};
use flow::alert::{Alert, Evidence, Severity, State};
use flow::fence::ModelRef;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Digits of a digest that are enough to tell digests apart in a fingerprint.
const DIGEST_DIGITS: usize = 12;

/// An incident that is open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its fingerprint: pipeline, monitor, model and feature set.
    pub fingerprint: String,
    /// The model it is about.
    pub model: ModelRef,
    /// Event time at which it began.
    pub opened_us: i64,
}

/// The incidents of one monitor; at most one is open.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Incidents {
    open: Option<Incident>,
    /// The last revision by fingerprint: the same trouble coming back goes on counting.
    revisions: BTreeMap<String, u32>,
}

impl Incidents {
    /// The open incident.
    pub fn open(&self) -> Option<&Incident> {
        self.open.as_ref()
    }

    /// Takes the report of a full window that had enough events; says what is to be published, and whether an incident
    /// began.
    pub fn take(&mut self, report: &DriftReport, model: &ModelRef) -> (Vec<Alert>, bool) {
        let mut alerts = Vec::new();
        if let Some(replaced) = self.open.take_if(|open| open.model != *model) {
            let cause = format!("{} no longer scores, {} does", label(&replaced.model), label(model));
            alerts.push(self.alert(&replaced, State::Resolved, report, cause));
        }
        let cause = cause(report);
        match (self.open.take(), report.level) {
            (None, Level::Alarm) => {
                let feature_set = &report.feature_set[..report.feature_set.len().min(DIGEST_DIGITS)];
                let fingerprint = format!("{}/{}/{}/{feature_set}", report.pipeline, report.monitor, label(model));
                let opened_us = report.window_start;
                let incident = Incident { fingerprint, model: model.clone(), opened_us };
                alerts.push(self.alert(&incident, State::Open, report, cause));
                self.open = Some(incident);
                (alerts, true)
            }
            (Some(incident), Level::Alarm | Level::Warn) => {
                alerts.push(self.alert(&incident, State::Updated, report, cause));
                self.open = Some(incident);
                (alerts, false)
            }
            (Some(incident), Level::None) => {
                alerts.push(self.alert(&incident, State::Resolved, report, cause));
                (alerts, false)
            }
            (None, Level::Warn | Level::None) => (alerts, false),
        }
    }

    fn alert(&mut self, incident: &Incident, state: State, report: &DriftReport, cause: String) -> Alert {
        let revision = self.revisions.entry(incident.fingerprint.clone()).or_insert(0);
        *revision += 1;
        let severity = match (state, report.level) {
            (State::Resolved, _) | (_, Level::None) => Severity::Info,
            (_, Level::Warn) => Severity::Warning,
            (_, Level::Alarm) => Severity::Critical,
        };
        let model = label(&incident.model);
        let title = match state {
            State::Resolved => format!("drift against {model} is over"),
            State::Open | State::Updated => format!("drift against {model}: {}", headline(report)),
        };
        // A resolved incident rests on nothing any more.
        let evidence = if state == State::Resolved { Vec::new() } else { evidence(report) };
        Alert {
            incident: incident.fingerprint.clone(),
            revision: *revision,
            state,
            severity,
            title,
            cause,
            evidence,
            opened_time: incident.opened_us,
            updated_time: report.window_end,
            pipeline: report.pipeline.clone(),
            monitor: report.monitor.clone(),
            model: Some(model),
            model_digest: Some(incident.model.digest.clone()),
        }
    }
}

/// The farthest statistic in words.
fn headline(report: &DriftReport) -> String {
    let farthest = report.statistics.iter().max_by(|left, right| left.value.total_cmp(&right.value));
    farthest.map_or_else(String::new, |farthest| {
        format!("{} {} of {}", farthest.statistic, hundredths(farthest.value), farthest.subject)
    })
}

fn cause(report: &DriftReport) -> String {
    let (scores, inputs): (Vec<_>, Vec<_>) =
        report.statistics.iter().partition(|row| row.subject == model::profile::SCORE);
    let away = inputs.iter().filter(|row| row.level > Level::None).count();
    let scores = match scores.first() {
        None => "too few scores to tell whether they did",
        Some(row) if row.level > Level::None => "so did the scores",
        Some(_) => "the scores did not",
    };
    format!("{away} of {} watched inputs moved away from what {} was trained on; {scores}", inputs.len(), report.model)
}

/// Everything at or above a warning, the farthest first.
fn evidence(report: &DriftReport) -> Vec<Evidence> {
    let mut rows: Vec<_> = report.statistics.iter().filter(|row| row.level > Level::None).collect();
    rows.sort_by(|left, right| right.value.total_cmp(&left.value));
    let words = |row: &crate::report::Statistic| Evidence {
        subject: row.subject.clone(),
        observation: format!("{} is {} over {} events", row.statistic, hundredths(row.value), row.events + row.nulls),
        value: Some(row.value),
        limit: Some(if row.level == Level::Alarm { row.alarm } else { row.warn }),
    };
    rows.into_iter().map(words).collect()
}

fn hundredths(value: f64) -> String {
    format!("{value:.2}")
}
