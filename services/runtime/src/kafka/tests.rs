//! What can be tested of the Kafka log without a broker; the rest is in the conformance suite, on a real one.

#![allow(clippy::unwrap_used)]

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::producer::BaseProducer;

use super::context::ProducerSide;
use super::*;

fn map(rows: &[(&str, &str)]) -> BTreeMap<String, String> {
    rows.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn settings_that_guarantees_stand_on_are_refused_by_name() {
    for key in [
        "enable.auto.commit",
        "isolation.level",
        "enable.idempotence",
        "auto.offset.reset",
        "group.id",
        "message.timeout.ms",
        "transactional.id",
    ] {
        let error = Settings::new("127.0.0.1:9", &map(&[(key, "x")])).unwrap_err();
        assert!(error.to_string().contains(&format!("`{key}`")), "{error}");
    }
}

#[test]
fn brokers_must_be_named() {
    let error = Settings::new(" ", &map(&[])).unwrap_err().to_string();
    assert!(error.contains("host:port"), "{error}");
}

#[test]
fn an_unknown_setting_is_named() {
    let error = Kafka::connect("127.0.0.1:9", &map(&[("no.such.setting", "1")])).err().unwrap();
    assert!(matches!(&error, Error::Setting { key, .. } if key == "no.such.setting"), "{error:?}");
}

#[test]
fn user_settings_win_over_defaults_and_go_to_the_right_client() {
    let settings = Settings::new("b:1", &map(&[("compression.type", "zstd"), ("fetch.min.bytes", "7")])).unwrap();
    let options = SessionOptions::publisher("p");
    let (producer, consumer) = (settings.producer(&options), settings.consumer(&options));
    assert_eq!((producer.get("compression.type"), producer.get("fetch.min.bytes")), (Some("zstd"), None));
    assert_eq!((consumer.get("compression.type"), consumer.get("fetch.min.bytes")), (None, Some("7")));
    assert_eq!(producer.get("enable.idempotence"), Some("true"));
    assert_eq!(consumer.get("auto.offset.reset"), Some("error"));
}

#[test]
fn tls_sasl_and_compressions_are_compiled_in() {
    for compression in ["lz4", "zstd", "gzip", "snappy"] {
        let user = map(&[
            ("security.protocol", "SASL_SSL"),
            ("sasl.mechanism", "SCRAM-SHA-512"),
            ("sasl.username", "user"),
            ("sasl.password", "password"),
            ("compression.type", compression),
        ]);
        let config = Settings::new("127.0.0.1:9", &user).unwrap().producer(&SessionOptions::publisher("p"));
        let producer = BaseProducer::from_config_and_context(&config, ProducerSide::default());
        assert!(producer.is_ok(), "{compression}: {:?}", producer.err());
    }
}

#[test]
fn a_broker_that_is_not_there_is_named() {
    let error = Kafka::connect("127.0.0.1:9", &map(&[])).err().unwrap();
    let text = error.to_string();
    assert!(matches!(error, Error::NoBroker { .. }) && error.is_retriable(), "{error:?}");
    assert!(text.starts_with("no Kafka broker answered at 127.0.0.1:9 within 10000 ms"), "{text}");
    assert!(text.contains("refused"), "{text}");
}
