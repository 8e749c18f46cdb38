//! Step two: merges the sketches of all partitions once a window is complete, and judges it.

use crate::incident::Incidents;
use crate::reference::Profiles;
use crate::report::{DriftReport, Level, RetrainingRequest, Statistic, label};
use crate::saved::SavedJudge;
use crate::sketch::{Sketch, Sketches, Source};
use crate::statistic::{level, psi};
use flow::alert::Alert;
use flow::config::{Monitor, Retraining, Trigger};
use flow::fence::ModelRef;
use model::Profile;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Digits of a digest that are enough to tell digests apart in a request id.
const DIGEST_DIGITS: usize = 12;

/// What a judge needs to know.
#[derive(Debug, Clone)]
pub struct Judging {
    /// The pipeline.
    pub pipeline: String,
    /// Digest of its feature set.
    pub feature_set: String,
    /// The monitor.
    pub monitor: Monitor,
    /// When models are trained again.
    pub retraining: Option<Retraining>,
    /// Partitions of the features log.
    pub features_partitions: u16,
    /// Partitions of the journal.
    pub journal_partitions: u16,
}

/// What came of a complete window.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verdict {
    /// One report per model that scored in the window.
    pub reports: Vec<DriftReport>,
    /// States of the incident.
    pub alerts: Vec<Alert>,
    /// A wish for a new model, when an incident began.
    pub requests: Vec<RetrainingRequest>,
}

impl Verdict {
    /// Whether nothing came of it.
    pub fn is_empty(&self) -> bool {
        self.reports.is_empty() && self.alerts.is_empty() && self.requests.is_empty()
    }
}

/// Sketches of one window by version and digest of the model, then by where they come from.
type Parts = BTreeMap<(u64, String), BTreeMap<(Source, u16), Sketch>>;

/// The second step of one monitor.
pub struct Judge {
    pub(crate) judging: Judging,
    profiles: Arc<dyn Profiles>,
    known: Vec<(ModelRef, Arc<Profile>)>,
    closed_us: BTreeMap<(Source, u16), i64>,
    windows: BTreeMap<i64, Parts>,
    incidents: Incidents,
}

impl Judge {
    /// A judge that has seen nothing.
    pub fn new(judging: Judging, profiles: Arc<dyn Profiles>) -> Self {
        Judge {
            judging,
            profiles,
            known: Vec::new(),
            closed_us: BTreeMap::new(),
            windows: BTreeMap::new(),
            incidents: Incidents::default(),
        }
    }

    /// The monitor's name.
    pub fn monitor(&self) -> &str {
        &self.judging.monitor.name
    }

    /// The incidents.
    pub fn incidents(&self) -> &Incidents {
        &self.incidents
    }

    /// What it knows, references aside.
    pub(crate) fn save(&self) -> SavedJudge {
        let closed = self.closed_us.iter().map(|((source, partition), closed_us)| (*source, *partition, *closed_us));
        let sketches = |parts: &Parts| {
            let all = parts.values().flatten();
            all.map(|((source, partition), sketch)| (*source, *partition, sketch.clone())).collect()
        };
        SavedJudge {
            monitor: self.monitor().to_owned(),
            closed: closed.collect(),
            windows: self.windows.iter().map(|(start_us, parts)| (*start_us, sketches(parts))).collect(),
            incidents: self.incidents.clone(),
        }
    }

    /// Takes up what was saved.
    pub(crate) fn restore(&mut self, saved: SavedJudge) {
        let SavedJudge { closed, windows, incidents, .. } = saved;
        self.closed_us =
            closed.into_iter().map(|(source, partition, closed_us)| ((source, partition), closed_us)).collect();
        self.windows.clear();
        for (start_us, sketches) in windows {
            let parts = self.windows.entry(start_us).or_default();
            for (source, partition, sketch) in sketches {
                let model = (sketch.version, sketch.digest.clone());
                parts.entry(model).or_default().insert((source, partition), sketch);
            }
        }
        self.incidents = incidents;
    }

    /// Takes what one partition closed, and judges the windows that are complete with it. What a partition sends again
    /// after a restart is recognised by its end and changes nothing. The error says why a reference cannot be had.
    pub fn take(&mut self, sketches: Sketches) -> Result<Verdict, String> {
        let from = (sketches.source, sketches.partition);
        if self.closed_us.get(&from).is_some_and(|closed_us| sketches.closed_us <= *closed_us) {
            return Ok(Verdict::default());
        }
        self.closed_us.insert(from, sketches.closed_us);
        for sketch in sketches.windows {
            let model = (sketch.version, sketch.digest.clone());
            self.windows.entry(sketch.start_us).or_default().entry(model).or_default().insert(from, sketch);
        }
        let mut verdict = Verdict::default();
        let complete_us = self.complete_us();
        while let Some(window) = self.windows.first_entry() {
            let start_us = *window.key();
            if start_us.saturating_add(self.judging.monitor.window_us) > complete_us {
                break;
            }
            let parts = window.remove();
            self.window(start_us, parts, &mut verdict)?;
        }
        Ok(verdict)
    }

