//! What becomes of items that wait no longer: outcomes, labelled events, refusals.

use super::Pairing;
use crate::pairing::{Event, Known, Label, Prediction, Reason, Refused};
use flow::flaw::{Flaw, made};
use flow::ledger::{Edges, End};
use flow::names::Place;
use flow::sequencer::Position;
use schemas::key::log_partition;
use std::iter::once;

/// About how many bytes a label takes in a record.
const LABEL_BYTES: usize = 24;

impl Pairing {
    /// Writes the outcome.
    pub(super) fn outcome(
        &mut self,
        (position, id): (Position, &str),
        (event, label, prediction): (&Event, &Label, Option<Prediction>),
        revision: i32,
        edges: &mut Edges,
    ) {
        self.counts.outcomes += 1;
        let trigger = self.emitter.trigger(position);
        self.outcomes.push((trigger, id), (event, label, prediction), revision);
        edges.wrote(&[self.settings.outcomes], once(label.origin));
    }

    /// Writes the labelled event to each entity that wants it and whose key it has.
    pub(super) fn labelled(
        &mut self,
        (position, id): (Position, &str),
        event: &Event,
        label: &Label,
        edges: &mut Edges,
    ) {
        let known_us = label.known_us;
        let time_us = if made(Flaw::LabelTimeAlone) { known_us } else { known_us.max(event.time_us) };
        for target in &self.settings.targets {
            let Some(key) = event.keys.iter().nth(target.key).flatten() else { continue };
            let partition = log_partition(key, u32::from(target.partitions)) as u16;
            let place = Place { topic: target.log, partition };
            let trigger = self.emitter.trigger(position);
            edges.wrote(&[target.log], once(label.origin));
            let parts = self.emitter.item(place, trigger, label.origin, (time_us, id, key), LABEL_BYTES);
            parts.values.push(label.value);
            parts.event_time_us.push(event.time_us);
        }
    }

    /// Tells of a label that came to nothing.
    pub(super) fn refuse(&mut self, (position, id): (Position, &str), refused: Refused, edges: &mut Edges) {
        *match refused.reason {
            Reason::Conflict => &mut self.counts.conflicting,
            Reason::Superseded => &mut self.counts.superseded,
            Reason::UnknownEvent => &mut self.counts.unknown_events,
        } += 1;
        edges.ended(once((refused.label.spot(), End::Dead)));
        if let Some((topic, _)) = &self.settings.refusals {
            edges.wrote(&[*topic], once(refused.label.origin));
            self.refusals.push(self.emitter.trigger(position), id, refused);
        }
    }

    /// Forgets what the horizon has passed: events and predictions that wait have ended, and labels are told of.
    pub(super) fn forget(&mut self, position: Position, watermark_us: i64, edges: &mut Edges) {
        let (mut labels, mut vain) = (Vec::new(), 0);
        self.table.forget(watermark_us, |known| {
            let label = match known {
                Known::Label(label, id, _) => {
                    labels.push((*label, id.clone()));
                    Some(label.spot())
                }
                _ => None,
            };
            vain += known.waiting().count() as u64;
            let others = known.waiting().filter(|spot| Some(*spot) != label);
            edges.ended(others.map(|spot| (spot, End::Filtered)));
        });
        self.counts.waiting -= vain;
        self.counts.forgotten += vain;
        self.counts.labels_waiting -= labels.len() as u64;
        // The table gives them in no order of its own.
        labels.sort_by_key(|(label, _)| (label.known_us, label.origin));
        for (label, id) in labels {
            let refused = Refused { label, reason: Reason::UnknownEvent, standing: None };
            self.refuse((position, &id), refused, edges);
        }
    }
}
