//! `storyclip serve`: the daemon in this process until a signal comes.
//!
//! The first signal stops it in order, the second one ends the process at once; either way its batches go on at the next
//! start.

use std::io::{self, Write};

use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpListener;
use tracing::{info, warn};

use crate::{config::Config, daemon, telemetry};

use super::{CliError, Ending, signals::Signals, systemd::Systemd};

pub(super) async fn run(config: Config) -> Result<Ending, CliError> {
    telemetry::init(&config.log, config.log_format)?;
    for warning in &config.warnings {
        warn!("{warning}");
    }
    let mut signals = Signals::new()?;
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|reason| CliError::Listen {
            address: config.listen.to_string(),
            reason,
        })?;
    let mut daemon = tokio::select! {
        daemon = daemon::start(config, listener, show) => daemon?,
        signal = signals.next() => {
            info!(signal, "stopped before the start was complete");
            return Ok(Ending::Done);
        }
    };
    info!(address = %daemon.address(), "listening");
    let systemd = Systemd::from_environment();
    systemd.ready();
    tokio::spawn(systemd.clone().keep_telling(daemon.pulse()));
    let signal = tokio::select! {
        signal = signals.next() => signal,
        () = daemon.died() => {
            daemon.abandon().await;
            return Err(CliError::Died);
        }
    };
    info!(signal, "stopping");
    systemd.stopping();
    tokio::select! {
        () = daemon.stop() => {
            info!("stopped");
            Ok(Ending::Done)
        }
        signal = signals.next() => Err(CliError::Interrupted(signal)),
    }
}

/// Shows the first key, on standard output because it must not get into a log.
fn show(key: &SecretString) -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(
        out,
        "There is no API key, so one is made. It is shown this once; the database keeps only its hash:\n\n  {}\n\n\
         It may do everything for the tenant \"default\" and read the metrics. With it in STORYCLIP_API_KEY,\n\
         `storyclip keys create --scope publish --scope read` makes keys for those who publish.\n",
        key.expose_secret()
    )?;
    out.flush()
}
