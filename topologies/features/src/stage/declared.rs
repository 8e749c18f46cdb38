//! What a pipeline declares, as the engines want it.

use flow::config::{ColumnKind, Entity, Late, Limits, Pipeline};

use super::{Error, build};
use crate::Group;
use crate::derived::Derived;
use crate::input::Inputs;
use crate::spec::{self, Declaration, Scope};

/// The entity's group as the window engine wants it.
pub fn group(pipeline: &Pipeline, entity: &Entity) -> Result<Group, Error> {
    let columns = &pipeline.events.schema.columns;
    let of = |is: &dyn Fn(ColumnKind) -> bool| -> Vec<&str> {
        columns.iter().filter(|column| is(column.kind)).map(|column| column.name.as_str()).collect()
    };
    let target = pipeline.labels.as_ref().map(|labels| labels.target.as_str());
    let scope = Scope {
        numeric: of(&ColumnKind::is_numeric),
        texts: of(&|kind| kind == ColumnKind::Text),
        other: of(&|kind| !kind.is_numeric() && kind != ColumnKind::Text),
        target,
    };
    let delay = format!("{}us", entity.delay_us);
    let declaration = Declaration {
        name: &entity.name,
        key: &entity.key,
        windows: entity.windows.iter().map(|window| window.label.as_str()).collect(),
        delay: (entity.delay_us > 0).then_some(delay.as_str()),
        aggregates: entity.aggregates.iter().map(|one| (one.name.as_str(), one.expression.text.as_str())).collect(),
    };
    let group = Group::parse(&declaration, &scope);
    let group = group.map_err(|errors| Error::Group { entity: entity.name.clone(), errors })?;
    let group = group.defaulting(entity.aggregates.iter().map(|aggregate| aggregate.if_null));
    let group = group.skipping_late(entity.aggregates.iter().map(|aggregate| aggregate.late == Late::Skip));
    let Limits { keys: keys_max, bytes: bytes_max } = entity.limits;
    let limits = spec::Limits { keys_max, bytes_max, retention_us: pipeline.lateness_us };
    Ok(if entity.is_limited() { group.limited(limits) } else { group })
}

/// What its engine takes of events.
pub fn inputs(pipeline: &Pipeline, group: &Group) -> Result<Inputs, Error> {
    let schema = build::event_schema(pipeline)?;
    Inputs::new(group, &schema).map_err(|errors| Error::Conditions { entity: group.name().to_owned(), errors })
}

/// The features that the last stage adds to all others.
pub fn derived(pipeline: &Pipeline) -> Result<Derived, Error> {
    Derived::new(&pipeline.features, &*build::event_schema(pipeline)?).map_err(Error::Derived)
}
