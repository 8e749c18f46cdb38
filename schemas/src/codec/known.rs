//! Schemas that were parsed before. Decoders and writers are made anew for each task and at each restart, from schemas
//! that hardly ever change, and parsing takes longer than everything else about them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use apache_avro::Schema as Avro;
use arrow::datatypes::SchemaRef;

use super::Error;
use super::schema::{parse_anew, to_arrow};

/// So many schemas are kept. One more, and all are forgotten.
const SCHEMAS_MAX: usize = 128;
/// Longer texts are parsed each time.
const TEXT_BYTES_MAX: usize = 64 << 10;

static KNOWN: Known = Known::new();

/// A schema that passed the checks.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub avro: Avro,
    arrow: OnceLock<Result<SchemaRef, String>>,
}

/// Parses the text, unless that was done before, and refuses what [`parse_anew`] refuses.
pub(crate) fn parse(avro_json: &str) -> Result<Arc<Parsed>, Error> {
    KNOWN.parse(avro_json)
}

impl Parsed {
    /// The Arrow form; `avro_json` is the text that was parsed.
    pub fn arrow(&self, avro_json: &str) -> Result<SchemaRef, Error> {
        let arrow = self.arrow.get_or_init(|| to_arrow(avro_json));
        arrow.clone().map_err(|detail| Error::Schema { detail })
    }
}

struct Known(Mutex<BTreeMap<Box<str>, Arc<Parsed>>>);

impl Known {
    const fn new() -> Self {
        Known(Mutex::new(BTreeMap::new()))
    }

    fn parse(&self, avro_json: &str) -> Result<Arc<Parsed>, Error> {
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(parsed) = known().get(avro_json) {
            return Ok(parsed.clone());
        }
        let parsed = Arc::new(Parsed { avro: parse_anew(avro_json)?, arrow: OnceLock::new() });
        if avro_json.len() <= TEXT_BYTES_MAX {
            let mut known = known();
            if known.len() >= SCHEMAS_MAX {
                known.clear();
            }
            known.insert(avro_json.into(), parsed.clone());
        }
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn schema(name: &str) -> String {
        format!(r#"{{"type":"record","name":"{name}","fields":[{{"name":"a","type":"int"}}]}}"#)
    }

    #[test]
    fn a_text_is_parsed_once() {
        let known = Known::new();
        let [first, again, other] = ["A", "A", "B"].map(|name| known.parse(&schema(name)).unwrap());
        assert!(Arc::ptr_eq(&first, &again) && !Arc::ptr_eq(&first, &other));
        let [one, same] = [&first, &again].map(|parsed| parsed.arrow(&schema("A")).unwrap());
        assert!(Arc::ptr_eq(&one, &same));
    }

    #[test]
    fn what_is_refused_is_refused_again() {
        let known = Known::new();
        assert!((0..2).all(|_| known.parse("\"int\"").is_err()));
        assert!(known.0.lock().unwrap().is_empty());
    }

    #[test]
    fn many_and_long_texts_are_not_kept() {
        let known = Known::new();
        for number in 0..SCHEMAS_MAX + 2 {
            known.parse(&schema(&format!("A{number}"))).unwrap();
            assert!(known.0.lock().unwrap().len() <= SCHEMAS_MAX);
        }
        let kept = known.0.lock().unwrap().len();
        known.parse(&schema(&"A".repeat(TEXT_BYTES_MAX))).unwrap();
        assert_eq!(known.0.lock().unwrap().len(), kept);
    }
}
