//! Batches come back from bytes, and bytes from batches, for every shape the contracts use.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Int64Array, ListArray, StructArray, new_empty_array, new_null_array,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Int32Type, TimeUnit};
use arrow::record_batch::RecordBatch;

use super::*;

fn rich_batch(rows: i64) -> (Vec<Vec<u8>>, arrow::record_batch::RecordBatch) {
    let bodies = bodies(RICH, (0..rows).map(rich));
    let mut decoder = Decoder::new(RICH).unwrap();
    decoder.add_writer(1, RICH).unwrap();
    let decoded = decoder.decode(&framed(1, &bodies));
    assert_eq!(decoded.rejected, []);
    (bodies, decoded.batch)
}

#[test]
fn arrow_types_are_those_the_stages_expect() {
    let schema = arrow_schema(RICH).unwrap();
    let of = |name: &str| schema.field_with_name(name).unwrap();
    let utc = Some("+00:00".into());
    assert_eq!(*of("millis").data_type(), DataType::Timestamp(TimeUnit::Millisecond, utc.clone()));
    assert_eq!(*of("micros").data_type(), DataType::Timestamp(TimeUnit::Microsecond, utc));
    assert_eq!(*of("kind").data_type(), DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)));
    assert!(of("note").is_nullable() && of("event").is_nullable() && !of("name").is_nullable());
    assert_eq!(schema.metadata()[AVRO_SCHEMA_KEY], RICH);
}

#[test]
fn bytes_come_back_unchanged() {
    let (bodies, batch) = rich_batch(50);
    assert_eq!(encoded(&batch, &arrow_schema(RICH).unwrap()), bodies);
}

#[test]
fn batch_carries_the_schema_an_encoder_needs() {
    let (bodies, batch) = rich_batch(3);
    assert_eq!(encoded(&batch, &batch.schema()), bodies);
}

#[test]
fn slices_encode_their_rows_only() {
    let (bodies, batch) = rich_batch(50);
    for (first, rows) in [(0, 1), (1, 7), (13, 24), (49, 1), (20, 0)] {
        assert_eq!(encoded(&batch.slice(first, rows), &batch.schema()), bodies[first..first + rows], "{first}+{rows}");
    }
    let twice = batch.slice(10, 20).slice(3, 5);
    assert_eq!(encoded(&twice, &batch.schema()), bodies[13..18]);
}

#[test]
fn joined_slices_encode_as_their_rows() {
    let (bodies, batch) = rich_batch(20);
    let joined = concat_batches(&batch.schema(), &[batch.slice(15, 5), batch.slice(2, 3)]).unwrap();
    let expected: Vec<Vec<u8>> = bodies[15..].iter().chain(&bodies[2..5]).cloned().collect();
    assert_eq!(encoded(&joined, &batch.schema()), expected);
}

#[test]
fn encoder_is_used_again_after_each_batch() {
    let (bodies, batch) = rich_batch(9);
    let mut encoder = Encoder::new(&batch.schema(), 1).unwrap();
    for rows in [batch.slice(0, 4), batch.slice(4, 5)] {
        let encoded = encoder.encode(&rows).unwrap();
        assert_eq!(encoded.len(), rows.num_rows());
        assert_eq!(encoded.row(0).unwrap()[5..], bodies[if rows.num_rows() == 4 { 0 } else { 4 }]);
    }
}

#[test]
fn array_of_records_is_one_contiguous_struct() {
    let (_, batch) = rich_batch(50);
    let list = batch.column_by_name("items").unwrap().as_list::<i32>();
    let expected: usize = (0..50).map(|n| n % 6).sum();
    assert_eq!(list.values().len(), expected);
    assert_eq!(list.values().as_struct().columns()[0].offset(), 0);
}

