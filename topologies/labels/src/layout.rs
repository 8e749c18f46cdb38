//! Where the journal's items keep what it reads. All items of one task have the reader's schema, so positions are looked
//! up once.

use crate::keys::Keys;
use crate::pairing::{Event, Input, Label};
use crate::predictions::{PredictionColumns, Routes};
use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float64Type};
use flow::items::Items;
use flow::processor::Stop;
use schemas::key::key_text;
use xxhash_rust::xxh3::xxh3_64;

/// Positions of parts and columns.
#[derive(Debug)]
pub(crate) struct Layout {
    event: usize,
    keys: Vec<usize>,
    label: Option<usize>,
    prediction: Option<(usize, PredictionColumns)>,
    /// Type of the label part, which labelled events carry on.
    pub(crate) label_type: Option<DataType>,
}

/// Scratch space for texts.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    texts: String,
    ends: Vec<Option<usize>>,
    packed: Vec<u8>,
}

impl Layout {
    /// Looks the positions up.
    pub(crate) fn of(items: &Items, keys: &[String], classes: &[String]) -> Result<Self, Stop> {
        let missing = |what: &str| Stop::Other(format!("the journal's items have no {what}; run `tidemill apply`"));
        let columns = items.columns();
        let position = |name: &str| columns.fields().iter().position(|field| field.name() == name);
        let part = |at: usize| columns.column(at).as_struct();
        let event = position("event").ok_or_else(|| missing("event part"))?;
        let column = |key: &String| {
            let found = part(event).fields().iter().position(|field| field.name() == key);
            found.ok_or_else(|| missing(&format!("event column {key}")))
        };
        let keys = keys.iter().map(column).collect::<Result<_, _>>()?;
        let label = position("label");
        let label_type = label.map(|at| columns.column(at).data_type().clone());
        let prediction = match position("prediction") {
            Some(at) => {
                let found = PredictionColumns::of(part(at).fields(), classes);
                Some((at, found.map_err(|name| missing(&name))?))
            }
            None => None,
        };
        Ok(Layout { event, keys, label, prediction, label_type })
    }

    /// Reads an item.
    pub(crate) fn read(&self, items: &Items, row: usize, routes: &mut Routes, scratch: &mut Scratch) -> Input {
        let columns = items.columns();
        let time_us = items.envelope().time_us[row];
        if let Some((at, prediction)) = &self.prediction
            && columns.column(*at).is_valid(row)
        {
            return Input::Prediction(prediction.read(
                columns.column(*at).as_struct(),
                row,
                (time_us, items.spot(row)),
                routes,
            ));
        }
        if let Some(label) = self.label.map(|at| columns.column(at)).filter(|label| label.is_valid(row)) {
            let value = label.as_struct().column(0).as_primitive::<Float64Type>().value(row);
            return Input::Label(Label { known_us: time_us, confirmed_us: time_us, value, origin: items.origin(row) });
        }
        Input::Event(self.event(items, row, time_us, scratch))
    }

    fn event(&self, items: &Items, row: usize, time_us: i64, scratch: &mut Scratch) -> Event {
        let event = items.columns().column(self.event).as_struct();
        let Scratch { texts, ends, packed } = scratch;
        texts.clear();
        ends.clear();
        for at in &self.keys {
            let known = key_text(event.column(*at).as_ref(), row, texts);
            ends.push(known.map(|()| texts.len()));
        }
        let mut start = 0;
        let keys = ends.iter().map(|end| {
            let key = end.map(|end| &texts[start..end]);
            start = end.unwrap_or(start);
            key
        });
        let keys = Keys::pack(keys, packed);
        // What was packed is still in the buffer.
        packed.extend_from_slice(&time_us.to_le_bytes());
        Event { time_us, fingerprint: xxh3_64(packed), keys, spot: items.spot(row) }
    }
}
