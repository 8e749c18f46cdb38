//! What `init` writes runs with the commands that it says.

use std::path::Path;

use super::{check, folder, lines, transactions};

#[test]
fn a_template_is_valid_planned_and_runs_on_its_sample() {
    let dir = folder();
    check(
        dir.path(),
        &["init", "mine"],
        0,
        &[
            "wrote mine/pipeline.yaml",
            "wrote mine/tidemill.schema.json",
            "cd mine",
            "tidemill up --publish events.jsonl",
        ],
    );
    let mine = dir.path().join("mine");
    check(&mine, &["validate"], 0, &["pipeline.yaml is valid: pipeline orders"]);
    // An editor finds the schema that the file names.
    let yaml = std::fs::read_to_string(mine.join("pipeline.yaml")).expect("a pipeline");
    let named = yaml.lines().next().and_then(|line| line.strip_prefix("# yaml-language-server: $schema="));
    let schema = std::fs::read_to_string(mine.join(named.expect("a schema is named"))).expect("the schema");
    assert_eq!(schema, check(&mine, &["schema"], 0, &[]));
    check(&mine, &["plan"], 0, &["+ orders.placed.events.v1"]);
    let up = ["up", "--publish", "events.jsonl", "--drain", "--idle-timeout", "500ms", "--listen", "127.0.0.1:0"];
    check(&mine, &up, 0, &["everything is committed"]);
    let features = lines(&check(&mine, &["tap", "features.log"], 0, &[]));
    assert_eq!(features.len(), 120);
    assert!(features.iter().all(|line| line["features"]["customer_orders_1d"].as_f64() >= Some(1.0)));
    check(&mine, &["plan", "--detailed-exitcode"], 0, &["nothing to do"]);
    check(dir.path(), &["init"], 2, &[". is not empty, it has `mine`; nothing was written"]);
    check(dir.path(), &["init", "mine", "--template", "minimal"], 2, &["is not empty", "nothing was written"]);
    check(dir.path(), &["init", "other", "--template", "minimax"], 2, &["minimal"]);
    assert!(!dir.path().join("other").exists());
}

#[test]
fn a_shipped_pipeline_is_a_template_with_schemas_to_change() {
    let dir = folder();
    check(dir.path(), &["init", "--template", "fraud"], 0, &["--label-column TX_FRAUD"]);
    check(dir.path(), &["validate"], 0, &["pipeline fraud, 2 sources"]);
    let publish = ["up", "--publish", "events.csv", "--label-column", "TX_FRAUD", "--label-delay", "7d"];
    let ends = ["--drain", "--idle-timeout", "500ms", "--listen", "127.0.0.1:0"];
    check(dir.path(), &[&publish[..], &ends].concat(), 0, &["everything is committed"]);
    let outcomes = lines(&check(dir.path(), &["tap", "outcomes"], 0, &[]));
    assert!(outcomes.len() > 1_000, "{}", outcomes.len());
    // The schema is the folder's own.
    let schema = dir.path().join("Transaction.avsc");
    let text = std::fs::read_to_string(&schema).expect("a schema").replace("\"amount\"", "\"sum\"");
    std::fs::write(&schema, text).expect("a schema");
    check(dir.path(), &["validate"], 2, &["`amount` is no column of `Transaction.avsc`"]);
}

#[test]
fn a_pipeline_is_derived_from_a_file_and_runs_on_it() {
    let dir = folder();
    let file = transactions(dir.path());
    let file = file.to_str().expect("a path");
    let from =
        ["init", "mine", "--from", file, "--id", "TRANSACTION_ID", "--time", "TX_DATETIME", "--label", "TX_FRAUD"];
    check(
        dir.path(),
        &[&from[..], &["--key", "CUSTOMER_I"]].concat(),
        2,
        &["no column `CUSTOMER_I`", "did you mean `CUSTOMER_ID`?"],
    );
    check(dir.path(), &[&from[..], &["--name", "Mine!"]].concat(), 2, &["cannot be a pipeline's name"]);
    assert!(!dir.path().join("mine").exists(), "a slip leaves nothing behind");
    check(dir.path(), &["init", "mine", "--from", file], 2, &["--id"]);
    check(dir.path(), &from, 0, &["wrote mine/Label.avsc", "--label-column 'TX_FRAUD'"]);
    let mine = dir.path().join("mine");
    check(&mine, &["validate"], 0, &["pipeline transactions, 2 sources", "1 model"]);
    let up = [
        "up",
        "--publish",
        file,
        "--label-column",
        "TX_FRAUD",
        "--drain",
        "--idle-timeout",
        "500ms",
        "--listen",
        "127.0.0.1:0",
    ];
    check(&mine, &up, 0, &["everything is committed"]);
    let features = lines(&check(&mine, &["tap", "features.log", "--filter", "transaction_id=36"], 0, &[]));
    // Customer 0 paid once a day: seven times in the last seven days.
    assert_eq!(features[0]["features"]["of_key_events_7d"], 7.0);
    assert_eq!(lines(&check(&mine, &["tap", "outcomes"], 0, &[])).len(), 40);
}

/// Forty trips of which the last is labelled with a class that nobody knows yet.
fn trips(dir: &Path) -> String {
    let mut text = "trip,at,rider,weather,mode\n".to_owned();
    for row in 0..40 {
        let (mode, weather) = (["tram", "bus", "train"][row % 3], ["dry", "rain"][row % 2]);
        text += &format!("{row},2026-04-01T{:02}:30:00Z,p{},{weather},{mode}\n", row / 2, row % 4);
    }
    let file = dir.join("trips.csv");
    std::fs::write(&file, &text).expect("a file");
    std::fs::write(dir.join("more.csv"), format!("{text}40,2026-04-01T21:00:00Z,p1,dry,ferry\n")).expect("a file");
    file.display().to_string()
}

