//! What the headers of a dead letter say, and how it is published again.

use bytes::Bytes;
use flow::processor::Headers;
use schemas::reject::names::{self, ATTEMPT, IDENTITY};

use crate::dead::{APPEND_TIME_HEADER, OMITTED_HEADER, OURS, PART_HEADER, SERVICE};

/// Which source record a dead letter is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Letter {
    /// The record's topic.
    pub topic: String,
    /// Its partition.
    pub partition: u16,
    /// Its offset.
    pub offset: i64,
    /// How often it was retried before; in a topic of retries this one counts, too.
    pub attempt: u32,
    /// When the source appended the record.
    pub append_time_ms: Option<i64>,
}

/// Why a dead letter cannot be published again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Its headers do not say what it is.
    #[error("its headers do not say which record it is")]
    Unnamed,
    /// It was too large for one dead letter, and so for a log.
    #[error("it is too large for any log; have its producer send less")]
    TooLarge,
}

impl Letter {
    /// Reads the headers, the last one of each name.
    pub fn read(headers: &Headers) -> Option<Letter> {
        // Topic, partition, offset, service.
        let mut parts = header(headers, IDENTITY)?.rsplitn(4, '/');
        let is_ours = parts.next()? == SERVICE;
        let (offset, partition) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let topic = parts.next()?.to_owned();
        let attempt = header(headers, ATTEMPT)?.parse().ok()?;
        let append_time_ms = header(headers, APPEND_TIME_HEADER).and_then(|text| text.parse().ok());
        (is_ours && offset >= 0).then_some(Letter { topic, partition, offset, attempt, append_time_ms })
    }

    /// What people call it: the place of its source record.
    pub fn id(&self) -> String {
        format!("{}/{}/{}", self.topic, self.partition, self.offset)
    }
}

/// The headers of a dead letter that is published again: those that its record had, and which attempt at which letter it
/// is. Key and value stay as they are.
pub fn again(headers: &Headers) -> Result<Headers, Refused> {
    let letter = Letter::read(headers).ok_or(Refused::Unnamed)?;
    if [PART_HEADER, OMITTED_HEADER].iter().any(|name| header(headers, name).is_some()) {
        return Err(Refused::TooLarge);
    }
    let mut again = original(headers);
    let mut add = |name: &'static str, text: String| again.push((name.into(), Some(Bytes::from(text))));
    add(IDENTITY, format!("{}/{SERVICE}", letter.id()));
    add(ATTEMPT, (letter.attempt + 1).to_string());
    if let Some(append_time_ms) = letter.append_time_ms {
        add(APPEND_TIME_HEADER, append_time_ms.to_string());
    }
    Ok(again)
}

/// The headers that the record had itself.
pub fn original(headers: &Headers) -> Headers {
    let ours = |name: &str| names::ALL.contains(&name) || OURS.contains(&name);
    headers.iter().filter(|(name, _)| !ours(name)).cloned().collect()
}

/// The last header of a name, if it is text.
fn header<'h>(headers: &'h Headers, name: &str) -> Option<&'h str> {
    let (_, value) = headers.iter().rfind(|(known, _)| known == name)?;
    std::str::from_utf8(value.as_ref()?).ok()
}
