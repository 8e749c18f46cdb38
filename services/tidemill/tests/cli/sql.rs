//! `sql`: the archive and parts of topics as tables, what is said of mistakes, and that nothing is changed.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use runtime::log::Log;
use serde_json::{Value, json};

use super::{Running, check, command, folder, lines, models, transactions, wait_for};

const UP: [&str; 6] = ["up", "--drain", "--idle-timeout", "500ms", "--listen", "127.0.0.1:0"];

/// The rows of an answer.
#[track_caller]
fn rows(dir: &Path, args: &[&str]) -> Vec<Value> {
    lines(&check(dir, &[&["sql", "--output", "json"], args].concat(), 0, &[]))
}

/// The one value of an answer.
#[track_caller]
fn value(dir: &Path, sql: &str) -> Value {
    let rows = rows(dir, &[sql]);
    assert_eq!(rows.len(), 1, "{sql}: {rows:?}");
    rows[0].as_object().and_then(|row| row.values().next()).cloned().unwrap_or_default()
}

/// Forty transactions with their labels, all through the pipeline.
fn filled(dir: &Path) {
    let csv = transactions(dir);
    check(dir, &["publish", csv.to_str().expect("a path"), "--label-column", "TX_FRAUD"], 0, &[]);
    check(dir, &UP, 0, &["everything is committed"]);
}

#[test]
fn the_archive_and_topics_answer_queries() {
    let dir = folder();
    let dir = dir.path();
    check(dir, &["sql", "select 1"], 2, &["there is no store in", "tidemill up"]);
    assert!(!dir.join(".tidemill").exists(), "a slip leaves nothing behind");
    filled(dir);

    let sql = "select transaction_id, amount, event_time from transactions where customer_id = 0 order by 1 limit 2";
    let shown = check(dir, &["sql", sql], 0, &["2 rows"]);
    let expected = "\
transaction_id  amount  event_time
0               0.5     2024-05-01T00:00:00Z
4               4.5     2024-05-02T00:00:00Z
";
    assert_eq!(shown, expected);
    // Witness: amounts are the whole numbers below 40 and a half each, 780 + 20; every tenth is fraud.
    assert_eq!(value(dir, "select sum(amount) from transactions"), json!(800.0));
    let frauds = "select sum(t.amount) from transactions t join outcomes o \
                  on o.event_id = cast(t.transaction_id as varchar) where o.label = 1";
    assert_eq!(value(dir, frauds), json!(62.0), "0.5, 10.5, 20.5 and 30.5");
    let features = "select max(features['customer_tx_count_30d']) from features";
    assert_eq!(value(dir, features), json!(10.0), "as many as a customer has transactions");
    assert_eq!(value(dir, "select count(*) from predictions"), json!(0), "nobody scored");
    assert_eq!(
        rows(dir, &["select o.prediction, t._key from outcomes o, transactions t limit 1"])[0]["prediction"],
        json!(null)
    );

    let scores = |of: &str| {
        value(dir, &format!("select count(prediction['score']) from {of} where prediction['score'] is null"))
    };
    assert_eq!(
        value(dir, "select max(prediction['score']) from outcomes"),
        json!(null),
        "what is not there has no fields"
    );
    assert_eq!((scores("outcomes"), scores("topic('outcomes')")), (json!(0), json!(0)));
    let grouped = "select prediction['model'] as model, count(*) as n from outcomes group by prediction['model']";
    assert_eq!(rows(dir, &[grouped]), [json!({ "model": null, "n": 40 })]);

    same_in_topic_and_archive(dir);
    parts_of_topics(dir);
    files(dir);
    let tables = check(dir, &["sql", "--tables"], 0, &["TABLE", "fraud.transactions.events.v1", "datasets"]);
    let transactions = tables.lines().find(|line| line.starts_with("transactions ")).unwrap_or_default();
    assert!(transactions.split_whitespace().nth(2) == Some("40"), "{tables}");
    check(dir, &["sql", "show tables"], 0, &["predictions", "chargebacks_dlq", "customer", "datasets"]);
    let plan = check(dir, &["sql", "explain select amount from transactions where amount > 1"], 0, &[]);
    let scan = plan.lines().find(|line| line.trim_start().starts_with("DataSourceExec")).unwrap_or_default();
    assert!(
        scan.contains("projection=[amount]") && scan.contains("predicate=amount"),
        "only that column is read: {plan}"
    );
    check(dir, &["sql", "describe outcomes"], 0, &["label", "Float64", "_partition"]);
    std::fs::write(dir.join("q.sql"), "select count(*) as n\nfrom transactions;\n").expect("a file");
    assert_eq!(rows(dir, &["-f", "q.sql"]), [json!({ "n": 40 })]);
    let cut =
        check(dir, &["sql", "select 1 from transactions", "--rows-max", "3"], 0, &["there are more than these 3 rows"]);
    assert_eq!(cut.lines().count(), 4);
}

