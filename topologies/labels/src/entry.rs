//! What is known of an id, as bytes of a snapshot's entry.
//!
//! ```text
//! entry      := kind:u8 time_us:i64 rest
//! rest       := event prediction?                        an event that waits
//!             | label text prediction?                   a label that waits, and the id that it names
//!             | prediction                               a prediction alone
//!             | fingerprint:u64 value:f64                event and label were there
//!             | event known_us:i64 label revision:i32 prediction?    the same, where labels may correct it
//! event      := fingerprint:u64 spot text
//! label      := confirmed_us:i64 value:f64 origin
//! text       := length:u16 bytes
//! origin     := topic:u16 partition:u16 offset:i64
//! prediction := time_us:i64 score:f64 threshold:f64 decision:u8 route:u32 spot class:u8?
//! spot       := parent:u16 topic:u16 partition:u16 bucket:u32
//! ```
//!
//! Numbers are little-endian; the kind says whether there is a prediction, and whether that names a class.

use crate::keys::Keys;
use crate::pairing::{Event, Known, Label, Prediction};
use flow::ledger::Spot;
use flow::names::Place;
use flow::wire::Origin;

/// Number of the journal's part among the entries of a task.
pub(crate) const PART: u8 = 3;

const EVENT: u8 = 1;
const LABEL: u8 = 2;
const PREDICTION: u8 = 3;
const DONE: u8 = 4;
const OUTCOME: u8 = 5;
/// Added to the kind of an event, a label or an outcome that has its prediction.
const SCORED: u8 = 16;
/// Added to any kind whose prediction names a class.
const CLASSED: u8 = 32;

/// An entry's value, or that there is none. Its buffer is used again.
#[derive(Debug, Default)]
pub(crate) struct Packed(Vec<u8>);

impl Packed {
    /// No entry.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The value; no kind of entry has an empty one.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        (!self.0.is_empty()).then_some(&self.0)
    }

    /// Packs what is known.
    pub(crate) fn pack(&mut self, known: &Known) {
        let out = &mut self.0;
        out.clear();
        let scored = known.prediction();
        let kind = match known {
            Known::Event(..) => EVENT,
            Known::Label(..) => LABEL,
            Known::Prediction(_) => PREDICTION,
            Known::Done { .. } => DONE,
            Known::Outcome(..) => OUTCOME,
        };
        let scored_part = if kind != PREDICTION && scored.is_some() { SCORED } else { 0 };
        let classed_part = if scored.is_some_and(|prediction| prediction.class.is_some()) { CLASSED } else { 0 };
        out.push(kind + scored_part + classed_part);
        out.extend_from_slice(&known.time_us().to_le_bytes());
        match known {
            Known::Event(event, _) => pack_event(event, out),
            Known::Label(label, id, _) => {
                pack_label(label, out);
                pack_text(id.as_bytes(), out);
            }
            Known::Prediction(_) => {}
            Known::Done { fingerprint, value, .. } => {
                out.extend_from_slice(&fingerprint.to_le_bytes());
                out.extend_from_slice(&value.to_bits().to_le_bytes());
            }
            Known::Outcome(event, label, _, revision) => {
                pack_event(event, out);
                out.extend_from_slice(&label.known_us.to_le_bytes());
                pack_label(label, out);
                out.extend_from_slice(&revision.to_le_bytes());
            }
        }
        if let Some(prediction) = scored {
            out.extend_from_slice(&prediction.time_us.to_le_bytes());
            out.extend_from_slice(&prediction.score.to_bits().to_le_bytes());
            out.extend_from_slice(&prediction.threshold.to_bits().to_le_bytes());
            out.push(u8::from(prediction.decision));
            out.extend_from_slice(&prediction.route.to_le_bytes());
            pack_spot(prediction.spot, out);
            out.extend(prediction.class);
        }
    }
}

fn pack_event(event: &Event, out: &mut Vec<u8>) {
    out.extend_from_slice(&event.fingerprint.to_le_bytes());
    pack_spot(event.spot, out);
    pack_text(event.keys.bytes(), out);
}

/// A label but for when it became known.
fn pack_label(label: &Label, out: &mut Vec<u8>) {
    out.extend_from_slice(&label.confirmed_us.to_le_bytes());
    out.extend_from_slice(&label.value.to_bits().to_le_bytes());
    out.extend_from_slice(&label.origin.place.topic.to_le_bytes());
    out.extend_from_slice(&label.origin.place.partition.to_le_bytes());
    out.extend_from_slice(&label.origin.offset.to_le_bytes());
}

/// Keys of an event, or an id: `schemas::key::KEY_BYTES_MAX` says how long each may be.
fn pack_text(text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u16).to_le_bytes());
    out.extend_from_slice(text);
}

