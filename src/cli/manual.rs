//! `storyclip completions` and `storyclip man`: made from the same definition as the commands themselves, so they cannot
//! drift. Nothing of the environment is in them.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;

use super::{CliError, Ending, Output};

/// The arguments of `completions`.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// For this shell.
    shell: Shell,
}

/// The arguments of `man`.
#[derive(Debug, Args)]
pub(super) struct Man {
    /// Of this command, as in `man publish` or `man keys create`; without one, of StoryClip.
    #[arg(conflicts_with = "folder")]
    command: Vec<String>,
    /// Write a page for each command into this folder instead.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

impl Completions {
    pub(super) fn run(self, mut commands: Command) -> Result<Ending, CliError> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut commands, "storyclip", &mut text);
        Output.bytes(&text)
    }
}

impl Man {
    pub(super) fn run(self, mut commands: Command) -> Result<Ending, CliError> {
        // Passes on what is global to each command, and names each as it is called.
        commands.build();
        if let Some(folder) = self.folder {
            return write_all(commands, folder);
        }
        let mut page = &commands;
        for name in &self.command {
            page = page.find_subcommand(name).ok_or_else(|| CliError::Input {
                name: self.command.join(" "),
                reason: "there is no such command".into(),
            })?;
        }
        let mut text = Vec::new();
        clap_mangen::Man::new(page.clone())
            .render(&mut text)
            .map_err(CliError::Output)?;
        Output.bytes(&text)
    }
}

fn write_all(commands: Command, folder: PathBuf) -> Result<Ending, CliError> {
    match clap_mangen::generate_to(commands, &folder) {
        Ok(()) => Ok(Ending::Done),
        Err(error) => Err(CliError::Input {
            name: folder.display().to_string(),
            reason: error.to_string(),
        }),
    }
}
