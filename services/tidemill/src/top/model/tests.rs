use super::*;

/// A look at one gateway whose scorer has these counters, if it answers; a group of it and one of others are behind.
fn look(at_ms: u64, records_in: Option<u64>) -> Look {
    let page = |records_in: u64| {
        let scorer =
            Counters { records_in, records_out: 2 * records_in, partitions: 4, delay_ms: 9, ..Counters::default() };
        Page {
            pipeline: "p".to_owned(),
            services: BTreeMap::from([("scorer".to_owned(), scorer)]),
            lag: BTreeMap::from([("p.scorer".to_owned(), 5), ("p.validator.g2".to_owned(), 7)]),
            ..Page::default()
        }
    };
    let seen = records_in.map(|records_in| Seen { page: page(records_in), ..Seen::default() });
    Look { at_ms, gateways: vec![("a:1".to_owned(), seen.ok_or_else(|| "does not answer".to_owned()))] }
}

fn row_of(rows: &[Row], service: &str) -> Row {
    let row = rows.iter().find(|row| row.service == service).cloned();
    row.unwrap_or_else(|| panic!("no {service} in {rows:?}"))
}

#[test]
fn the_first_look_knows_no_rates() {
    let rows = History::default().take(look(0, Some(100)));
    let scorer = row_of(&rows, "scorer");
    assert_eq!((scorer.state, scorer.in_per_s, scorer.delay_ms), (State::New, None, None));
    assert_eq!((scorer.lag, scorer.partitions), (Some(5), Some(4)));
    let names: Vec<&str> = rows.iter().map(|row| row.service.as_str()).collect();
    assert_eq!(names, ["validator", "scorer"], "in the way of an event");
    let validator = row_of(&rows, "validator");
    assert_eq!((validator.state, validator.lag), (State::Elsewhere, Some(7)));
}

#[test]
fn two_looks_give_rates() {
    let mut history = History::default();
    history.take(look(1_000, Some(100)));
    let scorer = row_of(&history.take(look(3_000, Some(150))), "scorer");
    assert_eq!((scorer.in_per_s, scorer.out_per_s), (Some(25.0), Some(50.0)));
    assert_eq!((scorer.state, scorer.delay_ms), (State::Works, Some(9)));
    let scorer = row_of(&history.take(look(4_000, Some(150))), "scorer");
    assert_eq!((scorer.in_per_s, scorer.state, scorer.delay_ms), (Some(0.0), State::Idle, None));
    // Two looks at once say nothing of a rate.
    let scorer = row_of(&history.take(look(4_000, Some(170))), "scorer");
    assert_eq!((scorer.in_per_s, scorer.state), (None, State::New));
}

#[test]
fn a_counter_that_fell_began_again() {
    let mut history = History::default();
    history.take(look(0, Some(1_000)));
    let scorer = row_of(&history.take(look(2_000, Some(30))), "scorer");
    assert_eq!((scorer.in_per_s, scorer.out_per_s), (Some(15.0), Some(30.0)));
}

#[test]
fn who_is_gone_is_told_until_it_is_back() {
    let mut history = History::default();
    history.take(look(0, Some(100)));
    for at_ms in [1_000, 2_000] {
        let rows = history.take(look(at_ms, None));
        let gone = row_of(&rows, "scorer");
        assert_eq!((gone.state, gone.in_per_s, gone.lag), (State::Gone, None, None));
        assert_eq!(gone.gateway.as_deref(), Some("a:1"));
        assert_eq!(rows.len(), 1);
    }
    assert_eq!(row_of(&history.take(look(3_000, Some(5))), "scorer").state, State::New, "nothing to compare with");
    assert_eq!(row_of(&history.take(look(4_000, Some(6))), "scorer").in_per_s, Some(1.0));
}
