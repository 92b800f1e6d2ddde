//! Why a daemon did not start. Whoever starts one gets it, and a person reads it as a sentence.

use std::io;

use thiserror::Error;

use crate::{notifications::NotificationsError, providers::metricool, store::OpenError};

/// Why the daemon did not start, in a sentence.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say what each is")]
pub enum StartError {
    #[error("cannot use the listener: {0}")]
    Listener(#[from] io::Error),
    #[error(transparent)]
    Database(#[from] OpenError),
    #[error("database: {0}")]
    Store(#[from] storyclip_actors::error::StoreError),
    #[error("api_keys: {0}")]
    Keys(String),
    #[error(
        "there is no API key yet, and the first one cannot be shown on standard output ({0}), so none was made: \
         let standard output go somewhere, or set STORYCLIP_API_KEYS=default:sk_…:admin"
    )]
    FirstKey(io::Error),
    #[error("tenant_accounts: {0}")]
    Accounts(String),
    #[error("cors_origins: {0}")]
    Cors(String),
    #[error(transparent)]
    Metricool(#[from] metricool::OptionsError),
    #[error("HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    #[error(transparent)]
    Notifications(#[from] NotificationsError),
    #[cfg(feature = "otel")]
    #[error("traces: {0}")]
    Traces(#[from] crate::traces::TracesError),
    #[error("supervisor: {0}")]
    Supervisor(#[from] ractor::SpawnErr),
}
