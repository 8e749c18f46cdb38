//! Avro as its own project tests it: canonical forms and fingerprints, container files of every codec, single objects. What
//! is in the files goes through our decoder and encoder, and comes out byte by byte. What does not is listed with its reason.

use apache_avro::rabin::Rabin;
use apache_avro::writer::datum::GenericDatumWriter;
use apache_avro::{Reader, Schema};
use schemas::codec::{Decoder, Encoder, Framed};
use schemas::framing;
use schemas::json::JsonWriter;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use tests::data;

/// A schema whose canonical form differs, by its number in the file: `apache-avro` leaves the `order` of a field in it.
/// Nothing of ours goes by canonical forms; our registry compares all that is in a schema.
const NOT_CANONICAL: usize = 26;
/// A container of Avro 1.2, from before the format of today: other magic bytes, and the metadata at the end.
const ANCIENT: &str = "test.avro12";

fn folder() -> Option<PathBuf> {
    data::folder("avro-spec")
}

/// One case of the file: a schema, its canonical form, and the fingerprint of that, where it is said.
#[derive(Debug)]
struct Case {
    input: String,
    canonical: String,
    fingerprint: Option<i64>,
}

/// A value is the rest of its line, or the lines up to one with its name alone.
fn cases(text: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some((name, value)) = line.strip_prefix("<<").map(|rest| rest.split_once(' ').unwrap_or((rest, ""))) else {
            continue;
        };
        let value = match value {
            "" => lines.by_ref().take_while(|line| *line != name).map(|line| format!("{line}\n")).collect(),
            value => value.to_owned(),
        };
        match (name, cases.last_mut()) {
            ("INPUT", _) => cases.push(Case { input: value, canonical: String::new(), fingerprint: None }),
            ("canonical", Some(case)) => case.canonical = value,
            ("fingerprint", Some(case)) => case.fingerprint = Some(value.parse().expect("a number")),
            other => panic!("{other:?}"),
        }
    }
    cases
}

#[test]
fn canonical_forms_and_fingerprints_are_those_of_the_specification() {
    let Some(folder) = folder() else { return };
    let cases = cases(&fs::read_to_string(folder.join("schema-tests.txt")).expect("the file"));
    let mut wrong = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let schema = Schema::parse_str(&case.input).unwrap_or_else(|error| panic!("{}: {error}", case.input));
        let canonical = schema.canonical_form();
        let bytes = schema.fingerprint::<Rabin>().bytes;
        let fingerprint = i64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        let is_right = canonical == case.canonical && case.fingerprint.is_none_or(|expected| expected == fingerprint);
        if is_right == (number == NOT_CANONICAL) {
            wrong.push(format!("{number} {case:?}: {canonical} {fingerprint}"));
        }
    }
    assert_eq!((cases.len(), cases.iter().filter(|case| case.fingerprint.is_some()).count()), (34, 26));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A file's schema, and the bodies of its records.
fn container(path: &Path) -> Result<(String, Vec<Vec<u8>>), apache_avro::Error> {
    let reader = Reader::new(File::open(path).expect("the file"))?;
    let schema = reader.writer_schema().clone();
    let writer = GenericDatumWriter::builder(&schema).build()?;
    let bodies = reader.map(|value| writer.write_value_to_vec(value?)).collect::<Result<_, _>>()?;
    Ok((schema.canonical_form(), bodies))
}

/// Bodies that our decoder has read and our encoder has written again.
fn through(schema: &str, bodies: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, String> {
    let mut decoder = Decoder::new(schema).map_err(|error| error.to_string())?;
    decoder.add_writer(1, schema).map_err(|error| error.to_string())?;
    let decoded = decoder.decode(&bodies.iter().map(|body| Framed { id: 1, body }).collect::<Vec<_>>());
    if let Some((row, reject)) = decoded.rejected.first() {
        return Err(format!("record {row}: {reject}"));
    }
    let mut encoder = Encoder::new(decoder.schema(), 1).map_err(|error| error.to_string())?;
    let rows = encoder.encode(&decoded.batch).map_err(|error| error.to_string())?;
    Ok(rows.iter().map(|row| row[framing::PREFIX_BYTES..].to_vec()).collect())
}

#[test]
fn container_files_go_through_our_decoder_and_encoder() {
    let Some(folder) = folder() else { return };
    let read = |name: &str| {
        let (schema, bodies) = container(&folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let ours = through(&schema, &bodies).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!bodies.is_empty() && ours == bodies, "{name}");
        (schema, bodies)
    };
    for name in ["syncInMeta.avro", "schemas/simple/data.avro", "schemas/withUnion/data.avro"] {
        read(name);
    }
    let weather = fs::read_to_string(folder.join("weather.json")).expect("the file");
    for kind in ["", "-deflate", "-snappy", "-zstd", "-sorted"] {
        let (schema, mut bodies) = read(&format!("weather{kind}.avro"));
        let writer = JsonWriter::new(&schema).expect("a schema");
        let row = |line: &str| writer.body(&serde_json::from_str(line).expect("JSON")).expect("a row");
        let mut rows: Vec<_> = weather.lines().map(row).collect();
        rows.sort();
        bodies.sort();
        assert_eq!(bodies, rows, "{kind}");
    }
    let error = container(&folder.join(ANCIENT)).expect_err("it is no container of today").to_string();
    assert!(error.contains("magic"), "{error}");
}

#[test]
fn a_single_object_names_its_schema_by_the_fingerprint() {
    const MARKER: [u8; 2] = [0xc3, 0x01];
    let Some(folder) = folder() else { return };
    let text = fs::read_to_string(folder.join("messageV1/test_schema.avsc")).expect("the file");
    let message = fs::read(folder.join("messageV1/test_message.bin")).expect("the file");
    let fingerprint = Schema::parse_str(&text).expect("a schema").fingerprint::<Rabin>().bytes;
    let body = JsonWriter::new(&text).expect("a schema").body(&serde_json::json!({
        "id": 42, "name": "Bill", "tags": ["dog_lover", "cat_hater"]
    }));
    assert_eq!(message, [&MARKER[..], &fingerprint, &body.expect("a body")].concat());
}
