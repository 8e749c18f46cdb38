#![allow(clippy::unwrap_used)]

use super::{generation, next_generation, planned};
use crate::loading::SHIPPED;
use flow::plan::Service;
use registry::store::Store;

fn pipeline() -> flow::config::Pipeline {
    flow::config::parse(SHIPPED[0].1, &|path| Ok(schemas::contracts::avro(path).unwrap().to_owned())).unwrap()
}

#[test]
fn rebuilds_count_up_from_the_first_generation() {
    let store = Store::memory();
    assert_eq!(generation(&store, "a").unwrap(), 1);
    assert_eq!(next_generation(&store, "a").unwrap(), 2);
    assert_eq!(next_generation(&store, "a").unwrap(), 3);
    assert_eq!(generation(&store, "a").unwrap(), 3);
    assert_eq!(generation(&store, "b").unwrap(), 1);
}

#[test]
fn each_generation_reads_the_sources_under_its_own_name() {
    let pipeline = pipeline();
    let group = |generation| {
        let plan = planned(&pipeline, generation);
        plan.tasks_of(Service::Validator).next().unwrap().group_id.clone()
    };
    assert_ne!(group(1), group(2));
    assert_ne!(group(2), group(3));
}
