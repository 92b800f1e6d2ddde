//! The only place where all parts meet: starts them, stops them in order.
//!
//! The command line calls it. This version only answers `/healthz`.

use std::{io, net::SocketAddr};

use axum::{Router, routing::get};
use thiserror::Error;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use crate::config::Config;

/// Why the daemon did not start, in a sentence.
#[derive(Debug, Error)]
pub enum StartError {
    /// The listener cannot be used.
    #[error("cannot use the listener: {0}")]
    Listener(#[from] io::Error),
}

/// A running daemon.
#[derive(Debug)]
pub struct Daemon {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<io::Result<()>>,
}

/// Starts everything.
///
/// # Errors
/// See [`StartError`].
pub async fn start(_config: Config, listener: TcpListener) -> Result<Daemon, StartError> {
    let address = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel();
    let app = Router::new().route("/healthz", get(async || "ok"));
    let server = tokio::spawn(
        axum::serve(listener, app)
            .with_graceful_shutdown(async {
                let _ = stopped.await;
            })
            .into_future(),
    );
    Ok(Daemon { address, stop, server })
}

impl Daemon {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops in order.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.server.await;
    }
}
