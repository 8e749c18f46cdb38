//! What a right file becomes.

use expect_test::expect;

use super::super::{
    ClassWeight, Delivery, LabelPolicy, Limits, Network, OnNull, Ordering, Pipeline, Promote, Trigger, format_duration,
    parse_duration,
};
use super::{changed, check_file, good, parse, resolve};
use crate::plan::plan;
use schemas::compatibility::Compatibility;

const MINUTE_US: i64 = 60_000_000;
const DAY_US: i64 = 1_440 * MINUTE_US;

#[test]
fn every_setting_arrives() {
    let pipeline = good();
    assert_eq!((pipeline.delivery, pipeline.ordering), (Delivery::LowLatency, Ordering::Arrival));
    assert_eq!((pipeline.lateness_us, pipeline.idle_timeout_us), (10 * MINUTE_US, MINUTE_US / 2));
    let events = &pipeline.events;
    assert_eq!((events.id.as_str(), events.event_time.as_str()), ("order_id", "time"));
    assert_eq!(events.fields[1].allowed.as_deref(), Some(&["DE".to_owned(), "FR".to_owned()][..]));
    assert_eq!((events.fields[0].on_null, events.fields[1].on_null), (OnNull::Keep, OnNull::Reject));
    assert_eq!((events.fields[0].min, events.fields[0].max), (Some(0.0), Some(1000.0)));
    assert_eq!(events.rules[0].check.columns, ["amount", "country"]);
    let labels = pipeline.labels.as_ref().unwrap();
    assert_eq!((labels.horizon_us, labels.policy), (90 * DAY_US, LabelPolicy::First));
    assert_eq!(labels.known_time.as_deref(), Some("known"));
    let model = &pipeline.models[0];
    assert_eq!(model.network, Network::Mlp(vec![16, 8]));
    assert_eq!(model.training.class_weight, ClassWeight::Balanced);
    assert_eq!(
        (model.training.early_stopping_epochs, model.alert),
        (Some(2), Some(crate::config::AlertRule::TopPerDay(10)))
    );
    let retraining = pipeline.retraining.as_ref().unwrap();
    assert_eq!((&retraining.on[..], retraining.promote), (&[Trigger::Drift][..], Promote::IfBetter));
    assert_eq!(pipeline.monitors[0].psi.features, ["amount", "buyer_orders_7d"]);
    assert_eq!(pipeline.alerts_topic, "shop.alerts.v1");
}

#[test]
fn columns_with_capitals_can_have_bounds() {
    let yaml = changed("country: { enum", "Gift: { enum: [true] }\n      country: { enum");
    let fields = parse(&yaml, &resolve).unwrap().events.fields;
    assert_eq!((fields[1].column.as_str(), fields[1].allowed.as_deref()), ("Gift", Some(&["true".to_owned()][..])));
}

