//! How many connections there are at once, and the few beside them that are let in to ask how the daemon is.
//!
//! `serve` asks for a place before it speaks with a client, the envelope for what may be answered there, and `/metrics` for
//! the numbers. Connections end with the process, and so do these.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use axum::{extract::Request, http::StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;

/// Connections that are let in beside the others; more wait until one of these ends, which is soon.
const SPARE: usize = 32;

/// What is answered on a spare connection, too: to an operator, a supervisor, a scraper.
pub const OPERATING: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// The places for connections.
pub struct Connections {
    most: usize,
    places: Arc<Semaphore>,
    spare: Arc<Semaphore>,
    /// Whether it was said that there is no place.
    full: AtomicBool,
    turned_away: AtomicU64,
}

/// One connection's place, free again when it is dropped.
pub struct Place {
    /// Whether only [`OPERATING`] routes answer, once.
    pub spare: bool,
    /// None is needed once there is no limit any more, which does not happen.
    _permit: Option<OwnedSemaphorePermit>,
}

/// Marks the requests of a spare connection.
#[derive(Clone, Copy)]
pub struct Crowded;

impl Connections {
    /// This many at once, at least one.
    pub fn new(most: usize) -> Self {
        let most = most.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            most,
            places: Arc::new(Semaphore::new(most)),
            spare: Arc::new(Semaphore::new(SPARE)),
            full: AtomicBool::default(),
            turned_away: AtomicU64::default(),
        }
    }

    /// A place as soon as there is one.
    pub(super) async fn place(&self) -> Place {
        if let Ok(permit) = self.places.clone().try_acquire_owned() {
            self.say_if_free();
            return Place {
                spare: false,
                _permit: Some(permit),
            };
        }
        self.say_full();
        let (spare, permit) = tokio::select! {
            biased;
            permit = self.places.clone().acquire_owned() => (false, permit),
            permit = self.spare.clone().acquire_owned() => (true, permit),
        };
        Place {
            spare,
            _permit: permit.ok(),
        }
    }

    /// Connections that are open.
    pub(super) fn open(&self) -> usize {
        self.most + SPARE - self.places.available_permits() - self.spare.available_permits()
    }

    /// How many there may be.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// Connections that found no regular place, since the process began.
    pub(super) fn turned_away(&self) -> u64 {
        self.turned_away.load(Ordering::Relaxed)
    }

    fn say_full(&self) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
        if !self.full.swap(true, Ordering::Relaxed) {
            tracing::warn!(connections.most = self.most, "no place for another connection");
        }
    }

    /// Only once a good part is free, or it would be said again and again.
    fn say_if_free(&self) {
        let free = self.places.available_permits() >= self.most / 8;
        if free && self.full.swap(false, Ordering::Relaxed) {
            tracing::info!(connections.open = self.open(), "there are places for connections again");
        }
    }
}

/// Refuses what is not answered on a spare connection.
///
/// # Errors
/// 503 `TOO_MANY_CONNECTIONS`.
pub fn check(request: &Request) -> Result<(), Problem> {
    let regular = request.extensions().get::<Crowded>().is_none();
    if regular || OPERATING.contains(&request.uri().path()) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "TOO_MANY_CONNECTIONS",
        "too many connections are open",
    )
    .detail("As many connections are open as the daemon may have. Nothing was done; the request may be repeated.")
    .retry_after(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn beyond_the_most_there_are_a_few_spare_places_and_then_one_waits() {
        let connections = Connections::new(2);
        let mut regular = Vec::new();
        for _ in 0..2 {
            regular.push(connections.place().await);
        }
        assert!(regular.iter().all(|place| !place.spare));
        let mut spare = Vec::new();
        for _ in 0..SPARE {
            spare.push(connections.place().await);
        }
        assert!(spare.iter().all(|place| place.spare));
        assert_eq!(
            (connections.open(), connections.turned_away()),
            (2 + SPARE, SPARE as u64)
        );
        let mut waiting = Box::pin(connections.place());
        assert!(futures_util::poll!(&mut waiting).is_pending());
        regular.pop();
        assert!(!waiting.await.spare, "whichever is free first");
    }
}
