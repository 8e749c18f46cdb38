//! Which schemas may follow which, against answers that Apache Avro's own check gives.

use apache_avro::Schema;
use registry::schemas::Compatibility;
use serde_json::Value;
use tests::data;

fn parse(schema: &Value) -> Schema {
    Schema::parse(schema).unwrap_or_else(|error| panic!("{schema}: {error}"))
}

fn read(folder: &str, file: &str) -> Option<Value> {
    let text = std::fs::read_to_string(data::folder(folder)?.join(file)).expect("the file");
    Some(serde_json::from_str(&text).expect("JSON"))
}

#[test]
fn a_change_is_judged_as_confluent_judges_it() {
    let Some(cases) = read("schema-compat", "compat_modes.json") else { return };
    let schema = |name: &Value| parse(&cases["schemas"][name.as_str().expect("a name")]);
    let (mut wrong, mut answers) = (Vec::new(), 0);
    for case in cases["cases"].as_array().expect("cases") {
        let new = schema(&case["new"]);
        let history: Vec<Schema> = case["history_oldest_first"].as_array().expect("names").iter().map(schema).collect();
        for mode in Compatibility::ALL {
            let expected = case["expected"][mode.name()].as_bool().expect("an answer");
            let breach = mode.compared(&history).iter().find_map(|earlier| mode.breach(earlier, &new));
            answers += 1;
            if breach.is_none() != expected {
                wrong.push(format!(
                    "{} after {}, {}: {breach:?}",
                    case["new"],
                    case["history_oldest_first"],
                    mode.name()
                ));
            }
        }
    }
    assert_eq!(answers, 25 * 7);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_reader_reads_a_writer_as_the_specification_says() {
    let Some(pairs) = read("avro-spec", "reader_writer_compat.json") else { return };
    let pairs = pairs.as_array().expect("pairs");
    let mut wrong = Vec::new();
    for pair in pairs {
        let (reader, writer) = (parse(&pair["reader"]), parse(&pair["writer"]));
        let breach = Compatibility::Backward.breach(&writer, &reader);
        if breach.is_none() != pair["compatible"].as_bool().expect("an answer") {
            wrong.push(format!("{} reads {}: {breach:?}", pair["reader"], pair["writer"]));
        }
    }
    assert_eq!(pairs.len(), 125);
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), pairs.len(), wrong.join("\n"));
}
