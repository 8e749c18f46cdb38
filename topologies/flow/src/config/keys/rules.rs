//! Keys of rules and of bounds on columns.

use super::{Absent, Key, Kind, Needs, OnUnknown, Range, Shape};
use crate::config::{OnFail, OnNull};

pub const CHECK: Key =
    Key::new("check", Kind::SQL, Absent::Refused, "The condition, over the columns of the event, without the label.");
pub const ON_FAIL: Key = Key::new(
    "on_fail",
    Kind::choice::<OnFail>(),
    Absent::Word("reject"),
    "What becomes of an event that fails. `reject`: it is a dead letter. `flag`: it goes on with the name of what it \
     failed. `impute`: it goes on with other values.",
);
pub const RULE_ON_NULL: Key = Key::new(
    "on_null",
    Kind::choice::<OnUnknown>(),
    Absent::Word("fail"),
    "Whether a condition that is null, so neither true nor false, is failed or passed.",
);
pub const RULE_IMPUTE: Key = Key::new(
    "impute",
    Kind::Of("a column", &IMPUTED),
    Absent::Nothing,
    "With `on_fail: impute`, columns with the values that are put in.",
);

/// A rule in SQL.
pub const RULE: Shape = Shape {
    path: "sources.NAME.rules.NAME",
    doc: "A condition that every event is to meet.",
    keys: &[CHECK, ON_FAIL, RULE_ON_NULL, RULE_IMPUTE],
    needs: Needs::Nothing,
};

pub const MIN: Key = Key::new("min", Kind::Number(Range::Finite), Absent::Nothing, "The least value allowed.");
pub const MAX: Key = Key::new("max", Kind::Number(Range::Finite), Absent::Nothing, "The greatest value allowed.");
pub const ENUM: Key = Key::new(
    "enum",
    Kind::some(&Kind::Value),
    Absent::Nothing,
    "The only values allowed: texts, whole numbers, or true and false.",
);
pub const REQUIRED: Key = Key::new("required", Kind::Boolean, Absent::Boolean(false), "`true`: as `on_null: reject`.");
pub const NULLABLE: Key = Key::new("nullable", Kind::Boolean, Absent::Nothing, "`false`: as `on_null: reject`.");
pub const FIELD_ON_NULL: Key = Key::new(
    "on_null",
    Kind::choice::<OnNull>(),
    Absent::Word("keep"),
    "What becomes of an event without a value here. `keep`: it goes on where the schema allows null. `reject`: it is a \
     dead letter. `impute`: it goes on with another value.",
);
pub const FIELD_IMPUTE: Key = Key::new(
    "impute",
    IMPUTED,
    Absent::Nothing,
    "With `on_fail: impute` or `on_null: impute`, the value that is put in.",
);

/// Bounds on a column.
pub const FIELD: Shape = Shape {
    path: "sources.NAME.fields.COLUMN",
    doc: "Bounds on one column. Null is within them, NaN has a check of its own.",
    keys: &[MIN, MAX, ENUM, REQUIRED, NULLABLE, FIELD_ON_NULL, ON_FAIL, FIELD_IMPUTE],
    needs: Needs::Nothing,
};

/// A value that is put in place of another.
const IMPUTED: Kind = Kind::Any(&[Kind::Value, Kind::Section(&IMPUTE)]);

pub const IMPUTE_SQL: Key = Key::new("sql", Kind::SQL, Absent::Refused, "The value, over the columns of the event.");

/// A value that is computed.
pub const IMPUTE: Shape = Shape {
    path: "impute",
    doc: "A value that is put in place of another and computed.",
    keys: &[IMPUTE_SQL],
    needs: Needs::Nothing,
};
