//! What StoryClip decides: the state machine, the plan and the actors that carry them out.
//!
//! The root package implements [`ports`] and starts the [`root`]; nothing here knows a database, a socket or
//! a real clock. If the process dies, nothing in memory matters: the rows are loaded and planned again.

pub mod batch;
pub mod child;
pub mod clip_publisher;
pub mod context;
pub mod directory;
pub mod error;
pub mod events;
pub mod find;
pub mod lifecycle;
pub mod limiter;
pub mod messages;
pub mod model;
pub mod plan;
pub mod poller;
pub mod ports;
pub mod root;
pub mod schedule;
pub mod supervisor;
pub mod work;

#[cfg(feature = "testing")]
pub mod testing;
