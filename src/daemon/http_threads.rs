//! The threads that serve HTTP. Everything else of the daemon, actors, committer and calls to the networks, runs on the one
//! thread of the runtime that started it: what a batch does next goes from hand to hand there without waking another
//! thread, and however many requests and subscribers there are, they have threads of their own.
//!
//! The daemon starts it and ends it last. If a handler panics only its request is lost.

use std::{io, sync::Arc};

use axum::Router;
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    task::JoinHandle,
};

use crate::http::{self, Connections, Patience};

/// A runtime beside the daemon's own, with a thread for each core.
pub(super) struct HttpThreads(Option<Runtime>);

impl HttpThreads {
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().thread_name("http").enable_all().build()?;
        Ok(Self(Some(runtime)))
    }

    /// Serves until `closing` is ready and what is under way then has ended.
    pub(super) fn serve(
        &self,
        listener: TcpListener,
        app: Router,
        patience: Patience,
        connections: Arc<Connections>,
        closing: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        let Some(runtime) = &self.0 else {
            return Err(io::Error::other("the threads that serve HTTP have ended"));
        };
        let listener = listener.into_std()?;
        let _inside = runtime.enter();
        let listener = TcpListener::from_std(listener)?;
        let serving = http::serve(listener, app, patience, connections, closing);
        #[cfg(feature = "crash-points")]
        let serving = crate::crash_points::task("listener", serving);
        Ok(runtime.spawn(serving))
    }
}

impl Drop for HttpThreads {
    /// Waits for nothing: it may happen where waiting is not allowed.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
