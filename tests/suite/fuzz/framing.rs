//! Framing of values: the parts that a value is split into are those that it was put together from.

use schemas::framing::{self, VALUE_SCHEMA_ID_HEADER};

/// With an odd first byte the second one is the length of a header that says the schema id.
pub fn answer(bytes: &[u8]) -> String {
    let Some((first, rest)) = bytes.split_first() else { return "nothing".to_owned() };
    let (header, value) = match rest.split_first() {
        Some((len, rest)) if first % 2 == 1 => {
            let (header, value) = rest.split_at(usize::from(*len).min(rest.len()));
            (Some(header), value)
        }
        _ => (None, rest),
    };
    let headers = header.map(|header| (VALUE_SCHEMA_ID_HEADER, Some(header)));
    match framing::split(Some(value), headers) {
        Err(reject) => reject.code.as_str().to_owned(),
        Ok(framed) => {
            let prefix = framing::prefix(framed.id);
            match header {
                None => assert_eq!([&prefix, framed.body].concat(), value),
                Some(header) => assert_eq!((&prefix[..], framed.body), (header, value)),
            }
            format!("framed, with a header: {}", header.is_some())
        }
    }
}
