//! What StoryClip performs: HTTP, the database, the networks' APIs and the command line.
//!
//! `main` calls [`cli`]; [`daemon`] is the only place where all parts meet. Decisions are made in `storyclip-actors`.

pub mod cli;
pub mod clock;
pub mod config;
#[cfg(feature = "crash-points")]
mod crash_points;
pub mod daemon;
pub mod http;
pub mod metrics;
pub mod notifications;
pub mod providers;
mod retry_after;
pub mod sandbox;
pub mod store;
pub mod stream;
pub mod tasks;
pub mod telemetry;
#[cfg(feature = "otel")]
mod traces;
