//! Settings of a small pipeline with two entities of one key and one that wants no labels.
#![allow(clippy::unwrap_used)]

use super::*;
use flow::plan::plan;

const SHOP: &str = "
pipeline: shop
delivery: low_latency
ordering: event_time
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
    seller: { key: seller_id, windows: [1d], aggregates: { risk: avg(returned) } }
    again: { key: buyer_id, windows: [1d], aggregates: { risk: avg(returned) } }
alerts: { topic: shop.alerts.v1 }
";

fn schema(path: &str) -> Result<String, String> {
    let fields = match path {
        "Order.avsc" => {
            r#"{"name": "order_id", "type": "long"}, {"name": "buyer_id", "type": ["null", "long"]},
            {"name": "seller_id", "type": "string"},
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
    let settings = Settings::of(&pipeline, &plan, &names).unwrap();
    assert_eq!(settings.keys, ["buyer_id", "seller_id"]);
    let targets: Vec<_> =
        settings.targets.iter().map(|target| (&**names.topic(target.log), target.partitions, target.key)).collect();
    let logs = &plan.names.entity_logs;
    assert_eq!(targets, [(logs[1].as_str(), 3, 1), (logs[2].as_str(), 3, 0)]);
    assert_eq!(&**names.topic(settings.outcomes), plan.names.outcomes);
    assert_eq!((settings.holds, settings.mark_step_us, settings.horizon_us), (true, 1, 30 * 86_400_000_000));
    let none = Names::new([("other", 1)]);
    assert!(matches!(Settings::of(&pipeline, &plan, &none), Err(Error::Unnumbered(_))));
}
