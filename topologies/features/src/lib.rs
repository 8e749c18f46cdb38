//! Windowed features per entity: what they are ([`spec`]), the engine that computes them exactly to the event
//! ([`window`]), and the same engine over whole columns ([`offline`]).
//!
//! Nothing here reads a clock, does IO, or depends on the order of a hash map: a feature is a function of the rows
//! applied to its key before it.

pub mod derived;
pub mod input;
pub mod offline;
pub mod spec;
pub mod stage;
pub mod window;

pub use spec::Group;
pub use stage::Stage;
pub use window::{Engine, Key};
