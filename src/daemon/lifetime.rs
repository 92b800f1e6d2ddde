//! Whether the daemon takes work, and whether it lives at all.
//!
//! The routes ask the one (`/readyz`), a service manager's watchdog the other. A daemon whose database is away takes no
//! work but lives: it waits, and nobody is helped by a restart.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ractor::{ActorRef, ActorStatus};
use storyclip_actors::{context::Context, directory::Directory, messages::SupervisorMessage};

use crate::{
    http::{Readiness, Vital, Vitals},
    store::Store,
    tasks::Deaths,
};

/// How long ago the supervisor's last sweep may be: a few of its intervals.
const TICKING: Duration = Duration::from_secs(10);

/// How long one attempt to use a database that is away may take: more than all its timeouts together.
const TRYING: Duration = Duration::from_secs(120);

/// See the file's first line.
pub(super) struct Lifetime {
    supervisor: ActorRef<SupervisorMessage>,
    directory: Arc<Directory>,
    store: Store,
    context: Arc<Context>,
    deaths: Deaths,
    draining: AtomicBool,
}

impl Lifetime {
    pub(super) fn new(
        supervisor: ActorRef<SupervisorMessage>,
        directory: Arc<Directory>,
        store: Store,
        context: Arc<Context>,
        deaths: Deaths,
    ) -> Self {
        Self {
            supervisor,
            directory,
            store,
            context,
            deaths,
            draining: AtomicBool::new(false),
        }
    }

    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Ends an orderly stop that takes too long: what is under way is cut. Every lease goes back but those of batches with
    /// such a call: they lapse, and whoever has the batch next looks for what became of it. So do all where the database is
    /// away.
    pub(super) async fn cut_short(&self, within: Duration) {
        let unfinished = self.directory.batches();
        self.supervisor.kill();
        if *self.store.away().borrow() {
            return;
        }
        let giving = self.context.store.release_all(&self.context.node, &unfinished);
        match tokio::time::timeout(within, giving).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "leases cannot be given back, they will lapse"),
            Err(_) => tracing::error!("the database does not answer: leases lapse"),
        }
    }

    /// Whether it does what it is for, or waits for the database and keeps trying, or stops (which has an end of its own).
    pub(super) fn is_alive(&self) -> bool {
        if self.is_draining() {
            return true;
        }
        match self.supervisor.get_status() {
            ActorStatus::Running if *self.store.away().borrow() => self.store.last_tried() < TRYING,
            ActorStatus::Running => self.ticks(),
            ActorStatus::Unstarted
            | ActorStatus::Starting
            | ActorStatus::Upgrading
            | ActorStatus::Draining
            | ActorStatus::Stopping
            | ActorStatus::Stopped => false,
        }
    }

    fn ticks(&self) -> bool {
        self.swept_ago() <= TICKING
    }

    fn swept_ago(&self) -> Duration {
        self.context.now().since(self.directory.swept_at())
    }
}

impl Readiness for Lifetime {
    fn ready(&self) -> Result<(), String> {
        if self.is_draining() {
            return Err("the daemon is draining: it takes no more work and is about to stop".into());
        }
        if self.store.is_displaced() {
            return Err(
                "the database is away: its file is not where it was opened, see the log; \
                        nothing is sent to the networks until that very file is back"
                    .into(),
            );
        }
        if self.context.limiter.is_held() {
            let why = self.store.cause().map(|cause| format!("{}; ", cause.words()));
            let why = why.unwrap_or_default();
            return Err(format!(
                "the database is away: {why}nothing is sent to the networks until it is back"
            ));
        }
        match self.supervisor.get_status() {
            ActorStatus::Running if self.ticks() => Ok(()),
            ActorStatus::Running => Err("the supervisor does not tick: the database may be slow".into()),
            ActorStatus::Unstarted
            | ActorStatus::Starting
            | ActorStatus::Upgrading
            | ActorStatus::Draining
            | ActorStatus::Stopping
            | ActorStatus::Stopped => Err("the supervisor is not running".into()),
        }
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }
}

impl Vitals for Lifetime {
    fn now(&self) -> Vital {
        let left = self.context.lease.until().since(self.context.now());
        Vital {
            actors: self.directory.len(),
            swept_ago: self.swept_ago(),
            lease_age: self.context.rules.lease.saturating_sub(left),
            calls_held: self.context.limiter.is_held(),
            task_deaths: self.deaths.count(),
            draining: self.is_draining(),
        }
    }
}
