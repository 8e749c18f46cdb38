//! Marks and fences of a record as text: a replay needs them where they stood.

use crate::text::hex;
use flow::items::{Fence, Head};
use flow::names::Names;
use serde::{Deserialize, Serialize};

/// Column with the control text of a record; null on items.
pub const CONTROL: &str = "_control";

/// What a record of an internal log carries besides items. The fence takes effect before the record's items, marks
/// apply after them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// Log or source topic, partition, and the time below which nothing more comes from it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<(String, u16, i64)>,
    /// The fence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<ControlFence>,
}

/// A fence as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlFence {
    /// Number of the control state.
    pub number: i64,
    /// The control state, byte for byte as the log has it.
    pub state: String,
    /// The signature in hex; empty when unsigned.
    pub signature: String,
}

impl Control {
    /// What a record carries; none where it carries only items.
    pub fn of(head: &Head, names: &Names) -> Option<Self> {
        if head.marks.is_empty() && head.fence.is_none() {
            return None;
        }
        let mark = |(place, time_us): &(flow::names::Place, i64)| {
            (names.topic(place.topic).to_string(), place.partition, *time_us)
        };
        let fence = |fence: &Fence| ControlFence {
            number: fence.number,
            state: fence.state.clone(),
            signature: hex(&fence.signature),
        };
        Some(Control { marks: head.marks.iter().map(mark).collect(), fence: head.fence.as_ref().map(fence) })
    }

    /// The text of the column.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
