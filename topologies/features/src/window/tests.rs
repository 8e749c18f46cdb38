#![allow(clippy::unwrap_used)]

//! The engine against a recomputation from all rows.

mod cold;
mod limit;
mod memory;
mod model;
mod properties;
mod tables;

use super::{Engine, Key};
use crate::spec::{Declaration, Group, Scope};

/// A group over columns `a`, `b` and the label target `y`.
fn group(windows: &[&str], delay: &str, aggregates: &[(&str, &str)]) -> Group {
    let declaration = Declaration {
        name: "g",
        key: "k",
        windows: windows.to_vec(),
        delay: Some(delay),
        aggregates: aggregates.to_vec(),
    };
    Group::parse(&declaration, &Scope { numeric: vec!["a", "b"], texts: vec![], other: vec![], target: Some("y") })
        .unwrap()
}

/// Keys 0 and 2 collide in their hash, 0 to 2 share a key group.
fn key(number: u8) -> (u64, String) {
    let hash = match number {
        0 | 2 => 5 << 56 | 7,
        1 => 5 << 56 | 8,
        other => u64::from(other) << 56,
    };
    (hash, format!("key-{number}"))
}

fn event(engine: &mut Engine, number: u8, time_us: i64, values: &[Option<f64>]) -> Vec<Option<f64>> {
    let (hash, text) = key(number);
    let mut out = vec![None; engine.width()];
    engine.event(Some(Key { hash, text: &text }), time_us, values, &mut out);
    out
}

fn label(engine: &mut Engine, number: u8, time_us: i64, value: f64) {
    let (hash, text) = key(number);
    engine.label(Some(Key { hash, text: &text }), time_us, Some(value));
}

/// Gives a key a past: as if that many entries of each series had come and gone.
fn start_numbers_at(engine: &mut Engine, number: u8, seq: u32) {
    let (hash, text) = key(number);
    let id = engine.intern(Key { hash, text: &text });
    engine.states.keys.heads[id as usize].now_us = 0;
    for series in (0..super::plan::SERIES).filter(|series| engine.plan.keeps(*series)) {
        let view = &mut engine.states.view(&engine.plan, id, series);
        *view.ring = super::ring::Ring::starting_at(seq);
        view.reset_cursors();
    }
}