#[test]
fn features_are_named_in_declared_order_with_windows_inside() {
    expect![[r#"
        row_abroad
        buyer_orders_1h
        buyer_orders_7d
        buyer_spent_1h
        buyer_spent_7d
        buyer_gap
        seller_returns_30d"#]]
    .assert_eq(&good().features.names().join("\n"));
}

#[test]
fn aggregates_of_one_value_have_no_window_in_their_name() {
    let all = "{ a: 'ratio(count(), 1h, 7d)', b: 'coalesce(decayed_sum(amount, 12h), 0)', c: 'count(where amount > 1e3)', d: first(amount) }";
    let from = "        orders: count()\n        spent: sum(amount)\n        gap: time_since_last()\n";
    let yaml = changed(&format!("aggregates:\n{from}"), &format!("aggregates: {all}\n"));
    let yaml = yaml.replace("buyer_orders_7d", "buyer_d_7d");
    let names = parse(&yaml, &resolve).unwrap().features.entities[0].outputs().collect::<Vec<_>>();
    assert_eq!(names, ["buyer_a", "buyer_b", "buyer_c_1h", "buyer_c_7d", "buyer_d_1h", "buyer_d_7d"]);
}

#[test]
fn policies_are_the_entitys_or_the_aggregates_own() {
    use crate::config::Late;
    let yaml = changed("key: buyer_id\n", "key: buyer_id\n      if_null: 0\n      late: skip\n");
    let yaml = yaml.replace("spent: sum(amount)", "spent: { of: sum(amount), if_null: keep }");
    let yaml = yaml.replace("gap: time_since_last()", "gap: { of: time_since_last(), if_null: -1.5 }");
    let features = parse(&yaml, &resolve).unwrap().features;
    let nulls = features.entities[0].aggregates.iter().map(|aggregate| aggregate.if_null);
    assert_eq!(nulls.collect::<Vec<_>>(), [Some(0.0), None, Some(-1.5)]);
    let late: Vec<Late> = features.entities.iter().map(|entity| entity.late).collect();
    assert_eq!(late, [Late::Skip, Late::Apply]);
    assert_eq!(features.names(), good().features.names());
    let digest = |from: &str, to: &str| parse(&yaml.replace(from, to), &resolve).unwrap().features.digest;
    assert_ne!(digest("late: skip", "late: apply"), features.digest);
    assert_ne!(digest("if_null: -1.5", "if_null: -1"), features.digest);
    let written_out = changed("key: buyer_id\n", "key: buyer_id\n      late: apply\n      if_null: keep\n");
    assert_eq!(parse(&written_out, &resolve).unwrap().features.digest, good().features.digest);
}

#[test]
fn late_events_are_for_each_aggregate_to_see_or_to_skip() {
    use crate::config::Late::{Apply, Skip};
    // What the entity says, and what its aggregates `orders`, `spent` and `gap` say.
    let parsed = |of_entity: &str, says: [&str; 3]| {
        let aggregates = ["orders: count()", "spent: sum(amount)", "gap: time_since_last()"];
        let mut yaml = changed("key: buyer_id\n", &format!("key: buyer_id\n      if_null: keep\n{of_entity}"));
        for (aggregate, late) in aggregates.into_iter().zip(says).filter(|(_, late)| !late.is_empty()) {
            let (name, text) = aggregate.split_once(": ").unwrap();
            yaml = yaml.replace(aggregate, &format!("{name}: {{ of: {text}, late: {late} }}"));
        }
        parse(&yaml, &resolve).unwrap().features
    };
    let policies = |of_entity: &str, says: [&str; 3]| {
        let features = parsed(of_entity, says);
        features.entities[0].aggregates.iter().map(|aggregate| aggregate.late).collect::<Vec<_>>()
    };
    let skip = "      late: skip\n";
    assert_eq!(policies("", ["", "skip", ""]), [Apply, Skip, Apply]);
    assert_eq!(policies(skip, ["", "apply", ""]), [Skip, Apply, Skip]);
    // Equal features have equal digests, wherever the word stands.
    let digest = |of_entity: &str, says: [&str; 3]| parsed(of_entity, says).digest;
    assert_eq!(digest("", [""; 3]), good().features.digest);
    assert_eq!(digest("", ["apply"; 3]), good().features.digest);
    assert_eq!(digest(skip, ["apply"; 3]), good().features.digest);
    assert_eq!(digest("", ["skip"; 3]), digest(skip, [""; 3]));
    assert_eq!(digest(skip, ["", "apply", "apply"]), digest("", ["skip", "", ""]));
    let different = [["", "", ""], ["skip"; 3], ["skip", "", ""], ["", "skip", ""], ["skip", "skip", ""]];
    let different: Vec<String> = different.into_iter().map(|says| digest("", says)).collect();
    assert!((1..different.len()).all(|at| !different[..at].contains(&different[at])), "{different:?}");
}

#[test]
fn derived_features_stand_behind_those_they_read() {
    let derived = "  derived:\n    late: derived_usual > 2 and row_abroad = 1\n    usual: amount / nullif(buyer_spent_7d, 0)\n  entities:\n";
    let yaml = changed("  entities:\n", derived).replace("inputs: [amount,", "inputs: [amount, derived.*,");
    let pipeline = parse(&yaml, &resolve).unwrap();
    let names = pipeline.features.names();
    assert_eq!(names[names.len() - 2..], ["derived_usual", "derived_late"]);
    assert_eq!(pipeline.models[0].inputs[1..3], ["derived_usual", "derived_late"]);
    assert!(!pipeline.features.names_before(1).iter().any(|name| name.starts_with("derived")));
    assert_ne!(pipeline.features.digest, good().features.digest);
}

#[test]
fn model_inputs_are_expanded_in_the_order_of_their_patterns() {
    expect![[r#"
        amount
        row_abroad
        buyer_orders_1h
        buyer_orders_7d
        buyer_spent_1h
        buyer_spent_7d
        buyer_gap
        seller_returns_30d"#]]
    .assert_eq(&good().models[0].inputs.join("\n"));
    let yaml = changed("[amount, row.*, buyer.*, seller_returns_30d]", "[seller.*, buyer.spent, amount]");
    let yaml = yaml.replace("[amount, buyer_orders_7d]", "all");
    let pipeline = parse(&yaml, &resolve).unwrap();
    assert_eq!(pipeline.models[0].inputs, ["seller_returns_30d", "buyer_spent_1h", "buyer_spent_7d", "amount"]);
    assert_eq!(pipeline.monitors[0].psi.features, pipeline.models[0].inputs);
}

#[test]
fn only_aggregates_of_the_label_are_label_derived() {
    let features = good().features;
    let derived: Vec<_> = features.entities.iter().map(|entity| (entity.name.as_str(), entity.label_derived)).collect();
    assert_eq!(derived, [("buyer", false), ("seller", true)]);
}

#[test]
fn entities_keep_the_order_of_the_file() {
    let yaml = changed("    buyer:\n", "    zebra: { key: seller_id }\n    buyer:\n");
    let pipeline = parse(&yaml, &resolve).unwrap();
    let names: Vec<_> = pipeline.features.entities.iter().map(|entity| entity.name.as_str()).collect();
    assert_eq!(names, ["zebra", "buyer", "seller"]);
}

#[test]
fn everything_but_sources_and_an_entity_can_be_left_out() {
    let yaml = "pipeline: shop\nsources:\n  orders: { topic: orders, schema: shop/Order.avsc, id: order_id, event_time: time }\nfeatures: { entities: { buyer: { key: buyer_id } } }\n";
    let pipeline = parse(yaml, &resolve).unwrap();
    assert_eq!((pipeline.partitions, pipeline.lateness_us), (4, 10 * MINUTE_US));
    assert_eq!(pipeline.alerts_topic, "shop.alerts.v1");
    assert!(pipeline.models.is_empty() && pipeline.labels.is_none() && pipeline.features.names().is_empty());
}

#[test]
fn the_labels_id_is_by_default_called_like_that_of_the_events() {
    let yaml = changed("    id: order_id\n    target", "    target");
    assert_eq!(parse(&yaml, &resolve).unwrap().labels.unwrap().id, "order_id");
}

#[test]
fn the_digest_follows_what_decides_a_features_value() {
    let digest = |from: &str, to: &str| parse(&changed(from, to), &resolve).unwrap().features.digest;
    let unchanged = good().features.digest;
    assert_eq!(digest("version: 2", "version: 3"), unchanged);
    assert_eq!(digest("partitions: 4", "partitions: 8 # more"), unchanged);
    assert_eq!(digest("min_events: 100", "min_events: 7"), unchanged);
    assert_ne!(digest("      delay: 7d", "      delay: 6d"), unchanged);
    assert_ne!(digest("windows: [30d]", "windows: [30d, 31d]"), unchanged);
    assert_ne!(digest("coalesce(avg(returned), 0)", "coalesce(avg(returned), 1)"), unchanged);
    assert_ne!(digest("country <> 'DE'", "country <> 'FR'"), unchanged);
}

#[test]
fn networks_can_be_linear() {
    for network in ["linear", "{ linear: true }"] {
        let pipeline = parse(&changed("{ mlp: [16, 8] }", network), &resolve).unwrap();
        assert_eq!(pipeline.models[0].network, Network::Linear);
    }
}

#[test]
fn quoted_names_and_sql_words_are_told_from_columns() {
    for check in [
        r#"'"Gift" and cast(amount as double) > 1e-3'"#,
        "extract(dow from time) in (0, 6)",
        "case when amount between 1 and 2 then true else amount::int = 3 end",
        "time > timestamp '2026-01-01 00:00:00'",
        "time - interval '1 day' < time and country not like 'it''s'",
        "AMOUNT > 3 AND Country IS NULL",
    ] {
        let yaml = changed("{ check: amount < 500 and country is not null, on_fail: reject }", "\n        check: ");
        let yaml = yaml.replace("        check: ", &format!("        check: {check}"));
        assert_eq!(parse(&yaml, &resolve).err(), None, "{check}");
    }
}

#[test]
fn anchors_of_yaml_work() {
    let yaml = changed("windows: [1h, 7d]", "windows: &long [1h, 7d]").replace("windows: [30d]", "windows: *long");
    let yaml = yaml.replace("seller_returns_30d", "seller_returns_7d");
    let pipeline = parse(&yaml, &resolve).unwrap();
    assert_eq!(pipeline.features.entities[0].windows, pipeline.features.entities[1].windows);
}

#[test]
fn durations_are_read_and_written() {
    for (text, us) in [
        ("0s", 0),
        ("500ms", 500_000),
        ("90s", 90_000_000),
        ("10m", 10 * MINUTE_US),
        ("1h", 60 * MINUTE_US),
        ("7d", 7 * DAY_US),
    ] {
        assert_eq!(parse_duration(text), Some(us));
        assert_eq!(parse_duration(&format_duration(us)), Some(us));
    }
    for text in ["", "7", "d", "-1d", "1.5h", " 1h", "1 h", "1y", "9999999999999999999d", "106751992d"] {
        assert_eq!(parse_duration(text), None, "{text}");
    }
    for (us, text) in [(0, "0s"), (90_000_000, "90s"), (60_000_000, "1m"), (DAY_US, "1d"), (1, "1us")] {
        assert_eq!(format_duration(us), text);
    }
}

#[test]
fn ten_mistakes_are_ten_problems() {
    let yaml = changed("delivery: low_latency", "delivery: low_latencey")
        .replace("partitions: 4", "partitons: 4")
        .replace("event_time: time", "event_time: tme")
        .replace("max_future: 1h", "max_future: 60")
        .replace("check: amount <", "check: amuont <")
        .replace("labels: orders", "labels: order")
        .replace("spent: sum(amount)", "spent: smu(amount)")
        .replace("inputs: [amount, row.*", "inputs: [amount, rwo.*")
        .replace("epochs: 5", "epochs: 0")
        .replace("on: [drift]", "on: [drft]");
    assert_eq!(parse(&yaml, &resolve).err().unwrap().len(), 10);
    check_file(
        &yaml,
        expect![[r#"
        2 TM0008: `low_latencey` is no choice for `delivery`
            delivery: low_latencey
                      ^^^^^^^^^^^^
            did you mean `low_latency`?
        6 TM0002: the pipeline has no setting `partitons`
            partitons: 4
            ^^^^^^^^^
            did you mean `partitions`?
        12 TM0011: `tme` is no column of `shop/Order.avsc`
            event_time: tme
                        ^^^
            did you mean `time`?
        14 TM0007: `max_future` must be a duration, not `60` without a unit
            max_future: 60
                        ^^
            write a whole number and a unit: 500ms, 90s, 10m, 1h, 7d
        19 TM0011: `amuont` is no column of `shop/Order.avsc`
            cheap: { check: amuont < 500 and country is not null, on_fail: reject }
                            ^^^^^^
            did you mean `amount`?
        23 TM0009: `order` is no source of events
            labels: order
                    ^^^^^
            did you mean `orders`?
        39 TM0014: `smu` is no aggregate
            spent: smu(amount)
                   ^^^
            did you mean `sum`?
        50 TM0015: `rwo.*` is no column, feature or group of features
            inputs: [amount, rwo.*, buyer.*, seller_returns_30d]
                             ^^^^^
            did you mean `row.*`?
        52 TM0006: `epochs` must be from 1 to 10000, not 0
            training: { epochs: 0, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: 0.001, class_weight: balanced, early_stopping: 2 }
                                ^
        61 TM0008: `drft` is no choice for `on`
            on: [drft]
                 ^^^^
            did you mean `drift`?
    "#]],
    );
}

#[test]
fn limits_arrive_and_are_part_of_the_features() {
    let yaml = changed("key: buyer_id\n", "key: buyer_id\n      limits: { keys: 1000000, bytes: 2GiB }\n");
    let limited = parse(&yaml, &resolve).unwrap();
    let limits = Limits { keys: Some(1_000_000), bytes: Some(2 << 30) };
    assert_eq!(limited.features.entities[0].limits, limits);
    assert_eq!(good().features.entities[0].limits, Limits::default());
    assert_ne!(limited.features.digest, good().features.digest, "what is pushed out changes features");
}

#[test]
fn modes_of_schemas_are_chosen_for_all_or_for_one_topic() {
    let chosen = |text: &str| parse(&changed("partitions: 4", text), &resolve).unwrap();
    let modes = |pipeline: &Pipeline| {
        let plan = plan(pipeline);
        let topics = ["shop.orders.events.v1", "shop.predictions.v1", "shop.journal.log.g1"];
        topics.map(|topic| pipeline.compatibility.of(plan.topic(topic).unwrap()))
    };
    assert_eq!(modes(&good()), [None; 3]);
    let (none, full) = (Some(Compatibility::None), Some(Compatibility::Full));
    assert_eq!(modes(&chosen("compatibility: FULL")), [full, full, None]);
    assert_eq!(modes(&chosen("compatibility: { shop.predictions.v1: NONE }")), [None, none, None]);
    assert_eq!(modes(&chosen("compatibility: { all: NONE, shop.orders.events.v1: FULL }")), [full, none, None]);
}