#[test]
fn a_label_of_words_becomes_classes_and_other_classes_are_another_pipeline() {
    let dir = folder();
    let file = trips(dir.path());
    let from = ["init", "mine", "--from", &file, "--id", "trip", "--time", "at", "--key", "rider", "--label", "mode"];
    check(dir.path(), &from, 0, &["--label-column 'mode'"]);
    let mine = dir.path().join("mine");
    let yaml = std::fs::read_to_string(mine.join("pipeline.yaml")).expect("a pipeline");
    let said = ["classes: [bus, train, tram]", "objective: multiclass", "inputs: [weather, of_key.*]"];
    said.iter().for_each(|said| assert!(yaml.contains(said), "{said}: {yaml}"));
    let more = dir.path().join("more.csv").display().to_string();
    let publish = ["up", "--publish", &more, "--label-column", "mode"];
    let ends = ["--drain", "--idle-timeout", "500ms", "--listen", "127.0.0.1:0"];
    check(&mine, &[&publish[..], &ends].concat(), 0, &["everything is committed"]);
    let outcomes = lines(&check(&mine, &["tap", "outcomes"], 0, &[]));
    assert_eq!(outcomes.len(), 40, "one label is a dead letter");
    for outcome in &outcomes {
        let trip: usize = outcome["value"]["event_id"].as_str().and_then(|id| id.parse().ok()).expect("a number");
        let (place, class) = [(2.0, "tram"), (0.0, "bus"), (1.0, "train")][trip % 3];
        assert_eq!((&outcome["value"]["label"], &outcome["value"]["label_class"]), (&place.into(), &class.into()));
    }
    let letters = check(&mine, &["dlq", "list"], 0, &[]);
    assert!(letters.contains("LABEL_UNKNOWN_CLASS"), "{letters}");
    check(&mine, &["explain", "LABEL_UNKNOWN_CLASS"], 0, &["none of the `classes`", "ferry"]);
    check(&mine, &["plan"], 0, &["nothing to do"]);
    std::fs::write(mine.join("pipeline.yaml"), yaml.replace("[bus, train, tram]", "[bus, tram, train]"))
        .expect("a file");
    check(&mine, &["plan"], 2, &["classes of labels", "`apply` refuses this, and makes nothing"]);
    check(&mine, &["apply"], 2, &["classes of labels"]);
    check(&mine, &["apply", "--rebuild"], 0, &[]);
    check(&mine, &[&["up"][..], &ends].concat(), 0, &["everything is committed"]);
    let outcomes = lines(&check(&mine, &["tap", "outcomes"], 0, &[]));
    let trams = |place: f64| {
        let is_tram =
            |one: &&serde_json::Value| one["value"]["label_class"] == "tram" && one["value"]["label"] == place;
        outcomes.iter().filter(is_tram).count()
    };
    assert_eq!((outcomes.len(), trams(2.0), trams(1.0)), (80, 14, 14), "the words stay, and places are the new ones");
}

#[test]
fn words_of_a_file_may_be_enums_of_the_schemas() {
    let dir = folder();
    let file = trips(dir.path());
    let from = ["init", "mine", "--from", &file, "--id", "trip", "--time", "at", "--key", "rider", "--label", "mode"];
    check(dir.path(), &from, 0, &["--label-column 'mode'"]);
    let mine = dir.path().join("mine");
    let narrow = |schema: &str, field: &str, symbols: &str| {
        let path = mine.join(schema);
        let text = std::fs::read_to_string(&path).expect("a schema");
        let mut avro: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let fields = avro["fields"].as_array_mut().expect("fields");
        let found = fields.iter_mut().find(|one| one["name"] == field).expect("the field");
        let symbols: Vec<&str> = symbols.split(' ').collect();
        let named = serde_json::json!({ "type": "enum", "name": format!("{field}_word"), "symbols": symbols });
        found["type"] = if found["type"].is_array() { serde_json::json!(["null", named]) } else { named };
        std::fs::write(path, avro.to_string()).expect("a schema");
    };
    narrow("Event.avsc", "weather", "snow rain dry");
    narrow("Label.avsc", "mode", "train tram");
    let up = ["up", "--publish", &file, "--label-column", "mode"];
    let ends = ["--drain", "--idle-timeout", "500ms", "--listen", "127.0.0.1:0"];
    let said = ["row 2", "column `mode` has `bus`, and `mode` must be one of `train`, `tram`"];
    check(&mine, &[&up[..], &ends].concat(), 2, &said);
    narrow("Label.avsc", "mode", "train tram bus");
    std::fs::remove_dir_all(mine.join(".tidemill")).expect("what was begun");
    check(&mine, &[&up[..], &ends].concat(), 0, &["everything is committed"]);
    // Labels have no event beside them: their logs hold enums without any value.
    let outcomes = lines(&check(&mine, &["tap", "outcomes"], 0, &[]));
    let classes: std::collections::BTreeMap<&str, usize> = outcomes.iter().fold(Default::default(), |mut seen, one| {
        *seen.entry(one["value"]["label_class"].as_str().expect("a class")).or_default() += 1;
        seen
    });
    assert_eq!(classes, [("bus", 13), ("train", 13), ("tram", 14)].into());
    let features = lines(&check(&mine, &["tap", "features.log"], 0, &[]));
    let rainy = features.iter().filter(|one| one["event"]["weather"] == "rain").count();
    assert_eq!((features.len(), rainy), (40, 20));
}
