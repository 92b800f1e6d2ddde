//! What keeps the ring of keys true while the daemon runs: keys that others made or revoked come in, uses go out.
//!
//! The daemon spawns it. Without it a key that was revoked through another daemon would work here until the next start, and
//! nobody would see when keys were last used.

use std::{io, sync::Arc, time::Duration};

use secrecy::SecretString;
use storyclip_actors::model::{Tenant, Timestamp};
use tokio::time::{MissedTickBehavior, interval};

use super::StartError;
use crate::{
    http::{Keys, Scope, TenantAccounts, keys},
    store::{KeyView, Store},
};

/// How soon a key that another daemon revoked works no more.
const HEAR_EVERY: Duration = Duration::from_secs(2);

/// How late the row may be about a key's last use.
const NOTE_EVERY: Duration = Duration::from_secs(60);

/// Shows the first key to who starts the daemon, where no log keeps it.
pub trait ShowKey: FnOnce(&SecretString) -> io::Result<()> {}

impl<F: FnOnce(&SecretString) -> io::Result<()>> ShowKey for F {}

/// Whose the first key is.
const FIRST_TENANT: &str = "default";

/// Keeps going until it is aborted.
pub(super) async fn keep(store: Store, keys: Arc<Keys>) {
    let mut hear = interval(HEAR_EVERY);
    hear.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut note = interval(NOTE_EVERY);
    note.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Only this daemon can change a file that it has locked.
    let others = !store.is_sqlite();
    loop {
        tokio::select! {
            _ = hear.tick(), if others => {
                if let Err(error) = keys.change().await.reload(&store).await {
                    tracing::debug!(%error, "the keys cannot be read; those in force stay");
                }
            }
            _ = note.tick() => note_uses(&store, &keys).await,
        }
    }
}

/// Writes down what is known of the keys' uses.
pub(super) async fn note_uses(store: &Store, keys: &Keys) {
    if let Err(error) = keys.note_uses(store).await {
        tracing::debug!(%error, "the uses of keys are written down later");
    }
}

/// Reads the keys, and makes one where there never was any: whoever can start the daemon may use it. That key is shown to
/// that person and kept nowhere.
///
/// It is shown before it counts: a death in between leaves a key that opens nothing, and the next start shows another.
pub(super) async fn begin(store: &Store, keys: &Keys, now: Timestamp, show: impl ShowKey) -> Result<(), StartError> {
    let changing = keys.change().await;
    if changing.reload(store).await? > 0 || !keys.none_of_environment() {
        return Ok(());
    }
    let secret = keys::new_secret();
    show(&secret).map_err(StartError::FirstKey)?;
    let row = KeyView {
        id: keys::FIRST.into(),
        hash: keys::hex(&keys::hash_of(&secret)),
        tenant: FIRST_TENANT.into(),
        scopes: keys::joined(&[Scope::Admin, Scope::Metrics].into()),
        label: Some("made at the first start".into()),
        created_by: "first start".into(),
        created_at: now,
        last_used_at: None,
        revoked_at: None,
    };
    if !store.create_first_key(&row).await? {
        changing.reload(store).await?;
        tracing::warn!(
            "another daemon made the first key at the same moment: the one that was shown here opens nothing"
        );
        return Ok(());
    }
    changing.add(&row);
    tracing::info!(key = row.id, tenant = %row.tenant, "key made, because there was none");
    Ok(())
}

/// Says so where keys of several tenants meet a setting that gives some of them no brand.
pub(super) fn warn_of_tenants_without_brands(keys: &Keys, accounts: &TenantAccounts) {
    let tenants = keys.without_brands(accounts);
    if tenants.is_empty() {
        return;
    }
    let tenants: Vec<&str> = tenants.iter().map(Tenant::as_str).collect();
    tracing::warn!(
        tenants = tenants.join(", "),
        "there are keys of several tenants, and these have no brand, so that they can publish nothing: \
         set STORYCLIP_TENANT_ACCOUNTS=tenant:blogId+blogId,… (the key of a first start, key_first, is of the tenant \
         default: where it is not needed, revoke it)"
    );
}
