//! Avro bodies to Arrow. The verdict on a body is its own, whatever stands beside it, and what is accepted survives being
//! written again.

use arrow::array::RecordBatch;
use schemas::codec::{Decoder, Encoder, Framed};
use schemas::framing;

/// What readers want.
pub const SCHEMA: &str = r#"{"type":"record","name":"Rich","namespace":"t","fields":[
    {"name":"id","type":"string"},
    {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"small","type":"int"},
    {"name":"ratio","type":["null","double"],"default":null},
    {"name":"flag","type":"boolean"},
    {"name":"kind","type":{"type":"enum","name":"Kind","symbols":["CARD","CASH","WIRE"]}},
    {"name":"raw","type":"bytes"},
    {"name":"digest","type":{"type":"fixed","name":"Four","size":4}},
    {"name":"tags","type":{"type":"array","items":"string"}},
    {"name":"items","type":{"type":"array","items":{"type":"record","name":"Item","fields":[
        {"name":"parent","type":"int"},{"name":"note","type":["null","string"],"default":null}]}}}]}"#;
/// What an older program writes: other numbers, another order, fields too few and too many.
pub const OLDER: &str = r#"{"type":"record","name":"Rich","namespace":"t","fields":[
    {"name":"gone","type":["null","string"]},
    {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"id","type":"string"},
    {"name":"small","type":"int"},
    {"name":"flag","type":"boolean"},
    {"name":"kind","type":{"type":"enum","name":"Kind","symbols":["CARD","CASH","WIRE"]}},
    {"name":"raw","type":"bytes"},
    {"name":"digest","type":{"type":"fixed","name":"Four","size":4}},
    {"name":"tags","type":{"type":"array","items":"string"}},
    {"name":"items","type":{"type":"array","items":{"type":"record","name":"Item","fields":[
        {"name":"parent","type":"int"}]}}}]}"#;
/// A body of the first schema that is fine.
pub const GOOD: &[u8] = b"\x04e1\x02\x02\x00\x01\x00\x02\xff0123\x02\x02a\x00\x02\x02\x02\x02n\x00";

/// Reader and writer.
pub struct Target {
    decoder: Decoder,
    encoder: Encoder,
}

impl Target {
    pub fn new() -> Self {
        let mut decoder = Decoder::new(SCHEMA).unwrap();
        decoder.add_writer(1, SCHEMA).unwrap();
        decoder.add_writer(2, OLDER).unwrap();
        let encoder = Encoder::new(decoder.schema(), 1).unwrap();
        Target { decoder, encoder }
    }

    /// The first byte says who wrote the rest.
    pub fn answer(&mut self, bytes: &[u8]) -> String {
        let Some((writer, body)) = bytes.split_first() else { return "nothing".to_owned() };
        let record = Framed { id: u32::from(writer % 2) + 1, body };
        let good = Framed { id: 1, body: GOOD };
        let alone = self.decoder.decode(&[record]);
        let among = self.decoder.decode(&[good, record, good]);
        let verdicts = [&alone, &among].map(|decoded| decoded.rejected.first().map(|(_, reject)| reject.code.as_str()));
        assert_eq!(verdicts[0], verdicts[1], "neighbours change the verdict");
        assert_eq!(among.batch.num_rows(), alone.batch.num_rows() + 2);
        if let Some((_, reject)) = alone.rejected.first() {
            return format!("{} {}", reject.code.as_str(), reject.detail);
        }
        assert_eq!(among.batch.slice(1, 1), alone.batch, "neighbours change the value");
        assert_eq!(self.again(&alone.batch), alone.batch, "what was read is written otherwise");
        format!("a record of {record_id}", record_id = record.id)
    }

    fn again(&mut self, batch: &RecordBatch) -> RecordBatch {
        let rows = self.encoder.encode(batch).unwrap();
        let value = rows.iter().next().unwrap();
        let again = self.decoder.decode(&[framing::split(Some(&value), []).unwrap()]);
        assert!(again.rejected.is_empty(), "{:?}", again.rejected);
        again.batch
    }
}
