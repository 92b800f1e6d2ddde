//! The control plane and the live stream over a real socket and a real database, without actors: the tests commit what
//! an actor would.

mod auth;
mod commanding;
mod publish;
mod reading;
mod runner;
mod server;
pub mod sse;
mod stream;
mod wire;
