#![allow(clippy::unwrap_used)]

use super::planned;
use crate::loading::SHIPPED;
use flow::plan::{Kind, Service};
use registry::generations::Generation;

fn pipeline() -> flow::config::Pipeline {
    flow::config::parse(SHIPPED[0].1, &|path| Ok(schemas::contracts::avro(path).unwrap().to_owned())).unwrap()
}

#[test]
fn each_generation_reads_the_sources_under_its_own_name() {
    let pipeline = pipeline();
    let group = |number| {
        let plan = planned(&pipeline, Generation::rebuilt(number, None));
        plan.tasks_of(Service::Validator).next().unwrap().group_id.clone()
    };
    assert_ne!(group(1), group(2));
    assert_ne!(group(2), group(3));
}

#[test]
fn a_generation_has_its_own_number_of_partitions_in_its_logs_alone() {
    let pipeline = pipeline();
    let (usual, more) =
        (planned(&pipeline, Generation::rebuilt(2, None)), planned(&pipeline, Generation::rebuilt(2, Some(16))));
    for (usual, more) in usual.topics.iter().zip(&more.topics) {
        assert_eq!(more.partitions, if usual.kind == Kind::Log { 16 } else { usual.partitions }, "{}", more.name);
    }
}
