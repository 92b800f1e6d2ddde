//! One integration binary: every part against the real parts beside it.
#![allow(clippy::unwrap_used, missing_docs)]

mod http;
