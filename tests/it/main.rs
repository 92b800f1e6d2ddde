//! Tests of the whole program: real binary, real sockets, real databases. One binary, so that it links once.
#![allow(clippy::unwrap_used, missing_docs)]

mod cli;
mod daemon;
mod demo;
mod http;
mod metricool;
mod metricool_best_times;
mod metricool_odd;
mod metricool_posts;
mod rehearsal;
mod sandbox;
mod store;
mod watch;
