//! Work that goes on when its client hangs up, which ends the handler: what is stored is also told to whom it concerns.
//!
//! Handlers that do both await [`to_the_end`]. If the process dies in between, the row is what the next start reads.

use storyclip_actors::error::StoreError;
use tracing::Instrument;

/// Does the work in a task of its own, whose log lines are the request's.
///
/// # Errors
/// Those of the work; `Unavailable` if it panicked.
pub async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::spawn(work.in_current_span())
        .await
        .map_err(|error| StoreError::Unavailable(error.to_string()))?
}
