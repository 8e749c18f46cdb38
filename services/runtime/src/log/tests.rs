//! Partitioning against values of the Java client; sizes and errors of the plain types.

use bytes::Bytes;

use super::{Error, Header, Publish, TopicPartition, TopicSpec, partition_of_key, partition_of_null};
use schemas::key::murmur2;

/// The hashes are those of Apache Kafka's own `UtilsTest.testMurmur2`.
#[test]
fn hashes_are_those_of_the_java_client() {
    let rows: [(&str, i32); 7] = [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("abc", 479_470_107),
        ("", 275_646_681),
    ];
    for (key, hash) in rows {
        assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
    }
}

#[test]
fn partitions_are_within_their_count() {
    for draw in 0..1_000_u64 {
        assert!((0..7).contains(&partition_of_key(&draw.to_le_bytes(), 7)));
        assert!((0..7).contains(&partition_of_null(draw, 7)));
    }
}

#[test]
fn keyless_records_spread_over_all_partitions() {
    let mut counts = [0; 4];
    (0..4_000).for_each(|draw| counts[partition_of_null(draw, 4) as usize] += 1);
    assert!(counts.iter().all(|count| *count > 800), "{counts:?}");
}

#[test]
fn a_record_counts_with_key_value_and_headers() {
    let mut record = Publish::keyed("t".into(), Bytes::from("key"), Bytes::from("value"));
    record.headers = vec![Header::new("name", "v"), Header { name: "n".into(), value: None }];
    assert_eq!(record.size_bytes(), 3 + 5 + 4 + 1 + 1);
    record.value = None;
    assert_eq!(record.size_bytes(), 3 + 4 + 1 + 1);
}

#[test]
fn specs_are_built_from_the_plain_one() {
    let spec = TopicSpec::new("t", 2).public().compacted().retention_ms(7);
    assert!(spec.public && spec.compacted);
    assert_eq!((spec.partitions, spec.retention_ms), (2, Some(7)));
}

#[test]
fn only_the_outside_world_is_worth_another_try() {
    let unavailable = Error::Unavailable { doing: "publishing".into(), detail: "no answer".into() };
    let fenced = Error::Fenced { group: "g".into(), detail: "generation 3 is over".into() };
    assert!(unavailable.is_retriable() && !fenced.is_retriable());
    assert!(fenced.is_fenced() && !unavailable.is_fenced());
    let missing = Error::MissingPartition { tp: TopicPartition::new("t", 4), partitions: 2 };
    assert_eq!(missing.to_string(), "partition t/4 does not exist; the topic has 2 partitions");
}
