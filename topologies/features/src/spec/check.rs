//! Checks of a declaration: names, windows, aggregates, and the names of what comes out.

use std::collections::HashSet;

use flow::config::WINDOWS_MAX;

use super::{AGGREGATES_MAX, Aggregate, Declaration, Error, Group, Input, Scope, Window, duration, parse};

pub(super) fn name(field: &str, name: &str, errors: &mut Vec<Error>) {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    if !first || !bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        errors.push(Error::Name { field: field.into(), name: name.into() });
    }
}

pub(super) fn windows(declaration: &Declaration<'_>, errors: &mut Vec<Error>) -> Vec<Window> {
    let mut windows: Vec<Window> = Vec::new();
    for (index, text) in declaration.windows.iter().enumerate() {
        let field = format!("windows[{index}]");
        match duration::parse_at(&field, text) {
            Err(error) => errors.push(error),
            Ok(0) => errors.push(Error::EmptyWindow { field, text: (*text).into() }),
            Ok(length_us) => match windows.iter().find(|window| window.length_us == length_us) {
                Some(other) => {
                    errors.push(Error::SameWindow { field, text: (*text).into(), other: other.text.clone() })
                }
                None => windows.push(Window { text: (*text).into(), length_us }),
            },
        }
    }
    if declaration.windows.len() > WINDOWS_MAX {
        errors.push(Error::TooMany { field: "windows".into(), count: declaration.windows.len(), max: WINDOWS_MAX });
    }
    windows
}

pub(super) fn aggregates(
    declaration: &Declaration<'_>,
    scope: &Scope<'_>,
    windows: &[Window],
    inputs: &mut Vec<Input>,
    errors: &mut Vec<Error>,
) -> Vec<Aggregate> {
    let mut aggregates: Vec<Aggregate> = Vec::new();
    for (index, &(name, text)) in declaration.aggregates.iter().enumerate() {
        let field = format!("aggregates.{name}");
        self::name(&field, name, errors);
        if declaration.aggregates[..index].iter().any(|(other, _)| *other == name) {
            errors.push(Error::Repeated { field: field.clone(), name: name.into() });
        }
        let place = parse::Place { name, field: &field, text, scope, windows };
        match parse::aggregate(place, inputs) {
            Err(error) => errors.push(error),
            Ok(aggregate) => aggregates.push(aggregate),
        }
        // A windowless aggregate looks back over the longest window, so it needs one as well.
        if declaration.windows.is_empty() {
            errors.push(Error::NoWindow { field });
        }
    }
    if declaration.aggregates.len() > AGGREGATES_MAX {
        let count = declaration.aggregates.len();
        errors.push(Error::TooMany { field: "aggregates".into(), count, max: AGGREGATES_MAX });
    }
    aggregates
}

/// Two aggregates can meet in one feature name: `a` over window `1d`, and a windowless one called `a_1d`.
pub(super) fn clashing_outputs(group: &Group) -> Vec<Error> {
    let mut seen = HashSet::new();
    let outputs = group.outputs().into_iter();
    let clashing = outputs.filter(|output| !seen.insert(output.name.clone()));
    clashing
        .map(|output| Error::Repeated {
            field: format!("aggregates.{}", group.aggregates[output.aggregate].name),
            name: output.name,
        })
        .collect()
}
