//! `storyclip demo`: everything in one process, to see it work: the sandbox, a daemon on a temporary database and a
//! client that publishes five clips over HTTP and watches them.
//!
//! What it makes lives in a temporary folder that is removed when it ends. If it is killed hard, that folder stays.

mod folder;
mod sample;

use std::net::SocketAddr;

use clap::Args;
use secrecy::SecretString;
use tokio::net::TcpListener;

use crate::{
    config::Config,
    daemon::{self, Daemon},
    sandbox::Sandbox,
    telemetry,
};

use self::folder::TemporaryFolder;
use super::{CliError, Connection, Ending, Output, client::Client, publish, screen::Screen, signals::Signals, watch};

/// The arguments of `demo`.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// End when the batch has ended: with 0 if every clip was published, with 3 otherwise.
    #[arg(long)]
    exit_when_done: bool,
}

/// What runs in this process.
struct Stage {
    sandbox: Sandbox,
    daemon: Daemon,
    address: Address,
    /// Last, so that it is removed after everything that uses it.
    _folder: TemporaryFolder,
}

/// How to reach it.
struct Address {
    connection: Connection,
    key: String,
    sandbox: SocketAddr,
}

impl Demo {
    pub(super) async fn run(self) -> Result<Ending, CliError> {
        let mut signals = Signals::new()?;
        let mut stage = Stage::set().await?;
        let outcome = tokio::select! {
            outcome = self.perform(&mut stage) => outcome,
            _ = signals.next() => Ok(if self.exit_when_done { Ending::NotAllPublished } else { Ending::Done }),
        };
        tokio::select! {
            cleared = stage.clear() => cleared.and(outcome),
            signal = signals.next() => Err(CliError::Interrupted(signal)),
        }
    }

    /// Plays while there is a daemon.
    async fn perform(&self, stage: &mut Stage) -> Result<Ending, CliError> {
        tokio::select! {
            outcome = self.play(&stage.address) => outcome,
            () = stage.daemon.died() => Err(CliError::DemoDied),
        }
    }

    /// Publishes and watches, then stays until it is interrupted, unless it is to end.
    async fn play(&self, address: &Address) -> Result<Ending, CliError> {
        address.introduce()?;
        let client = Client::new(&address.connection)?;
        let batch = publish::send(&client, sample::batch(), &publish::new_key(), false).await?;
        let progress = watch::follow(&client, &batch, Screen::new(false)).await?;
        if self.exit_when_done {
            return Ok(progress.ending());
        }
        address.suggest(&batch)?;
        std::future::pending().await
    }
}

impl Stage {
    /// Starts sandbox and daemon on free ports of this machine.
    async fn set() -> Result<Self, CliError> {
        let folder = TemporaryFolder::new()?;
        let listener = listen(&["127.0.0.1:0"]).await?;
        let sandbox = Sandbox::start(listener, sample::sandbox()).map_err(CliError::Sandbox)?;

        let listener = listen(&["127.0.0.1:8080", "127.0.0.1:0"]).await?;
        let address = listener.local_addr().map_err(CliError::Runtime)?;
        let key = format!("sk_demo_{:032x}", rand::random::<u128>());
        let config = settings(&folder, address, &sandbox.base_url(), &key)?;
        telemetry::init(&config.log, config.log_format)?;
        let daemon = daemon::start(config, listener, |_| Ok(())).await?;
        let connection = Connection {
            url: format!("http://{}", daemon.address()),
            api_key: Some(SecretString::from(key.clone())),
        };
        let address = Address {
            connection,
            key,
            sandbox: sandbox.address(),
        };
        Ok(Self {
            sandbox,
            daemon,
            address,
            _folder: folder,
        })
    }

    async fn clear(self) -> Result<(), CliError> {
        self.daemon.stop().await;
        self.sandbox.stop().await.map_err(CliError::Sandbox)
    }
}

impl Address {
    fn introduce(&self) -> Result<(), CliError> {
        let (url, key, sandbox) = (&self.connection.url, &self.key, self.sandbox);
        Output.line(&format!(
            "StoryClip publishes five clips to a local stand-in of Metricool; nothing leaves this machine.\n\n  \
             API      {url}\n  key      {key}\n  sandbox  http://{sandbox}/_sandbox/posts shows what went live\n"
        ))
    }

    fn suggest(&self, batch: &str) -> Result<(), CliError> {
        let (url, key) = (&self.connection.url, &self.key);
        let body = sample::one_clip();
        Output.line(&format!(
            "\nTry the API while this runs (Ctrl-C ends it and removes its files):\n\n  \
             curl -H 'X-API-Key: {key}' '{url}/api/metricool/batch/{batch}'\n\n  \
             curl -H 'X-API-Key: {key}' -H 'Content-Type: application/json' '{url}/api/metricool/publish/stories' \\\n    \
             -d '{body}'\n"
        ))
    }
}

/// The first of these addresses that is free.
async fn listen(addresses: &[&str]) -> Result<TcpListener, CliError> {
    let addresses: Vec<SocketAddr> = addresses.iter().filter_map(|address| address.parse().ok()).collect();
    TcpListener::bind(&*addresses).await.map_err(|reason| CliError::Listen {
        address: "a free port of 127.0.0.1".into(),
        reason,
    })
}

/// Settings of the demo's daemon. The environment of the person who tries it is left out, above all a real token; only
/// `STORYCLIP_LOG` counts, to look inside.
fn settings(folder: &TemporaryFolder, address: SocketAddr, metricool: &str, key: &str) -> Result<Config, CliError> {
    let log = std::env::var("STORYCLIP_LOG").unwrap_or_else(|_| "off".into());
    let settings = [
        ("STORYCLIP_LISTEN", address.to_string()),
        ("STORYCLIP_DATABASE_URL", folder.database_url()),
        ("STORYCLIP_API_KEYS", format!("demo:{key}:publish+read+admin")),
        ("STORYCLIP_METRICOOL_URL", metricool.to_owned()),
        ("METRICOOL_USER_TOKEN", "demo".into()),
        ("METRICOOL_USER_ID", "demo".into()),
        ("STORYCLIP_METRICOOL_LEAD_SECONDS", "0".into()),
        ("STORYCLIP_METRICOOL_GRANULARITY_SECONDS", "0".into()),
        ("STORYCLIP_LOG", log),
    ];
    let env = settings.map(|(name, value)| (name.to_owned(), value));
    Ok(Config::load_from(None, env)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn a_daemon_that_died_ends_the_demo_with_an_error() {
        let mut stage = Stage::set().await.unwrap();
        stage.daemon.kill();
        let demo = Demo { exit_when_done: false };
        let wait = std::time::Duration::from_secs(60);
        let outcome = tokio::time::timeout(wait, demo.perform(&mut stage)).await.unwrap();
        assert!(matches!(outcome, Err(CliError::DemoDied)), "{outcome:?}");
        stage.clear().await.unwrap();
    }
}
