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
        std::io::stdout().write_all(text.as_bytes()).map_err(CliError::Output)?;
        Ok(Ending::Done)
    }
}

/// Lines whose columns are as wide as their widest cell.
pub(super) fn table<const N: usize>(lines: impl Iterator<Item = [String; N]>) -> String {
    let lines: Vec<[String; N]> = lines.collect();
    let widths: [usize; N] =
        std::array::from_fn(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0));
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<String> = line
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}
