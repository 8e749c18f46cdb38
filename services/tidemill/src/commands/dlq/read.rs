//! Records of a topic as they are, from the log or through the gateway of the process that has it.

use std::ops::Range;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flow::config::nearest;
use runtime::log::{Header, Record, SessionOptions, TopicPartition};
use serde_json::Value;

use crate::environment::Environment;
use crate::error::Error;
use crate::remote::Remote;

/// Longest wait for records that are there.
const POLL_MS: u64 = 200;

/// Hands all records of a topic, up to where it ends now, to `each`.
pub fn read(
    environment: &Environment,
    topic: &str,
    each: impl FnMut(&TopicPartition, Record) -> Result<(), Error>,
) -> Result<(), Error> {
    read_range(environment, topic, &(0..i64::MAX), each)
}

/// The same of records with these offsets in their partitions; no others are fetched from a log that is at hand.
pub fn read_range(
    environment: &Environment,
    topic: &str,
    offsets: &Range<i64>,
    mut each: impl FnMut(&TopicPartition, Record) -> Result<(), Error>,
) -> Result<(), Error> {
    let context = &environment.context;
    if context.log.partitions(topic)?.is_none() {
        let others = context.log.topics()?;
        let near = nearest(topic, others.iter().map(String::as_str));
        let near = near.map(|near| format!("did you mean `{near}`? Else ")).unwrap_or_default();
        return Err(Error::Input(format!(
            "there is no topic {topic}; {near}run `tidemill apply` with this pipeline file"
        )));
    }
    if let Some(remote) = &environment.remote {
        // A gateway shows all partitions in one stream, up to their ends.
        return read_beside(remote, topic, &offsets.start.max(0).to_string(), |tp, record| {
            if offsets.contains(&record.offset) { each(tp, record) } else { Ok(()) }
        });
    }
    for (tp, start, end) in context.bounds(topic)? {
        let (mut next, end) = (start.max(offsets.start), end.min(offsets.end));
        if next >= end {
            continue;
        }
        let mut session = context.log.session(SessionOptions::assigned("tidemill.dlq", vec![(tp.clone(), next)]))?;
        while next < end {
            for (_, records) in session.poll(Duration::from_millis(POLL_MS))?.records {
                next = records.last().map_or(next, |record| record.offset + 1);
                records.into_iter().filter(|record| record.offset < end).try_for_each(|record| each(&tp, record))?;
            }
            environment.signals.check()?;
        }
        session.close()?;
    }
    Ok(())
}

/// The same through a gateway, from a place on.
pub fn read_beside(
    remote: &Remote,
    topic: &str,
    from: &str,
    mut each: impl FnMut(&TopicPartition, Record) -> Result<(), Error>,
) -> Result<(), Error> {
    let query = [("from", from), ("follow", "false"), ("raw", "true")];
    let query = query.map(|(name, value)| (name.to_owned(), value.to_owned()));
    remote.tap(topic, &query, |text| {
        let line: Value = serde_json::from_str(text).unwrap_or_default();
        let (tp, record) = parsed(topic, &line).ok_or_else(|| {
            Error::Failed(format!("the gateway at {} shows no raw records; its release is older", remote.address()))
        })?;
        each(&tp, record)?;
        Ok(true)
    })
}

/// A record from a line of a tap.
fn parsed(topic: &str, line: &Value) -> Option<(TopicPartition, Record)> {
    let raw = line.get("raw")?;
    let bytes = |value: &Value| Some(Bytes::from(STANDARD.decode(value.as_str()?).ok()?));
    let header = |pair: &Value| {
        Some(Header { name: pair.get(0)?.as_str()?.to_owned().into(), value: pair.get(1).and_then(bytes) })
    };
    let append_time =
        arrow::compute::kernels::cast_utils::string_to_timestamp_nanos(line.get("append_time")?.as_str()?);
    let record = Record {
        offset: line.get("offset")?.as_i64()?,
        append_time_ms: append_time.ok()? / 1_000_000,
        key: raw.get("key").and_then(bytes),
        value: raw.get("value").and_then(bytes),
        headers: raw.get("headers")?.as_array()?.iter().filter_map(header).collect(),
    };
    let partition = i32::try_from(line.get("partition")?.as_i64()?).ok()?;
    Some((TopicPartition::new(topic, partition), record))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_record_comes_back_from_its_line() {
        let line = json!({"partition": 2, "offset": 7, "append_time": "1970-01-01T00:00:01.500Z", "value": {"a": 1},
            "raw": {"key": "aw==", "value": null, "headers": [["h", "AP8="], ["h", null]]}});
        let (tp, record) = parsed("t", &line).unwrap();
        assert_eq!(tp, TopicPartition::new("t", 2));
        let headers = vec![Header::new("h", vec![0_u8, 255]), Header { name: "h".into(), value: None }];
        let key = Some(Bytes::from_static(b"k"));
        assert_eq!(record, Record { offset: 7, append_time_ms: 1_500, key, value: None, headers });
        assert!(parsed("t", &json!({"partition": 2})).is_none());
    }
}
