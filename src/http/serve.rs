//! The listener and its connections: HTTP/1.1 that waits only so long for a request's head and keeps only so much of it.
//!
//! The daemon spawns [`serve`]. A client that sends its head drop by drop costs one connection for a while and is closed;
//! one whose head is too long is answered 431 and closed; one that reads nothing of what it is sent is cut off; one that
//! comes when there are too many is told so. If the process dies, clients connect again.

use std::{io, pin::pin, sync::Arc, time::Duration};

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpStream};

use super::{
    connections::{Connections, Crowded, Place},
    outgoing::Outgoing,
    refusal::Worded,
};

/// How long a connection is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// A client may take this long to send a request's head, from the connection or from the answer before; a connection
    /// that is not used for so long is closed, too.
    pub head: Duration,
    /// A client may take nothing of what is sent to it for this long.
    pub write: Duration,
}

impl Default for Patience {
    /// 30 s each, which is longer than most clients keep an unused connection.
    fn default() -> Self {
        let long = Duration::from_secs(30);
        Self {
            head: long,
            write: long,
        }
    }
}

/// Bytes of a request's head that are read at most. `head` refuses less than this, with a problem that says so.
const HEAD_BYTES: usize = 32 * 1024;

/// Header lines that are parsed at most; `head` refuses less than this, too.
const HEAD_LINES: usize = 128;

/// Bytes of a connection that are buffered at most in each direction.
const BUFFER: usize = 64 * 1024;

/// Between two tries to accept when that is impossible, as when no file descriptor is left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// The same for a spare connection, of which there are few.
const SPARE_HEAD: Duration = Duration::from_secs(5);

/// Serves until `closing` is ready, then lets each request under way end and is done when the last one is.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    patience: Patience,
    connections: Arc<Connections>,
    closing: impl Future<Output = ()>,
) {
    let crowded = app.clone().layer(Extension(Crowded));
    let conversations = GracefulShutdown::new();
    let mut closing = pin!(closing);
    loop {
        let next = async {
            let stream = accept(&listener).await;
            (stream, connections.place().await)
        };
        let (stream, place) = tokio::select! {
            biased;
            () = &mut closing => break,
            next = next => next,
        };
        let app = if place.spare { &crowded } else { &app };
        tokio::spawn(converse(stream, app.clone(), patience, place, conversations.watcher()));
    }
    drop(listener);
    conversations.shutdown().await;
}

/// The next connection. One that broke before it was taken is passed over; where none can be taken, it waits.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        let error = match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => error,
        };
        use io::ErrorKind as Kind;
        if matches!(
            error.kind(),
            Kind::ConnectionAborted | Kind::ConnectionReset | Kind::ConnectionRefused
        ) {
            continue;
        }
        tracing::warn!(%error, "no connection can be accepted");
        tokio::time::sleep(ACCEPT_AGAIN).await;
    }
}

async fn converse(stream: TcpStream, app: Router, patience: Patience, place: Place, watcher: Watcher) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection sends its small messages late");
    }
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(if place.spare {
            SPARE_HEAD.min(patience.head)
        } else {
            patience.head
        })
        .keep_alive(!place.spare)
        .max_headers(HEAD_LINES)
        .max_header_size(HEAD_BYTES)
        .max_buf_size(BUFFER)
        .serve_connection(
            TokioIo::new(Worded::new(Outgoing::new(stream, patience.write))),
            TowerToHyperService::new(app),
        );
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "connection ended");
    }
}
