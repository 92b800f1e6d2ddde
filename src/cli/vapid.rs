//! `storyclip vapid`: makes the key pair by which push services know a daemon. It keeps nothing.

use secrecy::ExposeSecret;

use super::{Ending, Output, error::CliError};
use crate::notifications::new_vapid_keys;

/// Prints both halves as lines of an environment file.
pub(super) fn run() -> Result<Ending, CliError> {
    let (public, private) = new_vapid_keys()?;
    let private = private.expose_secret();
    Output.text(&format!(
        "STORYCLIP_VAPID_PUBLIC_KEY={public}\nSTORYCLIP_VAPID_PRIVATE_KEY={private}\n"
    ))
}
