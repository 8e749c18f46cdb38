//! Rows of the ledger: read or refused, and what was read is written as it was.

use flow::ledger::{Judge, Sample, Writer, decode, edges};
use schemas::codec::{Decoder, Framed};
use schemas::contracts;
use schemas::framing::PREFIX_BYTES;

use super::seeds::{context, split};

pub struct Target {
    decoder: Decoder,
    plan: std::sync::Arc<flow::plan::Plan>,
}

impl Target {
    pub fn new() -> Self {
        let schema = contracts::avro(contracts::LEDGER_ROW).unwrap();
        let mut decoder = Decoder::new(schema).unwrap();
        decoder.add_writer(1, schema).unwrap();
        Target { decoder, plan: context().plan }
    }

    /// Several rows.
    pub fn answer(&mut self, bytes: &[u8]) -> String {
        let bodies = split(bytes);
        let framed: Vec<_> = bodies.iter().map(|body| Framed { id: 1, body }).collect();
        let decoded = self.decoder.decode(&framed);
        let entries = match decode(&decoded.batch) {
            Ok(entries) => entries,
            Err(error) => return error.to_string(),
        };
        let (writer, mut sample) = (Writer::new(1), Sample::default());
        for entry in &entries {
            let (_, value) = writer.encode(entry);
            let again = self.decoder.decode(&[Framed { id: 1, body: &value[PREFIX_BYTES..] }]);
            assert_eq!(
                decode(&again.batch).unwrap(),
                std::slice::from_ref(entry),
                "what was read is written otherwise"
            );
            sample.take(entry.clone());
        }
        let standings = Judge::new(edges(&self.plan)).judge(sample);
        let (rows, states) =
            (entries.len(), standings.iter().map(|one| format!("{:?}", one.state).len()).sum::<usize>());
        let code = decoded.rejected.first().map_or("", |(_, reject)| reject.code.as_str());
        format!("{code} {} {}", "r".repeat(rows.min(8)), "s".repeat(states.min(20)))
    }
}
