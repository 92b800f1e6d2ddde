//! Everything that needs a database, a socket or a process: one binary, one module per part.

mod http;
mod store;
