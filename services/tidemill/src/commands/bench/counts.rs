//! Whether everything that went in came out: read from the topics as any subscriber would, after the run. A
//! figure is only told when nothing is missing.

use std::time::Duration;

use flow::plan::Names;
use flow::public::ORIGIN_HEADER;
use runtime::context::Context;
use runtime::log::{Record, SessionOptions};
use serde_json::{Value, json};

use crate::error::Error;

/// A topic that gives nothing for so long is read to its end.
const SILENCE: Duration = Duration::from_secs(3);

/// What was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Events.
    pub events: u64,
    /// Labels.
    pub labels: u64,
}

impl Sent {
    /// What came after `earlier`.
    pub fn since(self, earlier: Self) -> Self {
        Sent { events: self.events.saturating_sub(earlier.events), labels: self.labels.saturating_sub(earlier.labels) }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// What was published.
    pub sent: Sent,
    /// Events with a prediction.
    pub predictions: u64,
    /// Predictions of events that had one.
    pub repeated: u64,
    /// Events that are dead letters or late.
    pub events_refused: u64,
    /// Labels that are dead letters or late.
    pub labels_refused: u64,
    /// Labels that found their event.
    pub outcomes: u64,
    /// When the first accepted event and the last prediction were appended.
    pub worked_ms: (i64, i64),
}

/// Events that wait for their prediction, by partition and offset.
#[derive(Default)]
struct Unpredicted {
    events: Vec<Vec<bool>>,
}

/// Counts a finished run.
pub fn count(context: &Context, sent: Sent) -> Result<Counts, Error> {
    let names = &context.plan.names;
    let mut unpredicted = Unpredicted::default();
    read(context, &names.events, |partition, record| unpredicted.event(partition, record))?;
    let mut counts = Counts {
        sent,
        predictions: 0,
        repeated: 0,
        events_refused: refused(context, &names.events)?,
        labels_refused: names.labels.as_ref().map_or(Ok(0), |labels| refused(context, labels))?,
        outcomes: 0,
        worked_ms: (i64::MAX, i64::MIN),
    };
    // Offsets would count the ends of transactions, too.
    read(context, &names.outcomes, |_, _| counts.outcomes += 1)?;
    let (begun_ms, ended_ms) = &mut counts.worked_ms;
    read(context, names.first_log(), |_, record| {
        // Before events come, `apply` has written the fence at the head of the log.
        if record.offset > 0 {
            *begun_ms = record.append_time_ms.min(*begun_ms);
        }
    })?;
    read(context, &names.predictions, |_, record| {
        *ended_ms = record.append_time_ms.max(*ended_ms);
        let origin = record.header(ORIGIN_HEADER).and_then(|header| header.text()).and_then(origin);
        match origin.is_some_and(|(partition, offset)| unpredicted.predicted(partition, offset)) {
            true => counts.predictions += 1,
            false => counts.repeated += 1,
        }
    })?;
    Ok(counts)
}

impl Counts {
    /// Fails when something is missing or too much.
    pub fn check(&self) -> Result<(), Error> {
        let Counts {
            sent: Sent { events, labels },
            predictions,
            repeated,
            events_refused,
            labels_refused,
            outcomes,
            ..
        } = *self;
        if predictions + events_refused != events || repeated > 0 {
            return Err(Error::Failed(format!(
                "{events} events went in, {predictions} came out as predictions and {events_refused} as dead letters or late; {repeated} predictions are repeats; ids that occur twice are dropped, all else was lost: no figure is told"
            )));
        }
        // The label of an event that was refused finds nothing.
        let unmatched = labels.saturating_sub(outcomes).saturating_sub(labels_refused);
        if outcomes > labels || unmatched > events_refused {
            return Err(Error::Failed(format!(
                "{labels} labels went in, {outcomes} came out as outcomes and {labels_refused} as dead letters or late: no figure is told"
            )));
        }
        Ok(())
    }

    /// Predictions per second, from the first accepted event to the last prediction.
    pub fn per_second(&self) -> f64 {
        let (begun_ms, ended_ms) = self.worked_ms;
        self.predictions as f64 * 1e3 / ended_ms.saturating_sub(begun_ms).max(1) as f64
    }

