//! `storyclip doctor`: looks at everything that a daemon needs, and says what to do about what is missing.
//!
//! It works beside a daemon and without one, changes nothing, and may die at any time. What it finds out about settings is
//! about those of its own environment: it should be run in the daemon's.

mod credentials;
mod daemon;
mod database;
mod finding;
mod network_clock;
mod settings;

use clap::Args;

use crate::config::Config;

use self::finding::{Finding, Report};
use super::{Connection, Ending, Output, error::CliError};

/// The arguments of `doctor`.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Print the findings as JSON.
    #[arg(long)]
    json: bool,
}

impl Doctor {
    /// `config` is what the settings come to, or why they cannot be used: that is a finding, too.
    pub(super) async fn run(
        self,
        connection: &Connection,
        config: Result<Config, crate::config::ConfigError>,
    ) -> Result<Ending, CliError> {
        let report = examine(connection, config).await?;
        Output.text(&if self.json { report.json() } else { report.text() })?;
        Ok(if report.is_well() {
            Ending::Done
        } else {
            Ending::NotWell
        })
    }
}

async fn examine(
    connection: &Connection,
    config: Result<Config, crate::config::ConfigError>,
) -> Result<Report, CliError> {
    let mut findings = Vec::new();
    let config = match config {
        Ok(config) => config,
        Err(error) => {
            findings.push(
                Finding::failed("settings", error.to_string())
                    .todo("correct it; `storyclip config` shows what is in force"),
            );
            findings.extend(daemon::check(connection, None).await?);
            return Ok(Report(findings));
        }
    };
    findings.extend(settings::check(&config));
    let database = database::check(&config).await;
    let holder = database.holder;
    findings.extend(database.findings);
    findings.extend(daemon::check(connection, holder.as_deref()).await?);
    if holder.is_none() {
        findings.extend(daemon::port(&config, connection).await);
    }
    let (clock, reachable) = network_clock::check(&config).await;
    findings.extend(clock);
    findings.extend(credentials::check(&config, reachable).await);
    Ok(Report(findings))
}
