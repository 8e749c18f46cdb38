//! The contracts between Tidemill's services: framing, Avro codec, keys, reject codes, the registry's face, and the
//! Avro schemas of public topics and internal logs.
//!
//! This crate knows bytes and Arrow batches. It reads no clock, opens no socket, and names no pipeline.

pub mod codec;
pub mod compatibility;
pub mod contracts;
pub mod framing;
pub mod json;
pub mod key;
pub mod log;
pub mod registry;
pub mod reject;

pub use codec::{Decoded, Decoder, Encoder, arrow_schema};
pub use framing::Framed;
pub use reject::{Code, Reject};
