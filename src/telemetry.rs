//! Log lines of this process: one subscriber, written to standard error.
//!
//! `serve` and `sandbox` call it first. Without it every line is dropped, and nothing else changes.

use std::io::IsTerminal;

use thiserror::Error;
use tracing_subscriber::{EnvFilter, filter, util::TryInitError};
use tracing_subscriber::{fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::LogFormat;

/// Why nothing is logged.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The filter is not understood.
    #[error("the log filter is not understood: {0}")]
    Filter(#[from] filter::ParseError),
    /// This process has a subscriber already.
    #[error("logging is set up already: {0}")]
    Twice(#[from] TryInitError),
}

/// Logs from here on what `filter` lets through, in this format; colours only on a terminal.
///
/// # Errors
/// See [`TelemetryError`].
pub fn init(filter: &str, format: LogFormat) -> Result<(), TelemetryError> {
    let registry = tracing_subscriber::registry().with(EnvFilter::builder().parse(filter)?);
    match format {
        LogFormat::Human => registry
            .with(
                fmt::layer()
                    .with_writer(std::io::stderr)
                    .with_ansi(std::io::stderr().is_terminal()),
            )
            .try_init()?,
        LogFormat::Json => registry
            .with(
                fmt::layer()
                    .json()
                    .flatten_event(true)
                    .with_current_span(false)
                    .with_writer(std::io::stderr),
            )
            .try_init()?,
    }
    Ok(())
}
