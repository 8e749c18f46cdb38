//! Texts beside the columns: headers of a record, and what a footer keeps for whoever goes on.

use crate::Error;
use flow::state::Taken;
use runtime::log::Header;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt::Write;

/// What a reader must know to go on behind a file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Numbers {
    /// Numbers taken from each parent (internal logs).
    #[serde(default, rename = "in", skip_serializing_if = "Vec::is_empty")]
    pub taken: Vec<Taken>,
    /// Schema that the columns follow (other topics).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<u32>,
}

impl Numbers {
    /// The text for a footer.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads a footer's text.
    pub fn read(topic: &str, text: &str) -> Result<Self, Error> {
        serde_json::from_str(text).map_err(|error| Error::Numbers {
            topic: topic.to_owned(),
            text: text.to_owned(),
            detail: error.to_string(),
        })
    }
}

/// Headers as a JSON list of pairs: name and text, null, or `{"hex": …}` for bytes that are no text.
pub fn headers(headers: &[Header]) -> Option<String> {
    if headers.is_empty() {
        return None;
    }
    let pair = |header: &Header| {
        let value = match (&header.value, header.text()) {
            (None, _) => Value::Null,
            (Some(_), Some(text)) => Value::from(text),
            (Some(bytes), None) => serde_json::json!({ "hex": hex(bytes) }),
        };
        Value::from(vec![Value::from(&*header.name), value])
    };
    Some(Value::from(headers.iter().map(pair).collect::<Vec<_>>()).to_string())
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
