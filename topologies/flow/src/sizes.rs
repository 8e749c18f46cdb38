//! How many bytes rows will take once they are encoded, near enough to cut records by, and cheap: what is the same for
//! all rows of a batch is counted once.

use arrow::array::{Array, ArrayRef, AsArray, StructArray};
use arrow::datatypes::DataType;

/// Most bytes of a number, a length, or an array's end in Avro, its place in a union included.
const NUMBER_BYTES: usize = 11;

/// Sizes of the rows of a record column.
#[derive(Debug, Clone, Default)]
pub struct Sizes {
    fixed: usize,
    varying: Vec<ArrayRef>,
}

impl Sizes {
    /// Sizes of the rows of this part; rows of a part that is absent take nothing.
    pub fn of(part: Option<&StructArray>) -> Self {
        let mut sizes = Sizes::default();
        for column in part.map(StructArray::columns).unwrap_or_default() {
            match fixed(column.data_type()) {
                Some(bytes) => sizes.fixed += bytes,
                None => sizes.varying.push(column.clone()),
            }
        }
        sizes
    }

    /// Bytes of a row.
    pub fn bytes(&self, row: usize) -> usize {
        self.fixed + self.varying.iter().map(|column| span(column, row, 1)).sum::<usize>()
    }
}

/// Bytes of every value of a type, where all take the same.
fn fixed(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::FixedSizeBinary(width) => Some(NUMBER_BYTES + width.unsigned_abs() as usize),
        DataType::Struct(fields) => {
            let inner: Option<usize> = fields.iter().map(|field| fixed(field.data_type())).sum();
            inner.map(|bytes| bytes + 1)
        }
        other if other.is_primitive() => Some(NUMBER_BYTES.max(other.primitive_width().unwrap_or_default() + 1)),
        DataType::Boolean | DataType::Null | DataType::Dictionary(..) => Some(NUMBER_BYTES),
        _ => None,
    }
}

/// Bytes of some rows of a column.
fn span(column: &ArrayRef, from: usize, rows: usize) -> usize {
    let lengths = rows * NUMBER_BYTES;
    let between = |offsets: &[i32]| (offsets[from + rows] - offsets[from]) as usize;
    match column.data_type() {
        DataType::Utf8 => lengths + between(column.as_string::<i32>().value_offsets()),
        DataType::Binary => lengths + between(column.as_binary::<i32>().value_offsets()),
        DataType::List(_) => {
            let list = column.as_list::<i32>();
            let offsets = list.value_offsets();
            lengths + span(list.values(), offsets[from] as usize, between(offsets))
        }
        DataType::Map(..) => {
            let map = column.as_map();
            let offsets = map.value_offsets();
            lengths + children(map.entries(), offsets[from] as usize, between(offsets))
        }
        DataType::Struct(_) => rows + children(column.as_struct(), from, rows),
        other => match fixed(other) {
            Some(bytes) => bytes * rows,
            // No other type comes out of our decoder; its buffers bound what a row can take.
            None => lengths + column.slice(from, rows).to_data().get_slice_memory_size().unwrap_or_default(),
        },
    }
}

fn children(part: &StructArray, from: usize, rows: usize) -> usize {
    part.columns().iter().map(|column| span(column, from, rows)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::codec::{Encoder, arrow_schema};
    use schemas::json::JsonWriter;
    use serde_json::{Value, json};

    const SCHEMA: &str = r#"{"type": "record", "name": "Event", "fields": [
        {"name": "id", "type": "long"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "flag", "type": ["null", "boolean"], "default": null},
        {"name": "text", "type": ["null", "string"], "default": null},
        {"name": "raw", "type": "bytes", "default": ""},
        {"name": "tags", "type": {"type": "array", "items": "string"}, "default": []},
        {"name": "more", "type": {"type": "map", "values": "double"}, "default": {}},
        {"name": "inner", "type": {"type": "record", "name": "Inner", "fields": [
            {"name": "note", "type": "string"}, {"name": "number", "type": "int"}]}}]}"#;

    /// Witness: the bytes that our own encoder gives.
    #[test]
    fn a_row_takes_no_more_than_its_size_says_and_not_much_less() {
        let text = |bytes: usize| "x".repeat(bytes);
        let tags: Vec<Value> = (0..500).map(|at| json!(text(at % 70))).collect();
        let more: Value =
            (0..50).map(|at| (format!("k{at}"), json!(f64::from(at)))).collect::<serde_json::Map<_, _>>().into();
        let row = |text_bytes: usize, tags: &[Value], more: &Value, note: usize| {
            json!({"id": i64::MAX, "at": 0, "flag": true, "text": text(text_bytes), "raw": text(text_bytes / 3),
                "tags": tags, "more": more, "inner": {"note": text(note), "number": -1}})
        };
        let none = json!({});
        let rows =
            [row(0, &[], &none, 0), row(100_000, &[], &none, 5), row(7, &tags, &more, 0), row(1, &[], &none, 40_000)];
        let writer = JsonWriter::new(SCHEMA).unwrap();
        let mut decoder = schemas::codec::Decoder::new(SCHEMA).unwrap();
        decoder.add_writer(1, SCHEMA).unwrap();
        let framed: Vec<Vec<u8>> = rows.iter().map(|row| writer.framed(1, row).unwrap()).collect();
        let framed: Vec<_> = framed.iter().map(|bytes| schemas::framing::split(Some(bytes), []).unwrap()).collect();
        let decoded = decoder.decode(&framed);
        assert_eq!(decoded.rejected, []);
        let encoded = Encoder::new(&arrow_schema(SCHEMA).unwrap(), 1).unwrap().encode(&decoded.batch).unwrap();
        let part = StructArray::from(decoded.batch);
        let sizes = Sizes::of(Some(&part));
        let all = Sizes::of(Some(&part.slice(1, 3)));
        for (row, bytes) in encoded.iter().enumerate() {
            let (size, bytes) = (sizes.bytes(row), bytes.len());
            assert!(size >= bytes && size < 3 * bytes + 120, "row {row}: {size} for {bytes}");
            assert!(row == 0 || all.bytes(row - 1) == size, "row {row} of a slice");
        }
        assert_eq!(Sizes::of(None).bytes(5), 0);
    }
}
