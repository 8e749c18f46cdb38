//! One text per JSON value, and digests of bytes.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// The compact text of a JSON value with the keys of every object in byte order.
///
/// The order of keys inside `serde_json` depends on features that other crates switch on, so it is made here.
pub fn json_text(value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, value);
    out
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<&String, &Value> = map.iter().collect();
            write_list(out, ['{', '}'], sorted.into_iter(), |out, (key, value)| {
                write_scalar(out, &Value::String(key.clone()));
                out.push(':');
                write_value(out, value);
            });
        }
        Value::Array(items) => write_list(out, ['[', ']'], items.iter(), write_value),
        scalar => write_scalar(out, scalar),
    }
}

fn write_list<T>(out: &mut String, brackets: [char; 2], items: impl Iterator<Item = T>, each: impl Fn(&mut String, T)) {
    out.push(brackets[0]);
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(',');
        }
        each(out, item);
    }
    out.push(brackets[1]);
}

fn write_scalar(out: &mut String, scalar: &Value) {
    // Writing to a string cannot fail.
    let _ = write!(out, "{scalar}");
}

/// SHA-256 in lower-case hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
