//! Texts beside the columns: headers of a record, and what a footer keeps for whoever goes on.

use crate::Error;
use flow::state::Taken;
use runtime::log::Header;
use serde::{Deserialize, Serialize, Serializer};
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

/// Headers as a JSON list of pairs: name and text, null, or `{"hex": …}` for bytes that are no text. `buffer` is
/// overwritten; its text is returned.
pub fn headers<'a>(headers: &[Header], buffer: &'a mut Vec<u8>) -> Option<&'a str> {
    if headers.is_empty() {
        return None;
    }
    buffer.clear();
    serde_json::to_writer(&mut *buffer, &Pairs(headers)).ok()?;
    std::str::from_utf8(buffer).ok()
}

/// What the list of headers is made from, without a copy of it in between.
struct Pairs<'a>(&'a [Header]);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|header| (&*header.name, Shown(header))))
    }
}

struct Shown<'a>(&'a Header);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (&self.0.value, self.0.text()) {
            (None, _) => serializer.serialize_none(),
            (Some(_), Some(text)) => serializer.serialize_str(text),
            (Some(bytes), None) => serializer.collect_map([("hex", hex(bytes))]),
        }
    }
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
