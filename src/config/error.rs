//! Why a configuration cannot be used. Every error names the file, key or variable and says what would be right.
//!
//! The command line prints it and ends; no daemon starts on a configuration that is not understood.

use std::path::PathBuf;

use thiserror::Error;

use super::Source;

/// See the module.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file given by `--config` cannot be read.
    #[error("cannot read the configuration file {}: {reason}", path.display())]
    File {
        /// As given.
        path: PathBuf,
        /// The operating system's words.
        reason: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{origin} is not valid TOML: {reason}")]
    Syntax {
        /// The file.
        origin: String,
        /// The parser's words, with the line.
        reason: String,
    },
    /// The file has a key that is no setting.
    #[error("{}: unknown key \"{key}\"; `storyclip config --defaults` lists every key", path.display())]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
    },
    /// A value is of the wrong kind or out of range.
    #[error("{}: {key} must be {expected}{}", origin.of(key), got.as_ref().map(|got| format!(", not {got}")).unwrap_or_default())]
    Invalid {
        /// The setting.
        key: String,
        /// Where the value comes from.
        origin: Source,
        /// What would be right.
        expected: String,
        /// What was found; absent where it may hold a secret.
        got: Option<String>,
    },
    /// A variable of ours is not UTF-8.
    #[error("the environment variable {0} is not valid UTF-8")]
    NotText(String),
    /// The compiled-in defaults and the code disagree: a defect of this build.
    #[error("the compiled-in defaults and the code disagree about \"{0}\"")]
    Defaults(String),
}
