//! Standard output of the commands. A reader that went away (`| head`) ends the command quietly.

use std::io::Write;

use super::{CliError, Ending};

/// Standard output.
pub(super) struct Output;

impl Output {
    /// One line.
    pub(super) fn line(&self, line: &str) -> Result<(), CliError> {
        writeln!(std::io::stdout(), "{line}").map_err(CliError::Output)
    }

    /// A whole text, as the last thing a command does.
    pub(super) fn text(&self, text: &str) -> Result<Ending, CliError> {
        self.bytes(text.as_bytes())
    }

    /// The same of what need not be text.
    pub(super) fn bytes(&self, bytes: &[u8]) -> Result<Ending, CliError> {
        std::io::stdout().write_all(bytes).map_err(CliError::Output)?;
        Ok(Ending::Done)
    }
}
