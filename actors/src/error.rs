//! What a failed call means: may it be repeated, when, and could it have happened anyway?
//!
//! Providers give these; the state machine reads them. A verdict is kept in the attempt's row, so a restart loses none.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::model::Timestamp;

/// What was refused when a credential was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Refused {
    /// The token itself (401): everything it serves waits.
    Token,
    /// One brand (403): the others go on.
    Brand,
}

/// The three questions answered in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Certainly not created, and never will be as it stands.
    Rejected,
    /// Certainly not created; passing.
    Unavailable,
    /// Certainly not created; the provider names the instant from which it may be tried again.
    Throttled(Timestamp),
    /// Certainly not created; a person must renew the credential.
    Unauthorized(Refused),
    /// It may exist: ask the network before anything else.
    Unknown,
}

impl Verdict {
    /// The word in `delivery_attempts.verdict`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Unavailable => "unavailable",
            Self::Throttled(_) => "throttled",
            Self::Unauthorized(_) => "unauthorized",
            Self::Unknown => "unknown",
        }
    }
}

/// A call to a provider that gave no usable result.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct ProviderError {
    /// What it means.
    pub verdict: Verdict,
    /// Whether the provider as a whole seems to be away: no connection, no answer in time, or a 5xx.
    pub outage: bool,
    /// Stable upper-snake code.
    pub code: String,
    /// One sentence for a person; never a token.
    pub message: String,
    /// HTTP status, where there was one.
    pub http_status: Option<u16>,
    /// The provider's request id, where it gave one.
    pub request_id: Option<String>,
}

/// A store that could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// The guard missed: another node holds the lease, or the row is not where it was expected. Nothing was written.
    #[error("the lease is lost")]
    Lost,
    /// A unique rule refused the rows (a slot with the same media, a post that another clip owns). Nothing was written.
    #[error("refused by a unique rule: {0}")]
    Conflict(String),
    /// The database could not be used; nothing is known to be written.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
}
