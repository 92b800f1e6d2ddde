//! What a person types. `main` calls [`main`]; each command is a file beside this one.
//!
//! `serve`, `sandbox` and `demo` run parts of StoryClip in this process. The others are clients: they speak HTTP to a
//! running daemon and never touch its database, so they may die at any time without harm.

mod batches;
mod client;
mod command;
mod demo;
mod doctor;
mod error;
mod event;
mod help;
mod history;
mod keys;
mod manual;
mod output;
mod progress;
mod publish;
mod sandbox;
mod screen;
mod serve;
mod show;
mod signals;
mod sse;
mod subscription;
mod systemd;
mod table;
mod vapid;
mod watch;

use std::{path::PathBuf, process::ExitCode};

use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use secrecy::SecretString;

use crate::config::{Config, DEFAULTS};

use self::{error::CliError, output::Output};

/// Publishes batches of stories, one clip after the other, and never lies about what happened.
#[derive(Debug, Parser)]
#[command(name = "storyclip", version, after_help = help::STORYCLIP, arg_required_else_help = true)]
#[command(disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    connection: Connection,
    /// TOML file with settings, laid over the defaults and under the environment.
    #[arg(long, global = true, value_name = "FILE", help_heading = None)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

/// Which daemon the client commands speak to.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Client options")]
struct Connection {
    /// Where the daemon is, for the commands that speak to one.
    #[arg(
        long,
        global = true,
        env = "STORYCLIP_URL",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8080"
    )]
    url: String,
    /// The API key to call it with; better given in the environment, where `ps` does not show it.
    #[arg(
        long,
        global = true,
        env = "STORYCLIP_API_KEY",
        hide_env_values = true,
        value_name = "KEY"
    )]
    api_key: Option<SecretString>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon until SIGTERM or Ctrl-C.
    #[command(after_help = help::SERVE)]
    Serve,
    /// See it work: daemon and stand-in network in this process, five clips published live.
    #[command(after_help = help::DEMO)]
    Demo(demo::Demo),
    /// Run a local stand-in for Metricool to rehearse against.
    #[command(after_help = help::SANDBOX)]
    Sandbox(sandbox::Sandbox),
    /// Publish the batch in a JSON file through a running daemon.
    #[command(after_help = help::PUBLISH)]
    Publish(publish::Publish),
    /// Follow a batch live until it ends.
    #[command(after_help = help::WATCH)]
    Watch(watch::Watch),
    /// List the batches that are scheduled, at work or paused.
    #[command(after_help = help::BATCHES)]
    Batches(batches::Batches),
    /// Show one batch with its clips, and what there is to decide.
    #[command(after_help = help::SHOW)]
    Show(show::Show),
    /// List batches that have ended, newest first.
    #[command(after_help = help::HISTORY)]
    History(history::History),
    /// Start no further clip of a batch until it is resumed.
    #[command(after_help = help::PAUSE)]
    Pause(command::OfBatch),
    /// Let a paused batch go on.
    #[command(after_help = help::RESUME)]
    Resume(command::OfBatch),
    /// Start no further clip of a batch and take back what is not yet on its way.
    #[command(after_help = help::CANCEL)]
    Cancel(command::OfBatch),
    /// Try failed clips of a batch again, after asking what became of their old posts.
    #[command(after_help = help::RETRY)]
    Retry(command::Retry),
    /// Decide about a held clip: adopt a post, send it again, or drop it.
    #[command(after_help = help::RESOLVE)]
    Resolve(command::Resolve),
    /// Make, list and revoke API keys of your tenant.
    #[command(after_help = help::KEYS)]
    Keys {
        #[command(subcommand)]
        keys: keys::Keys,
    },
    /// Make a key pair for Web Push, as two settings.
    #[command(after_help = help::VAPID)]
    Vapid(vapid::Vapid),
    /// Look at everything that a daemon needs, and say what to do about what is missing.
    #[command(after_help = help::DOCTOR)]
    Doctor(doctor::Doctor),
    /// Print the OpenAPI document of the HTTP API.
    #[command(after_help = help::OPENAPI)]
    Openapi,
    /// Print the settings in force and where each comes from, secrets hidden.
    #[command(after_help = help::CONFIG)]
    Config {
        /// Print the commented defaults instead: the start of a file for `--config`.
        #[arg(long, conflicts_with = "json")]
        defaults: bool,
        /// Print them as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print what lets a shell complete these commands.
    #[command(after_help = help::COMPLETIONS)]
    Completions(manual::Completions),
    /// Print the manual page of StoryClip or of one command.
    #[command(after_help = help::MAN)]
    Man(manual::Man),
}

