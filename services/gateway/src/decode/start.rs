//! Where reading begins.

use std::str::FromStr;

/// A place in each partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The oldest record.
    Start,
    /// After the newest record.
    End,
    /// This offset, or the nearest there is.
    Offset(i64),
    /// So many records before the end.
    Last(i64),
}

impl Start {
    /// The offset in a partition that holds `start` to `end`.
    pub fn offset(self, start: i64, end: i64) -> i64 {
        match self {
            Self::Start => start,
            Self::End => end,
            Self::Offset(offset) => offset.clamp(start, end),
            Self::Last(count) => end.saturating_sub(count).max(start),
        }
    }

    /// Whether this is a place before the oldest record of a partition that begins at `start`.
    pub fn is_deleted(self, start: i64) -> bool {
        matches!(self, Self::Offset(offset) if offset < start)
    }
}

impl FromStr for Start {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is no place to read from; write start, end, an offset, or -N for the last N records");
        match text {
            "start" => Ok(Self::Start),
            "end" => Ok(Self::End),
            text => match (text.strip_prefix('-'), text.parse::<i64>()) {
                (Some(count), _) => Ok(Self::Last(count.parse::<u32>().map_err(|_| wrong())?.into())),
                (None, Ok(offset)) => Ok(Self::Offset(offset)),
                (None, Err(_)) => Err(wrong()),
            },
        }
    }
}
