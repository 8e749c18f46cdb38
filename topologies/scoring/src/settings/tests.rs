//! Settings of a small pipeline.
#![allow(clippy::unwrap_used)]

use super::*;
use flow::plan::plan;

const SHOP: &str = "
pipeline: shop
delivery: low_latency
ordering: arrival
lateness: 1m
idle_timeout: 30s
partitions: 3
sources:
  orders: { topic: shop.orders.events.v1, schema: Order.avsc, id: order_id, event_time: time, dedupe_horizon: 1d, max_future: 1h }
  returns: { topic: shop.returns.events.v1, schema: Return.avsc, labels: orders, target: returned, horizon: 30d, policy: first }
features:
  version: 1
  entities:
    buyer: { key: buyer_id, windows: [1d], aggregates: { count: count() } }
models:
  returns: { target: returned, inputs: [buyer.*], network: linear, training: { epochs: 1, batch_size: 1, learning_rate: 0.1, window: 1d, delay: 1d, seed: 1 } }
alerts: { topic: shop.alerts.v1 }
";

fn schema(path: &str) -> Result<String, String> {
    let fields = match path {
        "Order.avsc" => {
            r#"{"name": "order_id", "type": "long"}, {"name": "buyer_id", "type": ["null", "long"]},
            {"name": "time", "type": {"type": "long", "logicalType": "timestamp-micros"}}"#
        }
        _ => r#"{"name": "order_id", "type": "long"}, {"name": "returned", "type": "boolean"}"#,
    };
    let name = path.trim_end_matches(".avsc");
    Ok(format!(r#"{{"type": "record", "name": "{name}", "namespace": "shop", "fields": [{fields}]}}"#))
}

#[test]
fn settings_follow_from_the_pipeline() {
    let pipeline = flow::config::parse(SHOP, &schema).map_err(|problems| format!("{problems:#?}")).unwrap();
    let plan = plan(&pipeline);
    let names = Names::new(plan.topics.iter().map(|topic| (topic.name.as_str(), 1)));
    let settings = Settings::of(&pipeline, &plan, &names, 9).unwrap();
    assert_eq!((settings.key.as_deref(), settings.schema_id, settings.journal_partitions), (Some("buyer_id"), 9, 3));
    assert_eq!(&**names.topic(settings.journal), plan.names.journal_log);
    assert_eq!(&**names.topic(settings.predictions), plan.names.predictions);
    assert!(settings.journal_prediction.find("score").is_some());
    assert!(settings.prediction_schema.field_with_name("challengers").is_ok());
    let none = Names::new([("other", 1)]);
    assert!(matches!(Settings::of(&pipeline, &plan, &none, 9), Err(Error::Unnumbered(_))));
}
