//! What the outside is told of: webhooks, e-mail and Web Push, from the events that are durable already.
//!
//! ```text
//! batch_events ──(dispatcher: reads past a cursor)──> notice_deliveries ──(courier: claims, sends, records)──> the outside
//! ```
//!
//! The daemon starts both tasks. Nothing of a batch waits for them, and they add no statement to a batch's step; one that
//! panics is begun anew. A dispatcher that was dead reads on from its cursor, and a delivery whose courier died is sent again under the same id.
//! So everything is told at least once, and a receiver tells a repeat by its `webhook-id`.

mod address;
mod courier;
mod dispatcher;
mod email;
mod message;
mod push;
mod retry;
mod stored;
mod webhook;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use storyclip_actors::{model::Tenant, ports::Clock};
use thiserror::Error;
use tokio::sync::{Notify, watch};

use crate::{
    store::Store,
    tasks::{Deaths, Tasks},
};
use courier::{Courier, Sender};
use dispatcher::Dispatcher;

pub use address::allowed as url_allowed;
pub use email::{EmailError, EmailOptions};
pub use message::test as test_message;
pub use push::{PushError, PushKeys, VapidOptions, new_vapid_keys, subscription_keys};
pub use webhook::new_secret;

/// How long what is being sent may take once the daemon stops.
const GRACE: Duration = Duration::from_secs(2);

/// How notices are delivered.
pub struct Options {
    /// How long one try may take.
    pub timeout: Duration,
    /// The waits between the tries of one delivery.
    pub waits: Vec<Duration>,
    /// Whether addresses that are not on the public internet may be sent to.
    pub private_addresses: bool,
    /// Who is mailed about the batches of which tenant, and through whom; `None`: nobody.
    pub email: Option<EmailOptions>,
    /// The key pair by which push services know this daemon; `None`: browsers are not told.
    pub vapid: Option<VapidOptions>,
}

/// Why notices cannot be delivered.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say what each is")]
pub enum NotificationsError {
    #[error(transparent)]
    Email(#[from] EmailError),
    #[error(transparent)]
    Push(#[from] PushError),
    #[error("HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

/// What is being run.
pub struct Notifications {
    stop: watch::Sender<bool>,
    tasks: Tasks,
}

impl Notifications {
    /// Starts both tasks. `queued` is rung by whoever queues a delivery in another way.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn start(
        store: &Store,
        clock: &Arc<dyn Clock>,
        options: Options,
        queued: &Arc<Notify>,
        deaths: Deaths,
    ) -> Result<Self, NotificationsError> {
        let (stop, stopping) = watch::channel(false);
        let mailed: BTreeMap<Tenant, Vec<String>> = (options.email.as_ref())
            .map(|email| email.recipients.clone())
            .unwrap_or_default();
        let dispatcher = Arc::new(Dispatcher::new(
            store.clone(),
            clock.clone(),
            mailed,
            options.vapid.is_some(),
            queued.clone(),
        ));
        let sender = Arc::new(Sender::new(store.clone(), clock.clone(), options)?);
        let mut tasks = Tasks::new(deaths);
        let stop_telling = stopping.clone();
        tasks.keep("dispatcher", move || dispatcher.clone().run(stop_telling.clone()));
        let queued = queued.clone();
        tasks.keep("courier", move || {
            Courier::new(sender.clone(), queued.clone()).run(stopping.clone())
        });
        Ok(Self { stop, tasks })
    }

    /// Ends both: what is being sent may end within a moment, the rest is sent at the next start.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        self.tasks.finish(GRACE).await;
    }
}
