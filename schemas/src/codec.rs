//! Avro bodies to Arrow batches and back.
//!
//! A [`Decoder`] reads bodies of any known writer schema into batches of one reader schema, in one pass per batch, and
//! tells bad records apart from good ones: which records are accepted, and what they decode to, depends on each record
//! alone and never on its neighbours. (arrow-avro has the verdict; it takes a branch that a nullable field does not have
//! for the value's, where apache-avro would refuse it.) An [`Encoder`] writes batches as framed rows into one buffer.

mod decoder;
mod diagnose;
mod encoder;
mod known;
mod merge;
mod names;
mod reshape;
mod schema;
mod writer;

pub use crate::framing::Framed;
pub use arrow_avro::writer::EncodedRows;
pub use decoder::{BATCH_BYTES_MAX, Decoded, Decoder, RECORD_BYTES_MAX};
pub use encoder::Encoder;
pub(crate) use known::parse as parse_schema;
pub use schema::{AVRO_SCHEMA_KEY, arrow_schema};

/// Why a schema or a batch cannot be used. Bad records are not errors, see [`Decoded::rejected`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is no Avro schema, or not of a record.
    #[error("not a usable avro record schema: {detail}")]
    Schema {
        /// What the parser says.
        detail: String,
    },
    /// The writer's schema cannot be read with the reader's.
    #[error("schema id {id} cannot be read with the reader's schema: {detail}")]
    Incompatible {
        /// The writer's id.
        id: u32,
        /// The field and the difference.
        detail: String,
    },
    /// The id already stands for another schema.
    #[error("schema id {id} was already added with another schema; ids never change their schema")]
    IdReused {
        /// The id.
        id: u32,
    },
    /// The Arrow schema has no Avro schema in its metadata.
    #[error("the arrow schema has no `{AVRO_SCHEMA_KEY}` metadata; take it from `arrow_schema`")]
    NoAvroSchema,
    /// The batch does not have the encoder's columns, or holds a value that its Avro schema forbids.
    #[error("the batch cannot be encoded: {detail}")]
    Encode {
        /// The column and the difference.
        detail: String,
    },
}

/// An error with all its causes, outermost first.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
