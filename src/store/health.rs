//! Whether the database can be written, as the committer last found it.
//!
//! The committer writes it down around each of its attempts and logs each change once; the daemon reads it, because
//! nothing may be asked of a network whose answer cannot be recorded. A process begins without trouble.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

/// A commit that takes longer than this is trouble although it may still succeed: another process holds the file, the
/// disk or the server hangs. An intent that took so long is not acted on anyway.
const SLOW: Duration = storyclip_actors::schedule::LEASE_MARGIN;

/// Shared by the committer and the store; cheap to clone.
#[derive(Clone)]
pub struct Health(Arc<Inner>);

struct Inner {
    away: watch::Sender<bool>,
    tried_at: Mutex<Instant>,
}

impl Default for Health {
    fn default() -> Self {
        Self(Arc::new(Inner {
            away: watch::Sender::new(false),
            tried_at: Mutex::new(Instant::now()),
        }))
    }
}

impl Health {
    /// Whether the database is away, and each change of that.
    pub fn away(&self) -> watch::Receiver<bool> {
        self.0.away.subscribe()
    }

    /// How long ago an attempt ended, well or not.
    pub fn last_tried(&self) -> Duration {
        self.0.tried_at.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// Carries out an attempt and notices if it takes long.
    pub async fn watch<T>(&self, attempt: impl Future<Output = T>) -> T {
        let mut attempt = std::pin::pin!(attempt);
        let result = match tokio::time::timeout(SLOW, &mut attempt).await {
            Ok(result) => result,
            Err(_) => {
                self.fails(&format!("it has not answered for {SLOW:?}"));
                attempt.await
            }
        };
        *self.0.tried_at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        result
    }

    /// Nothing can be written.
    pub fn fails(&self, reason: &str) {
        if !self.0.away.send_replace(true) {
            tracing::error!(
                reason,
                "database unavailable: the networks are not called until it is back"
            );
        }
    }

    /// Something was written.
    pub fn works(&self) {
        if *self.0.away.borrow() {
            self.0.away.send_replace(false);
            tracing::info!("database available again");
        }
    }
}
