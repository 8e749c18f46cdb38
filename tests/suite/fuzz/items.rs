//! Records of internal logs: whatever they hold, they are read or refused, and all of an item can be looked at.

use super::seeds::{context, split};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use flow::items::Items;
use flow::names::Place;
use flow::sequencer::{Sequencer, Step};
use flow::wire::{LogReader, Raw};
use runtime::context::Context;
use schemas::codec::Framed;

/// Readers of the first stage's log and of the journal's.
pub struct Target {
    context: Context,
    logs: Vec<(Place, LogReader)>,
}

impl Target {
    pub fn new() -> Self {
        let context = context();
        let names = [context.plan.names.first_log().to_owned(), context.plan.names.journal_log.clone()];
        let reader = |name: String| {
            let mut reader = context.reader(&name).unwrap();
            reader.add_writer(1, &context.schema(&name).unwrap()).unwrap();
            (Place { topic: context.number(&name).unwrap(), partition: 0 }, reader)
        };
        let logs = names.map(reader).into();
        Target { context, logs }
    }

    /// The first byte says which log it is, and whether items wait for marks; records follow.
    pub fn answer(&mut self, bytes: &[u8]) -> String {
        let Some((kind, rest)) = bytes.split_first() else { return "nothing".to_owned() };
        let (own, reader) = &mut self.logs[usize::from(kind & 1)];
        let mut sequencer = Sequencer::new(*own, self.context.names.clone(), kind & 2 != 0);
        let mut answer = String::new();
        for (offset, body) in (0..).zip(split(rest)) {
            let raw = Raw { offset, append_time_ms: 0, framed: Framed { id: 1, body } };
            let batch = match reader.decode(&[raw]) {
                Ok(batch) => batch,
                Err(error) => return format!("{answer}{error}"),
            };
            let run = sequencer.run(&batch, |_, step, _| {
                answer.push(match step {
                    Step::Item(items, row) => look(items, row),
                    Step::Mark(_) => 'm',
                    Step::Offer(..) => 'o',
                    Step::Fence(_) => 'f',
                });
                Ok(())
            });
            if let Err(stop) = run {
                return format!("{stop}");
            }
        }
        answer.truncate(8);
        answer
    }
}

/// Looks at all of an item.
fn look(items: &Items, row: usize) -> char {
    let (origin, spot, bytes) = (items.origin(row), items.spot(row), items.event_bytes(row));
    assert!(format!("{origin:?}{spot:?}{bytes}").len() > 1);
    let options = FormatOptions::default();
    for column in items.columns().columns() {
        let _ = ArrayFormatter::try_new(column, &options).unwrap().value(row).try_to_string();
    }
    match (items.label().and_then(|labels| labels.get(row)), items.event()) {
        (Some(_), _) => 'l',
        (None, Some(_)) => 'e',
        (None, None) => 'i',
    }
}