#[test]
fn batch_of_other_columns_is_refused() {
    let (_, batch) = rich_batch(2);
    let mut encoder = Encoder::new(&batch.schema(), 1).unwrap();
    let error = encoder.encode(&batch.project(&[0, 1]).unwrap()).unwrap_err().to_string();
    assert!(error.starts_with("the batch cannot be encoded"), "{error}");
    assert_eq!(encoder.encode(&batch).unwrap().len(), 2);
}

#[test]
fn id_in_header_and_id_in_prefix_stand_in_one_batch() {
    let (bodies, batch) = rich_batch(2);
    let prefixed = [crate::framing::prefix(1).to_vec(), bodies[0].clone()].concat();
    let header: (&str, Option<&[u8]>) = (crate::framing::VALUE_SCHEMA_ID_HEADER, Some(&[0, 0, 0, 0, 1]));
    let records = [split(Some(&prefixed), []).unwrap(), split(Some(&bodies[1]), [header]).unwrap()];
    let mut decoder = Decoder::new(RICH).unwrap();
    decoder.add_writer(1, RICH).unwrap();
    assert_eq!(decoder.decode(&records).batch, batch);
}

#[test]
fn no_records_give_an_empty_batch() {
    let mut decoder = Decoder::new(RICH).unwrap();
    assert_eq!(decoder.decode(&[]).batch.num_rows(), 0);
    decoder.add_writer(1, RICH).unwrap();
    let decoded = decoder.decode(&[]);
    assert_eq!((decoded.batch.num_rows(), decoded.batch.schema()), (0, arrow_schema(RICH).unwrap()));
}

#[test]
fn enums_are_written_by_their_symbols_however_a_batch_came_about() {
    const TRIP: &str = r#"{"type":"record","name":"Trip","fields":[
        {"name":"id","type":"long"},
        {"name":"way","type":["null",{"type":"record","name":"Way","fields":[
            {"name":"mode","type":{"type":"enum","name":"Mode","symbols":["BUS","TRAM","TRAIN"]}},
            {"name":"before","type":{"type":"array","items":"Mode"}}]}],"default":null}]}"#;
    let schema = arrow_schema(TRIP).unwrap();
    let encode = |way: ArrayRef| {
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..way.len() as i64));
        encoded(&RecordBatch::try_new(schema.clone(), vec![ids, way]).unwrap(), &schema)
    };
    // The value that stands for nothing has no symbols.
    assert_eq!(encode(new_null_array(schema.field(1).data_type(), 2)), [vec![0, 0], vec![2, 0]]);
    // One that was put together has them in the order in which they came.
    let DataType::Struct(fields) = schema.field(1).data_type() else { panic!("a record") };
    let mode: DictionaryArray<Int32Type> = ["TRAIN", "BUS"].into_iter().collect();
    let before: DictionaryArray<Int32Type> = ["TRAM", "TRAIN", "TRAM"].into_iter().collect();
    let DataType::List(item) = fields[1].data_type() else { panic!("an array") };
    let before = ListArray::new(item.clone(), OffsetBuffer::from_lengths([2, 1]), Arc::new(before), None);
    let way = StructArray::new(fields.clone(), vec![Arc::new(mode), Arc::new(before)], None);
    assert_eq!(encode(Arc::new(way)), [vec![0, 2, 4, 4, 2, 4, 0], vec![2, 2, 0, 2, 2, 0]]);
    let other: DictionaryArray<Int32Type> = ["CAR", "BUS"].into_iter().collect();
    let lists =
        ListArray::new(item.clone(), OffsetBuffer::from_lengths([0, 0]), new_empty_array(item.data_type()), None);
    let way = StructArray::new(fields.clone(), vec![Arc::new(other), Arc::new(lists)], None);
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..2));
    let batch = RecordBatch::try_new(schema.clone(), vec![ids, Arc::new(way)]).unwrap();
    let error = Encoder::new(&schema, 1).unwrap().encode(&batch).unwrap_err().to_string();
    assert!(error.contains("no symbol `CAR`"), "{error}");
}
