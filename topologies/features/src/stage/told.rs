//! Alerts about what the limits of an entity push out, as the alerts topic has them.

use super::incident::{Incidents, Notice};
use crate::window::Evicted;
use flow::alert::{Alert, Evidence, Severity, State};
use flow::config::{Entity, Limits, Pipeline};
use flow::processor::Stop;
use flow::public::JsonRow;
use flow::reader::Trigger;
use flow::sequencer::Position;

/// Who says so, where other incidents name their monitor.
const MONITOR: &str = "limits";

/// Tells what goes in one partition.
#[derive(Debug)]
pub(super) struct Teller {
    topic: u16,
    pipeline: String,
    entity: String,
    /// The partition of the entity's log.
    place: String,
    limits: Limits,
    pub incidents: Incidents,
}

/// What goes with the rows of a batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pushed<'a> {
    /// What had gone before.
    pub before: Evicted,
    /// Rows with which something went, each with what had gone then.
    pub rows: &'a [(usize, Evicted)],
}

impl Teller {
    /// One that writes to this topic about a partition of the entity's log. The fingerprint names the log with its
    /// generation: a rebuilt one counts from the start, and its states are no repeats.
    pub fn new(pipeline: &Pipeline, entity: &Entity, place: String, topic: u16) -> Self {
        Teller {
            topic,
            incidents: Incidents::new(format!("{}/{MONITOR}/{place}", pipeline.name)),
            pipeline: pipeline.name.clone(),
            entity: entity.name.clone(),
            place,
            limits: entity.limits,
        }
    }

    /// Takes note of rows, and gives the records that tell what is new.
    pub fn take(
        &mut self,
        rows: impl Iterator<Item = (Position, i64)>,
        pushed: Pushed<'_>,
        suppressed: bool,
    ) -> Result<Vec<JsonRow>, Stop> {
        let (mut evicted, mut gone) = (pushed.before, pushed.rows.iter().peekable());
        let mut notices = Vec::new();
        for (row, (position, time_us)) in rows.enumerate() {
            let went = gone.next_if(|(at, _)| *at == row);
            evicted = went.map_or(evicted, |(_, so_far)| *so_far);
            let tell = |notice| notices.push((position, notice, evicted));
            self.incidents.row(time_us, went.is_some(), tell);
        }
        if suppressed {
            return Ok(Vec::new());
        }
        // Outputs to this topic count by themselves.
        let mut last = Trigger::NONE;
        let record = |(position, notice, evicted): (Position, Notice, Evicted)| {
            last = last.next(position.offset, position.item);
            let alert = self.alert(notice, evicted);
            JsonRow::new(self.topic, (&alert.incident, alert.id()), last, &alert)
        };
        notices.into_iter().map(record).collect()
    }

    fn alert(&self, notice: Notice, evicted: Evicted) -> Alert {
        let Teller { pipeline, entity, place, .. } = self;
        let Notice { incident, revision, state, is_left, opened_us, time_us } = notice;
        let is_over = state == State::Resolved;
        let Evicted { keys, entries } = evicted;
        let title = match (is_over, is_left) {
            (false, _) => format!("limits of {entity} are reached: {keys} keys forgotten so far in {place}"),
            (true, false) => format!("limits of {entity} are no longer reached: {keys} keys forgotten in {place}"),
            (true, true) => format!("limits of {entity} were reached in a log that has been repartitioned"),
        };
        let cause = match (is_over, is_left) {
            (false, _) => self.cause(),
            (true, false) => "in an hour of event time nothing was forgotten".to_owned(),
            (true, true) => format!("the partition is no more; what is forgotten now is told of {place} and others"),
        };
        let counted = |count: u64, what: &str| Evidence {
            subject: format!("{entity}.{what}"),
            observation: format!("{count} {what} forgotten so far in {place}"),
            value: Some(count as f64),
            limit: None,
        };
        Alert {
            incident,
            revision,
            state,
            severity: if is_over { Severity::Info } else { Severity::Warning },
            title,
            cause,
            evidence: if is_left { Vec::new() } else { vec![counted(keys, "keys"), counted(entries, "entries")] },
            opened_time: opened_us,
            updated_time: time_us,
            pipeline: pipeline.clone(),
            monitor: MONITOR.to_owned(),
            model: None,
            model_digest: None,
        }
    }

    fn cause(&self) -> String {
        let keys = self.limits.keys.map(|keys| format!("{keys} keys"));
        let bytes = self.limits.bytes.map(|bytes| format!("{bytes} bytes"));
        let most: Vec<String> = keys.into_iter().chain(bytes).collect();
        format!(
            "there is more to remember than the limits allow ({} in all partitions); the keys that were quiet longest are forgotten, and begin with nothing when they come again",
            most.join(" and ")
        )
    }
}