/// Whoever asks the topic gets the rows that the archive has of it, in all columns.
fn same_in_topic_and_archive(dir: &Path) {
    for table in ["transactions", "chargebacks", "outcomes", "features", "journal", "customer"] {
        let (kept, now) = (format!("select * from {table}"), format!("select * from topic('{table}')"));
        let count = |of: &str| value(dir, &format!("select count(*) from ({of})"));
        assert_eq!(count(&kept), count(&now), "{table}");
        assert!(count(&kept).as_i64() >= Some(40), "{table}");
        let order = "order by _partition, _offset, _item";
        assert_eq!(rows(dir, &[&format!("{kept} {order}")]), rows(dir, &[&format!("{now} {order}")]), "{table}");
    }
}

fn parts_of_topics(dir: &Path) {
    let count = |part: &str| value(dir, &format!("select count(*) from topic({part})"));
    assert_eq!(count("'transactions', -1"), value(dir, "select count(distinct _partition) from transactions"));
    assert_eq!(count("'transactions', 'end', 'end'"), json!(0));
    let first = "select _partition, min(_offset) first, max(_offset) last from topic('transactions', 1, 3) group by 1";
    assert!(rows(dir, &[first]).iter().all(|row| row["first"] == 1 && row["last"] == 2));
    assert_eq!(count("'transactions', '2020-01-01', '2100-01-01'"), json!(40));
    assert_eq!(count("'transactions', 'start', '2020-01-01'"), json!(0));
    let all = ["select count(*) n from topic('transactions')", "--to", "0"];
    assert_eq!(rows(dir, &all), [json!({ "n": 0 })]);
    assert_eq!(count("'fraud.transactions.events.v1'"), json!(40));
    let wrong = |sql: &str, said: &[&str]| drop(check(dir, &["sql", sql], 2, said));
    wrong("select * from topic('transactoins')", &["there is no topic transactoins"]);
    wrong(
        "select * from topic('transactions', 'noon')",
        &["`noon` is no place in a topic", "-N for the last N records"],
    );
    wrong("select * from topic()", &["topic('NAME', FROM, TO)"]);
    wrong("select * from topics('a')", &["there is no table function `topics`", "topic('NAME', FROM, TO)"]);
}

fn files(dir: &Path) {
    let sql = "select transaction_id, amount from transactions where transaction_id < 2 order by 1";
    check(dir, &["sql", sql, "--out", "a.csv"], 0, &["2 rows in a.csv"]);
    let text = |name: &str| std::fs::read_to_string(dir.join(name)).expect("a file");
    assert_eq!(text("a.csv"), "transaction_id,amount\n0,0.5\n1,1.5\n");
    check(dir, &["sql", sql, "--out", "a.jsonl"], 0, &[]);
    assert_eq!(text("a.jsonl"), "{\"transaction_id\":0,\"amount\":0.5}\n{\"transaction_id\":1,\"amount\":1.5}\n");
    check(dir, &["sql", "select * from transactions", "--out", "a.parquet"], 0, &["40 rows"]);
    let table = models::table(&dir.join("a.parquet"));
    let mut ids: Vec<i64> = table["transaction_id"].as_primitive::<Int64Type>().values().to_vec();
    ids.sort_unstable();
    assert_eq!(ids, (0..40).collect::<Vec<_>>());
    check(dir, &["sql", sql, "--out", "a.xml"], 2, &["end it in .parquet, .csv or .jsonl"]);
    check(dir, &["sql", "select features from features", "--out", "b.csv"], 2, &["CSV has no place for `features`"]);
    let twice = "select t.amount, u.amount from transactions t, transactions u limit 1";
    check(dir, &["sql", twice, "--out", "b.parquet"], 2, &["two columns are called `amount`"]);
    let left: Vec<_> = std::fs::read_dir(dir)
        .expect("a folder")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    assert!(!left.iter().any(|name| name.ends_with(".partial") || name.starts_with("b.")), "{left:?}");
}

#[test]
fn mistakes_are_shown_where_they_are() {
    let dir = folder();
    let dir = dir.path();
    check(dir, &["apply"], 0, &[]);
    let wrong = |sql: &str, said: &[&str]| drop(check(dir, &["sql", sql], 2, said));
    let table = "there is no table `predicitons`; did you mean `predictions`?\n  \
                 1 | select * from predicitons\n    |               ^^^^^^^^^^^";
    wrong("select * from predicitons", &[table]);
    wrong("select * from nothing_like_it", &["`tidemill sql --tables` lists them"]);
    let column = "there is no column `amuont`; did you mean `amount`?\n  \
                  2 |   amuont\n    |   ^^^^^^";
    wrong("select\n  amuont\nfrom transactions", &[column]);
    wrong("select q from transactions", &["there is no column `q`; there are ", "transaction_id"]);
    let syntax = "this is no SQL: Expected: an SQL statement, found: selec\n  1 | selec 1\n    | ^^^^^";
    wrong("selec 1", &[syntax]);
    wrong("  ", &["the query is empty"]);
    wrong("select 1; select 2", &["single SQL statement"]);
    wrong("select amount + 'a' from transactions", &[""]);
    check(dir, &["sql"], 2, &["--file"]);
    check(dir, &["sql", "-f", "nowhere.sql"], 2, &["cannot read the query from nowhere.sql"]);
    check(dir, &["sql", "select 1", "--from", "noon"], 2, &["`noon` is no place"]);
    let changes = [
        "create table a as select 1",
        "insert into predictions select * from predictions",
        "delete from transactions",
        "drop table transactions",
        "copy transactions to 'x.parquet'",
        "create external table a stored as parquet location '/tmp'",
        "set datafusion.execution.batch_size = 1",
        "explain analyze insert into predictions select * from predictions",
    ];
    for change in changes {
        wrong(change, &["`sql` only reads"]);
    }
    wrong("select * from 'a.parquet'", &["there is no table"]);
    // Memory is what it is told to be: a cross join of a million rows does not fit into a mebibyte once sorted.
    let large = "select a.value || repeat('x', 1000) as t from generate_series(1, 100000) a order by 1 limit 100000";
    check(dir, &["sql", large, "--memory", "64KiB", "--out", "t.csv"], 1, &["needs more memory", "--memory"]);
}

