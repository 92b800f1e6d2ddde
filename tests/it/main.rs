//! Integration tests: the parts over real sockets and real databases.

mod metricool;
mod metricool_posts;
mod rehearsal;
mod sandbox;
