//! `storyclip vapid`: makes the key pair by which push services know a daemon. It keeps nothing.

use clap::Args;
use secrecy::ExposeSecret;
use serde_json::json;

use super::{Ending, Output, error::CliError};
use crate::notifications::new_vapid_keys;

/// The arguments of `vapid`.
#[derive(Debug, Args)]
pub(super) struct Vapid {
    /// Print them as JSON.
    #[arg(long)]
    json: bool,
}

impl Vapid {
    /// Prints both halves, for people as lines of an environment file.
    pub(super) fn run(self) -> Result<Ending, CliError> {
        let (public, private) = new_vapid_keys()?;
        let private = private.expose_secret();
        if self.json {
            return Output.text(&format!("{}\n", json!({"publicKey": public, "privateKey": private})));
        }
        Output.text(&format!(
            "STORYCLIP_VAPID_PUBLIC_KEY={public}\nSTORYCLIP_VAPID_PRIVATE_KEY={private}\n"
        ))
    }
}