    /// For people.
    pub fn text(&self) -> String {
        let Counts { sent: Sent { events, labels }, predictions, events_refused, outcomes, .. } = self;
        let refused = match events_refused {
            0 => String::new(),
            refused => format!(", {refused} refused"),
        };
        format!(
            "{events} events in, {predictions} predictions out{refused}; {labels} labels in, {outcomes} outcomes out"
        )
    }

    /// For programs.
    pub fn value(&self) -> Value {
        json!({
            "events": self.sent.events,
            "labels": self.sent.labels,
            "predictions": self.predictions,
            "events_refused": self.events_refused,
            "labels_refused": self.labels_refused,
            "outcomes": self.outcomes,
        })
    }
}

impl Unpredicted {
    fn event(&mut self, partition: usize, record: &Record) {
        if self.events.len() <= partition {
            self.events.resize_with(partition + 1, Vec::new);
        }
        let offset = usize::try_from(record.offset).unwrap_or_default();
        let events = &mut self.events[partition];
        if events.len() <= offset {
            events.resize(offset + 1, false);
        }
        events[offset] = true;
    }

    /// Takes an event away; false if it was predicted before or is none.
    fn predicted(&mut self, partition: usize, offset: usize) -> bool {
        let event = self.events.get_mut(partition).and_then(|events| events.get_mut(offset));
        event.is_some_and(std::mem::take)
    }
}

/// Partition and offset out of `topic/partition@offset`.
pub fn origin(text: &str) -> Option<(usize, usize)> {
    let (place, offset) = text.rsplit_once('@')?;
    let (_, partition) = place.rsplit_once('/')?;
    Some((partition.parse().ok()?, offset.parse().ok()?))
}

fn refused(context: &Context, topic: &str) -> Result<u64, Error> {
    Ok(records(context, &Names::dead_letters(topic))? + records(context, &Names::late(topic))?)
}

/// How many records a topic has.
pub fn records(context: &Context, topic: &str) -> Result<u64, Error> {
    Ok(context.bounds(topic)?.into_iter().map(|(_, start, end)| (end - start).unsigned_abs()).sum())
}

/// Reads a topic from start to end.
fn read(context: &Context, topic: &str, mut each: impl FnMut(usize, &Record)) -> Result<(), Error> {
    let (mut starts, mut ends) = (Vec::new(), Vec::new());
    for (tp, start, end) in context.bounds(topic)? {
        starts.push((tp, start));
        ends.push((start, end));
    }
    let mut session = context.log.session(SessionOptions::assigned("tidemill.bench.count", starts))?;
    while ends.iter().any(|(next, end)| next < end) {
        let poll = session.poll(SILENCE)?;
        // Assignments come first and alone; a transaction's end is an offset without a record.
        if poll.records.is_empty() && poll.assigned.is_empty() {
            break;
        }
        for (tp, records) in &poll.records {
            let partition = usize::try_from(tp.partition).unwrap_or_default();
            records.iter().for_each(|record| each(partition, record));
            if let (Some(last), Some((next, _))) = (records.last(), ends.get_mut(partition)) {
                *next = last.offset + 1;
            }
        }
    }
    Ok(session.close()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(predictions: u64, refused: u64, outcomes: u64) -> Counts {
        let sent = Sent { events: 10, labels: 10 };
        let (events_refused, labels_refused) = (refused, 0);
        Counts { sent, predictions, repeated: 0, events_refused, labels_refused, outcomes, worked_ms: (0, 1) }
    }

    #[test]
    fn a_figure_is_told_only_when_nothing_is_missing() {
        assert!(counts(10, 0, 10).check().is_ok());
        assert!(counts(8, 2, 8).check().is_ok(), "what was refused is told, not lost");
        assert!(counts(9, 0, 10).check().is_err());
        assert!(counts(10, 0, 9).check().is_err());
        assert!(counts(10, 0, 11).check().is_err());
        assert!(Counts { repeated: 1, ..counts(10, 0, 10) }.check().is_err());
    }

    #[test]
    fn origins_are_read_as_they_are_written() {
        assert_eq!(origin("a.events.v1/3@17"), Some((3, 17)));
        assert_eq!(origin("a.events.v1"), None);
    }

    #[test]
    fn an_event_is_predicted_once() {
        let mut events = Unpredicted { events: vec![vec![true, false]] };
        assert_eq!(
            [(0, 0), (0, 0), (0, 1), (1, 0)].map(|(p, at)| events.predicted(p, at)),
            [true, false, false, false]
        );
    }
}
