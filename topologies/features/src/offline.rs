//! The same engines over whole columns.
