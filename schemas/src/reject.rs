//! Reason codes of rejected records, and the headers a dead letter carries.
//!
//! Every code has a row in `schemas/rejects.md` that says what causes it and what to do; a test compares both ways.

mod headers;
mod help;

use std::borrow::Cow;
use std::fmt;

pub use headers::{DETAIL_BYTES_MAX, DeadLetter, dead_letter_headers, names};
pub use help::Help;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident => $text:literal,)+) => {
        /// Why a record was rejected. The text form is part of the wire contract and never changes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Code { $($(#[doc = $doc])+ $name,)+ }

        impl Code {
            /// Every code, in the order of `schemas/rejects.md`.
            pub const ALL: &'static [Code] = &[$(Code::$name,)+];

            /// The text that travels in the `tidemill.dlq.reason` header.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text,)+ }
            }

            /// The code with this text, if there is one.
            pub fn parse(text: &str) -> Option<Code> {
                match text { $($text => Some(Code::$name),)+ _ => None }
            }
        }
    };
}

codes! {
    /// The record has no value (a tombstone) or an empty one, on a topic that carries events.
    NullValue => "NULL_VALUE",
    /// The value is shorter than the five bytes of a schema prefix.
    FrameTooShort => "FRAME_TOO_SHORT",
    /// The first byte is not the magic byte 0.
    FrameMagic => "FRAME_MAGIC",
    /// The schema is named by a 16-byte GUID, which is not supported.
    SchemaIdGuid => "SCHEMA_ID_GUID",
    /// The schema-id header does not have a form we know.
    SchemaIdHeader => "SCHEMA_ID_HEADER",
    /// The registry answered that it has no schema with this id.
    SchemaUnknown => "SCHEMA_UNKNOWN",
    /// The writer's schema cannot be read with the source's schema.
    SchemaIncompatible => "SCHEMA_INCOMPATIBLE",
    /// The body contradicts its writer's schema.
    AvroDecode => "AVRO_DECODE",
    /// The body ends before the record does.
    AvroTruncated => "AVRO_TRUNCATED",
    /// The body goes on after the record ended.
    AvroTrailingBytes => "AVRO_TRAILING_BYTES",
    /// The value of a source in JSON is no JSON, or ends too early, or goes on too long.
    JsonSyntax => "JSON_SYNTAX",
    /// The value of a source in JSON is no UTF-8.
    JsonEncoding => "JSON_ENCODING",
    /// An object has a key twice.
    JsonDuplicateKey => "JSON_DUPLICATE_KEY",
    /// Arrays and objects are nested deeper than the limit.
    JsonDepth => "JSON_DEPTH",
    /// The record is larger than the declared limit.
    RecordTooLarge => "RECORD_TOO_LARGE",
    /// A field has another type than the schema says.
    FieldType => "FIELD_TYPE",
    /// A field that must have a value is null or missing.
    FieldNull => "FIELD_NULL",
    /// A field's value lies outside its declared range.
    FieldRange => "FIELD_RANGE",
    /// A field's value is not one of the declared symbols.
    FieldEnum => "FIELD_ENUM",
    /// A number is NaN or infinite where a finite one is required.
    FieldNan => "FIELD_NAN",
    /// An object carries a field that the schema does not have.
    FieldUnknown => "FIELD_UNKNOWN",
    /// The event time lies further in the future than allowed.
    TimeFuture => "TIME_FUTURE",
    /// The event time is before the epoch's supported range or cannot be read.
    TimeInvalid => "TIME_INVALID",
    /// The event id is null or empty.
    IdMissing => "ID_MISSING",
    /// An entity key has a type or length that cannot be a key.
    KeyInvalid => "KEY_INVALID",
    /// A declared rule was false for the record.
    RuleFailed => "RULE_FAILED",
    /// A declared rule could not be computed for the record.
    RuleError => "RULE_ERROR",
    /// The label is null, not a number, or outside the target's values.
    LabelInvalid => "LABEL_INVALID",
    /// The label is none of the classes that the target has.
    LabelUnknownClass => "LABEL_UNKNOWN_CLASS",
    /// The event has another label, and the first one counts.
    LabelConflict => "LABEL_CONFLICT",
    /// The event has another label that became known later, and the last one counts.
    LabelSuperseded => "LABEL_SUPERSEDED",
    /// Nobody heard of the label's event within the horizon.
    LabelUnknownEvent => "LABEL_UNKNOWN_EVENT",
    /// A record in a topic of retries does not say which dead letter it was.
    RetryInvalid => "RETRY_INVALID",
    /// What the record became is larger than the target topic accepts.
    OutputTooLarge => "OUTPUT_TOO_LARGE",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One rejected record: why, and the values that show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The reason.
    pub code: Code,
    /// The values involved, in words a producer understands.
    pub detail: Cow<'static, str>,
}

impl Reject {
    /// A reject with this code and detail.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Reject { code, detail: detail.into() }
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

#[cfg(test)]
mod tests;
