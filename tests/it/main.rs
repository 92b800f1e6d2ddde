//! Integration tests: the parts over real sockets and real databases.

mod metricool;
mod rehearsal;
mod sandbox;
