//! What StoryClip decides: the state machine, the plan and the actors that carry them out.
//!
//! The root package implements [`ports`] and starts the supervisor; nothing here knows a database, a socket or
//! a real clock. If the process dies, nothing in memory matters: the rows are loaded and planned again.

pub mod error;
pub mod events;
pub mod model;
pub mod ports;
pub mod schedule;
