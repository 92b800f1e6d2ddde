//! Numbers about this process, for a scraper: counted where something happens, written when they are asked for.
//!
//! The store, the stream and [`Measured`] (around the network's API) each own theirs, `GET /metrics` puts them together.
//! Counting costs an addition or two without a lock. All of it begins at zero in every process, as scrapers expect.

mod calls;
mod exposition;
mod histogram;
mod measured;

pub use calls::{Calls, OUTCOMES, Operation, READINGS};
pub use exposition::Exposition;
pub use histogram::Histogram;
pub use measured::Measured;

/// Bounds in seconds for what is done by a disk or a network: from half a millisecond to a minute.
pub const SHORT: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

/// Bounds in seconds for what a network does in its own time: from a second to an hour and a half.
pub const LONG: &[f64] = &[
    1.0, 2.5, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0, 90.0, 120.0, 180.0, 300.0, 900.0, 1_800.0, 3_600.0, 5_400.0,
];

/// Bounds for how many there are at once.
pub const SIZES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_024.0];