#[test]
fn beside_a_running_up_topics_are_read_through_its_gateway() {
    let dir = folder();
    let dir = dir.path();
    filled(dir);
    let counts = ["transactions", "features", "customer"].map(|table| {
        let sql = format!("select count(*), sum(_offset) from topic('{table}', 1) where _item is null or _item >= 0");
        (sql.clone(), rows(dir, &[&sql]))
    });
    let up = command(dir, &["up", "--listen", "127.0.0.1:0"]).stderr(Stdio::null()).spawn();
    let up = Running(up.expect("the binary runs"));
    wait_for(&dir.join(".tidemill/gateway"));
    for (sql, before) in counts {
        assert_eq!(rows(dir, &[&sql]), before, "{sql}");
    }
    let times = "select count(*) from topic('transactions', '2020-01-01', '2100-01-01')";
    assert_eq!(value(dir, times), json!(40));
    assert_eq!(value(dir, "select count(*) from transactions"), json!(40));
    drop(up);
}

#[test]
fn topics_on_kafka_answer_queries() {
    let Some(kafka) = tests::kafka::Kafka::start() else { return };
    let dir = folder();
    let dir = dir.path();
    let place = ["--brokers", kafka.brokers(), "--idle-timeout", "500ms"];
    let on = |args: &[&str]| check(dir, &[args, &place[..]].concat(), 0, &[]);
    let csv = transactions(dir);
    on(&["apply"]);
    on(&["publish", csv.to_str().expect("a path"), "--label-column", "TX_FRAUD"]);
    on(&["run", "validator", "featurizer", "archiver", "--drain"]);
    for table in ["transactions", "outcomes", "features"] {
        let sql = format!(
            "select (select count(*) from {table}) a, (select count(*) from topic('{table}')) b, \
             (select sum(_offset) from {table}) c, (select sum(_offset) from topic('{table}')) d"
        );
        let told = lines(&on(&["sql", "--output", "json", &sql])).remove(0);
        assert!(told["a"] == told["b"] && told["c"] == told["d"] && told["a"].as_i64() >= Some(40), "{table}: {told}");
    }
    let log = runtime::kafka::Kafka::connect(kafka.brokers(), &Default::default()).expect("a cluster");
    let tp = runtime::log::TopicPartition::new("fraud.transactions.events.v1", 0);
    let (_, end) = log.watermarks(&tp).expect("bounds");
    log.delete_records(&tp, end).expect("deleted");
    let note = format!("note: offsets 0-{} of partition 0 of {} are deleted and not in this answer", end - 1, tp.topic);
    let sql = ["sql", "--output", "json", "select count(*) as n from topic('transactions') where _partition = 0"];
    let told =
        check(dir, &[&sql[..], &place[..]].concat(), 0, &[&note, "the table transactions has what was archived"]);
    assert_eq!(lines(&told)[0]["n"], 0);
}

/// Predictions that were streamed, joined with what became of their events.
pub fn predictions_join_outcomes(dir: &Path, streamed: &[Value]) {
    let sql = "select p.event_id, p.score, o.label, o.prediction['score'] as said \
               from predictions p join outcomes o on o.event_id = p.event_id and not o.repeated";
    let joined = lines(&check(dir, &["sql", "--pipeline", "quick.yaml", "--output", "json", sql], 0, &[]));
    assert_eq!(joined.len(), streamed.len(), "each event has a label");
    let score = |value: &Value| value.as_f64().map(f64::to_bits);
    let scores: BTreeMap<_, _> = streamed.iter().map(|one| (one["event_id"].as_str(), score(&one["score"]))).collect();
    for row in &joined {
        assert_eq!(scores[&row["event_id"].as_str()], score(&row["score"]), "{row}");
        // A label that came before its event was scored answers no prediction.
        assert!(row["said"].is_null() || score(&row["said"]) == score(&row["score"]), "{row}");
    }
    let answered = "select count(*) from outcomes where prediction is not null";
    let answered = lines(&check(dir, &["sql", "--pipeline", "quick.yaml", "--output", "json", answered], 0, &[]));
    let said = joined.iter().filter(|row| !row["said"].is_null()).count();
    assert_eq!(answered[0]["count(*)"], json!(said));
}