fn pack_spot(Spot { parent, source, bucket }: Spot, out: &mut Vec<u8>) {
    for number in [parent, source.topic, source.partition] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&bucket.to_le_bytes());
}

/// What is known, from an entry's value; none when nobody packed it.
pub(crate) fn unpack(value: &[u8]) -> Option<Known> {
    let mut reader = Reader(value);
    let [kind] = reader.take()?;
    let time_us = reader.i64()?;
    let known = match kind {
        DONE => Known::Done { time_us, fingerprint: reader.u64()?, value: f64::from_bits(reader.u64()?) },
        _ if kind % CLASSED == PREDICTION => Known::Prediction(reader.prediction(kind)?),
        _ if kind % SCORED == EVENT => Known::Event(reader.event(time_us)?, reader.scored(kind)?),
        _ if kind % SCORED == LABEL => {
            let label = reader.label(time_us)?;
            let id = std::str::from_utf8(reader.text()?).ok()?.into();
            Known::Label(label, id, reader.scored(kind)?)
        }
        _ if kind % SCORED == OUTCOME => {
            let event = reader.event(time_us)?;
            let known_us = reader.i64()?;
            let label = reader.label(known_us)?;
            let revision = reader.take().map(i32::from_le_bytes)?;
            Known::Outcome(event, label, reader.scored(kind)?, revision)
        }
        _ => return None,
    };
    reader.0.is_empty().then_some(known)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_le_bytes)
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(self.u16()?);
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(text)
    }

    fn event(&mut self, time_us: i64) -> Option<Event> {
        let (fingerprint, spot) = (self.u64()?, self.spot()?);
        Some(Event { time_us, fingerprint, keys: Keys::from_bytes(self.text()?)?, spot })
    }

    fn label(&mut self, known_us: i64) -> Option<Label> {
        let (confirmed_us, value) = (self.i64()?, f64::from_bits(self.u64()?));
        let place = Place { topic: self.u16()?, partition: self.u16()? };
        Some(Label { known_us, confirmed_us, value, origin: Origin { place, offset: self.i64()? } })
    }

    fn prediction(&mut self, kind: u8) -> Option<Prediction> {
        let time_us = self.i64()?;
        let (score, threshold) = (f64::from_bits(self.u64()?), f64::from_bits(self.u64()?));
        let [decision] = self.take()?;
        let route = self.take().map(u32::from_le_bytes)?;
        let spot = self.spot()?;
        let class = if kind < CLASSED { None } else { Some(u8::from_le_bytes(self.take()?)) };
        Some(Prediction { time_us, score, threshold, decision: decision == 1, class, route, spot })
    }

    fn spot(&mut self) -> Option<Spot> {
        let parent = self.u16()?;
        let source = Place { topic: self.u16()?, partition: self.u16()? };
        Some(Spot { parent, source, bucket: self.take().map(u32::from_le_bytes)? })
    }

    /// The prediction that the kind says is there; none of them when it is cut off.
    fn scored(&mut self, kind: u8) -> Option<Option<Prediction>> {
        if kind < SCORED { Some(None) } else { self.prediction(kind).map(Some) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(known: &Known) {
        let mut packed = Packed::default();
        packed.pack(known);
        let bytes = packed.bytes().unwrap();
        assert_eq!(unpack(bytes).as_ref(), Some(known));
        for length in 0..bytes.len() {
            assert_eq!(unpack(&bytes[..length]), None, "cut at {length}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let _ = unpack(&damaged);
        }
    }

    #[test]
    fn entries_come_back_and_damaged_ones_do_no_harm() {
        let keys = Keys::pack([Some("7"), None].into_iter(), &mut Vec::new());
        let origin = Origin { place: Place { topic: 3, partition: 1 }, offset: 77 << 16 };
        let spot = Spot::of(8, origin);
        let event = Event { time_us: -5, fingerprint: 9, keys, spot };
        let label = Label { known_us: 12, confirmed_us: 15, value: 0.5, origin };
        let prediction =
            Prediction { time_us: 4, score: 0.25, threshold: 0.5, decision: true, class: None, route: 2, spot };
        let named = Prediction { class: Some(255), ..prediction };
        check(&Known::Event(event.clone(), None));
        check(&Known::Event(event.clone(), Some(prediction)));
        check(&Known::Label(label, "é1".into(), None));
        check(&Known::Label(label, "a".into(), Some(prediction)));
        check(&Known::Prediction(prediction));
        check(&Known::Prediction(named));
        check(&Known::Event(event.clone(), Some(named)));
        check(&Known::Label(label, "a".into(), Some(named)));
        check(&Known::Outcome(event.clone(), label, Some(named), 1));
        check(&Known::Done { time_us: 3, fingerprint: 1, value: -0.5 });
        check(&Known::Outcome(event.clone(), label, None, 0));
        check(&Known::Outcome(event, label, Some(prediction), 3));
    }
}
