//! A small pipeline, and what becomes of it when one thing in it changes.

#![allow(clippy::unwrap_used)]

mod bad_aggregates;
mod bad_categories;
mod bad_classes;
mod bad_features;
mod bad_labels;
mod bad_models;
mod bad_monitors;
mod bad_objectives;
mod bad_pipeline;
mod bad_retention;
mod bad_rules;
mod bad_sources;
mod bad_training;
mod bad_yaml;
mod codes;
mod good;

use std::fmt::Write as _;

use expect_test::Expect;

use super::{Pipeline, Problem, parse};

/// A small pipeline that has every section.
const GOOD: &str = r#"pipeline: shop
delivery: low_latency
ordering: arrival
lateness: 10m
idle_timeout: 30s
partitions: 4
sources:
  orders:
    topic: shop.orders.events.v1
    schema: shop/Order.avsc
    id: order_id
    event_time: time
    dedupe_horizon: 1h
    max_future: 1h
    fields:
      amount: { min: 0, max: 1000 }
      country: { enum: [DE, FR], required: true }
    rules:
      cheap: { check: amount < 500 and country is not null, on_fail: reject }
  returns:
    topic: shop.returns.events.v1
    schema: shop/Return.avsc
    labels: orders
    id: order_id
    target: returned
    known_time: known
    horizon: 90d
    policy: first
features:
  version: 2
  row:
    abroad: country <> 'DE'
  entities:
    buyer:
      key: buyer_id
      windows: [1h, 7d]
      aggregates:
        orders: count()
        spent: sum(amount)
        gap: time_since_last()
    seller:
      key: seller_id
      windows: [30d]
      delay: 7d
      aggregates:
        returns: coalesce(avg(returned), 0)
models:
  risk:
    target: returned
    inputs: [amount, row.*, buyer.*, seller_returns_30d]
    network: { mlp: [16, 8] }
    training: { epochs: 5, batch_size: 32, learning_rate: 0.01, dropout: 0.1, l2: 0.001, class_weight: balanced, early_stopping: 2 }
    alert: { top_per_day: 10 }
monitors:
  inputs:
    model: risk
    window: 1d
    psi: { features: [amount, buyer_orders_7d], warn: 0.1, alarm: 0.2 }
    min_events: 100
retraining:
  on: [drift]
  train_window: 7d
  label_delay: 7d
  promote: if_better
alerts:
  topic: shop.alerts.v1
"#;

const ORDER: &str = r#"{
  "type": "record", "name": "Order", "namespace": "shop", "fields": [
    {"name": "order_id", "type": "long"},
    {"name": "time", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "buyer_id", "type": ["null", "string"]},
    {"name": "seller_id", "type": "int"},
    {"name": "amount", "type": "double"},
    {"name": "country", "type": ["null", "string"]},
    {"name": "Gift", "type": "boolean"},
    {"name": "lines", "type": {"type": "array", "items": "string"}}
  ]
}"#;

const RETURN: &str = r#"{
  "type": "record", "name": "Return", "namespace": "shop", "fields": [
    {"name": "order_id", "type": "long"},
    {"name": "order_ref", "type": "string"},
    {"name": "returned", "type": "boolean"},
    {"name": "known", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}]},
    {"name": "reason", "type": "string"}
  ]
}"#;

fn resolve(path: &str) -> Result<String, String> {
    match path {
        "shop/Order.avsc" => Ok(ORDER.to_owned()),
        "shop/Return.avsc" => Ok(RETURN.to_owned()),
        "shop/broken.avsc" => Ok("{".to_owned()),
        "shop/enum.avsc" => Ok(r#"{"type": "enum", "name": "E", "symbols": ["A"]}"#.to_owned()),
        "shop/empty.avsc" => Ok(r#"{"type": "record", "name": "E", "fields": []}"#.to_owned()),
        _ => Err("there is no such file under `schemas/avro`".to_owned()),
    }
}

fn good() -> Pipeline {
    parse(GOOD, &resolve).unwrap()
}

/// [`GOOD`] with one text replaced; the text must be there once.
fn changed(from: &str, to: &str) -> String {
    assert_eq!(GOOD.matches(from).count(), 1, "`{from}` must be in the file once");
    GOOD.replacen(from, to, 1)
}

/// Replaces one text of the good file and compares all problems that follow.
#[track_caller]
fn check(from: &str, to: &str, expected: Expect) {
    check_file(&changed(from, to), expected);
}

#[track_caller]
fn check_file(yaml: &str, expected: Expect) {
    let problems = parse(yaml, &resolve).err().unwrap_or_default();
    expected.assert_eq(&render(yaml, &problems));
}

/// Each problem with its line of the file, carets under the place, and the help.
fn render(yaml: &str, problems: &[Problem]) -> String {
    let mut text = String::new();
    for problem in problems {
        let span = problem.span;
        let line_start = yaml[..span.start].rfind('\n').map_or(0, |at| at + 1);
        let line = yaml[line_start..].lines().next().unwrap_or_default();
        let before = yaml[line_start..span.start].chars().count();
        assert_eq!(before + 1, usize::try_from(span.column).unwrap(), "the column agrees with the bytes");
        assert_eq!(yaml[..line_start].matches('\n').count() + 1, usize::try_from(span.line).unwrap());
        let carets = yaml[span.start..span.end].chars().count().max(1);
        let shift = line.len() - line.trim_start().len();
        writeln!(text, "{} {}: {}", span.line, problem.code, problem.message).unwrap();
        if !line.is_empty() {
            writeln!(text, "    {}", line.trim()).unwrap();
        }
        writeln!(text, "    {}{}", " ".repeat(before - shift.min(before)), "^".repeat(carets)).unwrap();
        if let Some(help) = &problem.help {
            writeln!(text, "    {help}").unwrap();
        }
    }
    text
}
