//! A bad record is found alone, wherever it stands, and changes nothing about the others.

use super::*;
use crate::reject::Code;

fn decoder() -> Decoder {
    let mut decoder = Decoder::new(RICH).unwrap();
    decoder.add_writer(1, RICH).unwrap();
    // The same shape with another default goes through resolution.
    decoder.add_writer(2, &RICH.replace(r#""default":"x""#, r#""default":"y""#)).unwrap();
    decoder
}

/// Small schema whose bodies are easy to break by hand.
const PLAIN: &str = r#"{"type":"record","name":"P","fields":[
    {"name":"n","type":"long"},{"name":"s","type":"string"},
    {"name":"k","type":{"type":"enum","name":"K","symbols":["A","B"]}},{"name":"d","type":"double"}]}"#;

#[track_caller]
fn check(body: &[u8], code: Code, detail: &str) {
    let good = bodies(PLAIN, [serde_json::json!({"n": 1, "s": "x", "k": "B", "d": 0.5})]).remove(0);
    let mut decoder = Decoder::new(PLAIN).unwrap();
    decoder.add_writer(1, PLAIN).unwrap();
    for place in 0..3 {
        let mut records = vec![Framed { id: 1, body: &good }; 3];
        records[place].body = body;
        let decoded = decoder.decode(&records);
        assert_eq!(decoded.rejected.len(), 1, "{:?}", decoded.rejected);
        let (index, reject) = &decoded.rejected[0];
        assert_eq!((*index, reject.code), (place, code), "{reject}");
        assert!(reject.detail.contains(detail), "{reject}");
        assert_eq!(encoded(&decoded.batch, decoder.schema()), [good.clone(), good.clone()]);
    }
}

#[test]
fn each_way_to_be_bad_has_its_code() {
    let good = bodies(PLAIN, [serde_json::json!({"n": 1, "s": "xy", "k": "A", "d": 0.5})]).remove(0);
    let with = |index: usize, byte: u8| {
        let mut body = good.clone();
        body[index] = byte;
        body
    };
    check(&[], Code::AvroTruncated, "empty");
    for length in 1..good.len() {
        check(&good[..length], Code::AvroTruncated, "field ");
    }
    check(&with(1, 2 << 1 | 1), Code::AvroDecode, "field s");
    check(&with(1, 126), Code::AvroTruncated, "field s");
    check(&with(2, 0xff), Code::AvroDecode, "field s");
    check(&with(4, 4), Code::AvroDecode, "field k");
    check(&with(4, 1), Code::AvroDecode, "field k");
    check(&[0x80; 11], Code::AvroDecode, "field n");
}

#[test]
fn bytes_after_the_record_are_refused_whatever_they_are() {
    let good = bodies(PLAIN, [serde_json::json!({"n": 1, "s": "xy", "k": "A", "d": 0.5})]).remove(0);
    let again = [crate::framing::prefix(1).to_vec(), good.clone()].concat();
    let tails: [&[u8]; 8] =
        [&[0], &[7], &[0; 4], &[0, 0, 0, 0, 1], &[0, 0, 0, 0, 9], &[0, 0, 0, 0, 1, 5], &again, &[0; 40]];
    for tail in tails {
        check(&[good.as_slice(), tail].concat(), Code::AvroTrailingBytes, "record ends");
    }
}

#[test]
fn body_that_ends_like_its_own_prefix_is_accepted() {
    let schema = r#"{"type":"record","name":"P","fields":[{"name":"raw","type":"bytes"}]}"#;
    let mut decoder = Decoder::new(schema).unwrap();
    decoder.add_writer(1, schema).unwrap();
    let body = [10, 0, 0, 0, 0, 1];
    let decoded = decoder.decode(&[Framed { id: 1, body: &body }; 3]);
    assert_eq!(encoded(&decoded.batch, decoder.schema()), vec![body.to_vec(); 3]);
}

#[test]
fn unknown_schema_and_size_are_judged_before_decoding() {
    let good = bodies(RICH, [rich(1)]).remove(0);
    let mut decoder = decoder().with_record_bytes_max(good.len());
    let long = [good.as_slice(), &[0]].concat();
    let records = [(1, &good), (8, &good), (2, &long), (1, &good)].map(|(id, body)| Framed { id, body });
    let decoded = decoder.decode(&records);
    let codes: Vec<(usize, Code)> = decoded.rejected.iter().map(|(index, reject)| (*index, reject.code)).collect();
    assert_eq!(codes, [(1, Code::SchemaUnknown), (2, Code::RecordTooLarge)]);
    assert_eq!(decoded.accepted().collect::<Vec<_>>(), [0, 3]);
}

