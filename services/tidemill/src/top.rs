//! What running services do now: read from the pages of their gateways, compared with what these said before, and drawn.

pub mod draw;
pub mod look;
pub mod model;
pub mod page;
#[cfg(unix)]
pub mod terminal;
