//! The whole daemon as a real process, against the real sandbox: killed, stopped, cut off, refused, and right in the end.
//!
//! The sandbox runs in the test's own process, so that it outlives the daemon and its ledger can be read.

mod database;
mod kills;
mod ledger;
mod process;
mod stage;
mod takeovers;
mod watcher;