    /// Below this time every partition of both logs is complete.
    fn complete_us(&self) -> i64 {
        let Judging { features_partitions, journal_partitions, .. } = self.judging;
        let all = |source: Source, count: u16| (0..count).map(move |partition| (source, partition));
        let mut all = all(Source::Inputs, features_partitions).chain(all(Source::Scores, journal_partitions));
        all.try_fold(i64::MAX, |least, from| self.closed_us.get(&from).map(|closed_us| least.min(*closed_us)))
            .unwrap_or(i64::MIN)
    }

    fn window(&mut self, start_us: i64, parts: Parts, verdict: &mut Verdict) -> Result<(), String> {
        // Where the model changed, neither part of the window is a full one.
        let full = parts.len() == 1;
        for part in parts.into_values() {
            let Some(model) = part.values().next().map(Sketch::model_ref) else { continue };
            let profile = self.profile(&model)?;
            let report = self.report(start_us, &model, &profile, part);
            if full && report.sufficient {
                let (alerts, began) = self.incidents.take(&report, &model);
                verdict.alerts.extend(alerts);
                verdict.requests.extend(began.then(|| self.request(&report, &model)).flatten());
            }
            verdict.reports.push(report);
        }
        Ok(())
    }

    fn profile(&mut self, model: &ModelRef) -> Result<Arc<Profile>, String> {
        if let Some((_, profile)) = self.known.iter().find(|(known, _)| known == model) {
            return Ok(profile.clone());
        }
        let profile = self.profiles.profile(model);
        let profile = profile.map_err(|reason| format!("reference of model {}: {reason}", label(model)))?;
        self.known.push((model.clone(), profile.clone()));
        Ok(profile)
    }

    /// Merges the parts in partition order, inputs first, and judges them.
    fn report(
        &self,
        start_us: i64,
        model: &ModelRef,
        profile: &Profile,
        parts: BTreeMap<(Source, u16), Sketch>,
    ) -> DriftReport {
        let Judging { pipeline, feature_set, monitor, .. } = &self.judging;
        let events = |source: Source| -> u64 {
            parts.iter().filter(|((from, _), _)| *from == source).map(|(_, sketch)| sketch.events).sum()
        };
        // Both logs see every event that was scored; a monitor of few inputs may have sketches from one of them only.
        let events = events(Source::Inputs).max(events(Source::Scores));
        let sufficient = events >= monitor.min_events;
        let mut statistics = Vec::new();
        let merged = parts.into_values().reduce(|mut sum, part| {
            sum.merge(&part);
            sum
        });
        for sketch in merged.iter().filter(|_| sufficient).flat_map(|merged| &merged.columns) {
            let Some(reference) = profile.column(&sketch.name) else { continue };
            if sketch.total() < monitor.min_events {
                continue;
            }
            let value = psi(reference, sketch);
            statistics.push(Statistic {
                subject: sketch.name.clone(),
                statistic: "psi",
                value,
                warn: monitor.psi.warn,
                alarm: monitor.psi.alarm,
                level: level(value, &monitor.psi),
                events: sketch.counts.iter().sum(),
                nulls: sketch.nulls + sketch.nans,
            });
        }
        DriftReport {
            monitor: monitor.name.clone(),
            pipeline: pipeline.clone(),
            model: label(model),
            model_digest: model.digest.clone(),
            feature_set: feature_set.clone(),
            window_start: start_us,
            window_end: start_us.saturating_add(monitor.window_us),
            events,
            sufficient,
            level: statistics.iter().map(|row| row.level).max().unwrap_or(Level::None),
            statistics,
        }
    }

    /// The request that an incident's beginning makes, if the pipeline asks for it. Labels are complete up to their
    /// delay before the window's end; the newest of them are kept for the comparison with the champion.
    fn request(&self, report: &DriftReport, model: &ModelRef) -> Option<RetrainingRequest> {
        let retraining = self.judging.retraining.as_ref().filter(|rule| rule.on.contains(&Trigger::Drift))?;
        let incident = self.incidents.open()?;
        let data_to = report.window_end - retraining.label_delay_us - retraining.holdout_us;
        let digest = &model.digest[..model.digest.len().min(DIGEST_DIGITS)];
        Some(RetrainingRequest {
            request: format!("{}/{}/{digest}/{}", report.pipeline, label(model), report.window_end),
            state: "REQUESTED",
            pipeline: report.pipeline.clone(),
            model: model.name.clone(),
            reason: format!("monitor {} found drift against {}", report.monitor, report.model),
            incident: Some(incident.fingerprint.clone()),
            data_from: data_to - retraining.train_window_us,
            data_to,
            requested_time: report.window_end,
            result: None,
        })
    }
}
