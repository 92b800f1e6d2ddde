//! How the configuration becomes the delivery of notices, and what the routes about them need.

use std::sync::Arc;

use secrecy::ExposeSecret;
use storyclip_actors::ports::Clock;
use tokio::sync::Notify;

use crate::{
    config::Config,
    http::Notices,
    notifications::{EmailOptions, Notifications, NotificationsError, Options, VapidOptions},
    store::Store,
    tasks::Deaths,
};

/// Starts delivering.
pub(super) fn start(
    config: &Config,
    store: &Store,
    clock: &Arc<dyn Clock>,
    deaths: Deaths,
) -> Result<(Notices, Notifications), NotificationsError> {
    let from = config.email_from.clone();
    let keys = [&config.vapid_public_key, config.vapid_private_key.expose_secret()];
    let vapid = keys.iter().any(|key| !key.is_empty()).then(|| VapidOptions {
        public_key: config.vapid_public_key.clone(),
        private_key: config.vapid_private_key.clone(),
        subject: config.vapid_subject.clone(),
    });
    let options = Options {
        timeout: config.webhook_timeout,
        waits: config.webhook_waits.clone(),
        private_addresses: config.webhook_private_addresses,
        email: EmailOptions::of(
            config.smtp_url.clone(),
            &config.smtp_ca_file,
            from,
            &config.email_recipients,
        )?,
        vapid,
    };
    let notices = Notices {
        private_addresses: options.private_addresses,
        push_key: options.vapid.as_ref().map(|vapid| Arc::from(&*vapid.public_key)),
        queued: Arc::new(Notify::new()),
    };
    let notifications = Notifications::start(store, clock, options, &notices.queued, deaths)?;
    Ok((notices, notifications))
}
