//! The control plane and the live stream over a real socket and a real database, without actors: the tests commit what
//! an actor would.

#![allow(clippy::unwrap_used, missing_docs)]

mod api_keys;
mod auth;
mod brands;
mod commanding;
mod connections;
mod fields;
mod hostile;
mod idempotency;
mod lag;
mod lists;
mod manners;
mod metrics;
mod misspelled;
mod openapi;
mod publish;
mod push;
mod reading;
mod rehearsing;
mod resolving;
mod routes;
mod runner;
mod scheduling;
mod server;
pub mod sse;
mod stream;
mod streams;
mod webhook_log;
mod webhook_secrets;
mod webhooks;
mod wire;