#[test]
fn claimed_billions_of_elements_cost_nothing() {
    let schema = r#"{"type":"record","name":"P","fields":[
        {"name":"a","type":{"type":"array","items":"boolean"}},{"name":"m","type":{"type":"map","values":"long"}}]}"#;
    let mut decoder = Decoder::new(schema).unwrap();
    decoder.add_writer(1, schema).unwrap();
    let huge: [&[u8]; 4] = [
        &[0xfe, 0xff, 0xff, 0xff, 0x0f, 1, 1],
        &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2],
        &[0, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0xfe, 0xff, 0xff, 0xff, 0x0f],
    ];
    for body in huge {
        let decoded = decoder.decode(&[Framed { id: 1, body }]);
        assert_eq!(decoded.rejected.len(), 1, "{body:?}");
    }
}

/// A generator whose whole sequence follows from its seed, so that a failure names it.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

fn damaged(body: &[u8], random: &mut Lcg) -> Vec<u8> {
    let mut body = body.to_vec();
    match random.below(4) {
        0 => body.truncate(random.below(body.len())),
        1 => body.extend((0..1 + random.below(8)).map(|_| [0, 0, 0, 1, 200][random.below(5)])),
        2 => {
            let index = random.below(body.len());
            body[index] = random.below(256) as u8;
        }
        _ => {
            let index = random.below(body.len());
            body.remove(index);
        }
    }
    body
}

type Verdict = Result<Vec<u8>, (Code, String)>;

fn verdicts(decoder: &mut Decoder, records: &[Framed<'_>]) -> Vec<Verdict> {
    let decoded = decoder.decode(records);
    let mut verdicts: Vec<Option<Verdict>> = vec![None; records.len()];
    let rows = encoded(&decoded.batch, decoder.schema());
    for (index, row) in decoded.accepted().collect::<Vec<_>>().into_iter().zip(rows) {
        verdicts[index] = Some(Ok(row));
    }
    for (index, reject) in decoded.rejected {
        verdicts[index] = Some(Err((reject.code, reject.detail.into_owned())));
    }
    verdicts.into_iter().map(Option::unwrap).collect()
}

#[test]
fn verdict_and_row_depend_on_the_record_alone() {
    for seed in 0..12 {
        let mut random = Lcg(seed);
        let share = [2, 10, 100][random.below(3)];
        let bodies: Vec<Vec<u8>> = bodies(RICH, (0..120).map(rich))
            .into_iter()
            .map(|body| if random.below(100) < share { damaged(&body, &mut random) } else { body })
            .collect();
        let records: Vec<Framed<'_>> =
            bodies.iter().map(|body| Framed { id: 1 + random.below(2) as u32, body }).collect();
        let mut decoder = decoder();
        let together = verdicts(&mut decoder, &records);
        let alone: Vec<Verdict> =
            records.iter().flat_map(|record| verdicts(&mut decoder, std::slice::from_ref(record))).collect();
        assert_eq!(together, alone, "seed {seed}");
        let split = random.below(records.len());
        let mut halves = verdicts(&mut decoder, &records[..split]);
        halves.extend(verdicts(&mut decoder, &records[split..]));
        assert_eq!(together, halves, "seed {seed}, split at {split}");
    }
}

#[test]
fn accepted_damage_means_what_apache_avro_reads() {
    let mut random = Lcg(99);
    let sound = bodies(RICH, (0..60).map(rich));
    let mut decoder = decoder();
    let mut both = 0;
    for _ in 0..4_000 {
        let body = damaged(&sound[random.below(sound.len())], &mut random);
        let ours = verdicts(&mut decoder, &[Framed { id: 1, body: &body }]).remove(0);
        // apache-avro is the stricter of the two on union branches; where both accept, the values are the same.
        if let (Ok(ours), Some(theirs)) = (&ours, apache(RICH, RICH, &body)) {
            assert_eq!(*ours, theirs, "{body:?}");
            both += 1;
        }
    }
    assert!(both > 100, "only {both} bodies were accepted by both");
}
