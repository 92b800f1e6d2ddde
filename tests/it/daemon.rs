//! The whole daemon as a real process, against the real sandbox: killed, stopped, cut off, refused, and right in the end.
//!
//! The sandbox runs in the test's own process, so that it outlives the daemon and its ledger can be read.

mod cable;
mod cancelling;
mod command_line;
mod confirmation;
mod crash_walk;
mod credentials;
mod database;
mod database_away;
mod disk;
mod doctor;
mod experiment;
mod hostile;
mod keys;
mod kills;
mod ledger;
mod mail;
mod mail_server;
mod mailed;
mod minutes;
mod moving;
mod notices;
mod outages;
mod panics;
mod postgresql;
mod process;
mod promises;
mod push;
mod queries;
mod receiver;
mod resolving;
mod retrying;
mod root_panics;
mod rotation;
mod scheduling;
mod second;
mod secrets;
mod server;
mod stage;
mod stalled;
mod stopping;
mod systemd;
mod tenants;
#[cfg(feature = "otel")]
mod traces;
mod transitions;
mod upgrade;
mod watcher;
