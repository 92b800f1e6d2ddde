//! Opening the database.

use thiserror::Error;

/// Where the database is and how many connections read from it.
#[derive(Clone, Debug)]
pub struct Options {
    /// `sqlite://path` or `postgres://…`.
    pub url: String,
    /// Connections for reads; writes have one of their own.
    pub readers: u32,
}

/// A database that cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The URL names no database that is supported.
    #[error("database URL: {0}")]
    Url(String),
    /// Another process holds the lock file.
    #[error("another daemon{} is running on this database: {} is locked", .pid.as_deref().map(|pid| format!(" (process {pid})")).unwrap_or_default(), .file.display())]
    Locked {
        /// The lock file.
        file: std::path::PathBuf,
        /// The process id written in it.
        pid: Option<String>,
    },
    /// The lock file cannot be made.
    #[error("lock file {}: {error}", .file.display())]
    LockFile {
        /// The lock file.
        file: std::path::PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The database refused.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("database migration: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
}
