//! From librdkafka's messages to records.

use std::ffi::CStr;
use std::ptr;
use std::sync::Arc;

use bytes::Bytes;
use rdkafka::bindings::{rd_kafka_header_get_all, rd_kafka_message_headers, rd_kafka_resp_err_t};
use rdkafka::message::{BorrowedMessage, Message};

use crate::log::{Header, Headers, Record, TopicPartition};

/// A message's record; its bytes are copied, so that the client's buffers are free again.
pub(super) fn record(message: &BorrowedMessage<'_>) -> Record {
    Record {
        offset: message.offset(),
        append_time_ms: message.timestamp().to_millis().unwrap_or(0),
        key: message.key().map(Bytes::copy_from_slice),
        value: message.payload().map(Bytes::copy_from_slice),
        headers: headers(message),
    }
}

/// A message's headers. Not read through rdkafka, which panics at a name that is not UTF-8.
fn headers(message: &BorrowedMessage<'_>) -> Headers {
    let mut headers = Headers::new();
    let mut native = ptr::null_mut();
    // SAFETY: the message is alive, and so are its headers and what they point to as long as it is; all bytes are
    // copied before this function returns.
    unsafe {
        if rd_kafka_message_headers(message.ptr(), &raw mut native) != rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return headers;
        }
        let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
        while rd_kafka_header_get_all(native, headers.len(), &raw mut name, &raw mut value, &raw mut size)
            == rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
        {
            let name = CStr::from_ptr(name).to_string_lossy().into_owned();
            let value = (!value.is_null())
                .then(|| Bytes::copy_from_slice(std::slice::from_raw_parts(value.cast::<u8>(), size)));
            headers.push(Header { name: name.into(), value });
        }
    }
    headers
}

/// Collects records by partition, and lets all records share one copy of a topic's name.
#[derive(Default)]
pub(super) struct Collector {
    pub batches: Vec<(TopicPartition, Vec<Record>)>,
    pub records: usize,
    pub bytes: usize,
    last: usize,
}

impl Collector {
    /// Adds a record to its partition.
    pub fn add(&mut self, tp: &TopicPartition, record: Record) {
        self.records += 1;
        self.bytes += record.key.as_ref().map_or(0, Bytes::len) + record.value.as_ref().map_or(0, Bytes::len);
        let is_same = |other: &TopicPartition| {
            other.partition == tp.partition && (Arc::ptr_eq(&other.topic, &tp.topic) || other.topic == tp.topic)
        };
        if !self.batches.get(self.last).is_some_and(|(other, _)| is_same(other)) {
            self.last = self.batches.iter().position(|(other, _)| is_same(other)).unwrap_or_else(|| {
                self.batches.push((tp.clone(), Vec::new()));
                self.batches.len() - 1
            });
        }
        self.batches[self.last].1.push(record);
    }
}