/// How a command that did its work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// As asked.
    Done,
    /// The batch ended, and not every clip was published.
    NotAllPublished,
    /// Something was found that has to be put right.
    NotWell,
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Done => Self::SUCCESS,
            Ending::NotWell => Self::FAILURE,
            Ending::NotAllPublished => Self::from(3),
        }
    }
}

/// Parses the arguments, runs the command and gives the exit code: 0 done, 1 it failed, 2 it was not understood, 3 the
/// batch ended without every clip being published.
///
/// An error is the last line of standard error, and a JSON object with `--json`.
pub fn main() -> ExitCode {
    let arguments = Cli::command().get_matches();
    let json = wants_json(&arguments);
    let cli = Cli::from_arg_matches(&arguments).unwrap_or_else(|error| error.format(&mut Cli::command()).exit());
    match run_in_a_runtime(cli) {
        Ok(ending) => ending.into(),
        Err(error) => {
            if !error.is_broken_pipe() {
                match json {
                    true => eprintln!("{}", error.json()),
                    false => eprintln!("error: {error}"),
                }
            }
            ExitCode::FAILURE
        }
    }
}

/// Whether the command, or one of its own, was given `--json`.
fn wants_json(arguments: &ArgMatches) -> bool {
    let here = arguments
        .try_get_one::<bool>("json")
        .is_ok_and(|json| json == Some(&true));
    here || arguments.subcommand().is_some_and(|(_, inner)| wants_json(inner))
}

fn run_in_a_runtime(cli: Cli) -> Result<Ending, CliError> {
    // A daemon has more threads of its own, for HTTP.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CliError::Runtime)?;
    let outcome = runtime.block_on(run(cli));
    // What still runs now was to be left: a second signal ends at once.
    runtime.shutdown_background();
    outcome
}

async fn run(cli: Cli) -> Result<Ending, CliError> {
    match cli.command {
        Command::Serve => serve::run(Config::load(cli.config.as_deref())?).await,
        Command::Demo(demo) => demo.run().await,
        Command::Sandbox(sandbox) => sandbox.run(Config::load(cli.config.as_deref())?).await,
        Command::Publish(publish) => publish.run(&cli.connection).await,
        Command::Watch(watch) => watch.run(&cli.connection).await,
        Command::Batches(batches) => batches.run(&cli.connection).await,
        Command::Show(show) => show.run(&cli.connection).await,
        Command::History(history) => history.run(&cli.connection).await,
        Command::Pause(of_batch) => of_batch.run("pause", &cli.connection).await,
        Command::Resume(of_batch) => of_batch.run("resume", &cli.connection).await,
        Command::Cancel(of_batch) => of_batch.run("cancel", &cli.connection).await,
        Command::Retry(retry) => retry.run(&cli.connection).await,
        Command::Resolve(resolve) => resolve.run(&cli.connection).await,
        Command::Keys { keys } => keys.run(&cli.connection).await,
        Command::Vapid(vapid) => vapid.run(),
        Command::Openapi => Output.text(crate::http::openapi::text()),
        Command::Doctor(doctor) => {
            let config = Config::load(cli.config.as_deref());
            doctor.run(&cli.connection, config).await
        }
        Command::Completions(completions) => completions.run(Cli::command()),
        Command::Man(man) => man.run(Cli::command()),
        Command::Config { defaults: true, .. } => Output.text(DEFAULTS),
        Command::Config { defaults: false, json } => {
            let config = Config::load(cli.config.as_deref())?;
            for warning in &config.warnings {
                eprintln!("warning: {warning}");
            }
            if json {
                return Output.text(&format!("{}\n", serde_json::json!(config.settings)));
            }
            Output.text(&config.describe())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_shows_nothing_of_the_environment() {
        let command = Cli::command();
        for id in ["api_key", "url"] {
            let argument = command.get_arguments().find(|arg| arg.get_id() == id).unwrap();
            assert!(argument.is_hide_env_values_set(), "{id}");
        }
    }
}
