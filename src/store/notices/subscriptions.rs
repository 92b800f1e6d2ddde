//! Browsers that want to hear of a user's batches (Web Push).
//!
//! HTTP calls it. A browser that subscribes again replaces its keys; one that its push service calls gone is deleted by
//! the delivery that learned of it.

use sqlx::SqlStr;
use storyclip_actors::{error::StoreError, model::Tenant};

use super::{
    super::{
        Store,
        decode::Cursor,
        repeats,
        rows::Rows,
        sql::{Dialect, returning},
        view::{Created, IdempotencyEntry},
    },
    view::NewSubscription,
};

/// How many browsers a user may have.
pub const MOST_SUBSCRIPTIONS: usize = 20;

/// What became of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subscribed {
    /// It is kept under this id.
    As(String),
    /// The first of these requests was answered so.
    Before(Created),
    /// The user has as many as it may have.
    TooMany,
}

/// The statements.
pub struct Texts {
    create: SqlStr,
    delete: SqlStr,
}

impl Texts {
    pub fn new(dialect: Dialect) -> Self {
        Self {
            create: dialect.over(
                "id owner u url key auth at",
                &format!(
                    "INSERT INTO push_subscriptions (subscription_id, tenant, user_id, endpoint, p256dh, auth, created_at) \
                     SELECT v.id, v.owner, v.u, v.url, v.key, v.auth, v.at FROM v WHERE (SELECT COUNT(*) FROM \
                     push_subscriptions s WHERE s.tenant = v.owner AND s.user_id = v.u AND s.endpoint <> v.url) \
                     < {MOST_SUBSCRIPTIONS} ON CONFLICT (tenant, user_id, endpoint) DO UPDATE SET \
                     p256dh = excluded.p256dh, auth = excluded.auth RETURNING subscription_id"
                ),
            ),
            delete: dialect.over(
                "id owner",
                "DELETE FROM push_subscriptions WHERE (subscription_id, tenant) IN (SELECT v.id, v.owner FROM v) \
                 RETURNING subscription_id",
            ),
        }
    }
}

impl Store {
    /// Keeps a subscription, or the new keys of one that is there; with the idempotency key of the request, which is made of
    /// the subscription's id.
    pub async fn subscribe(
        &self,
        new: &NewSubscription,
        repeat: impl Fn(&str) -> Option<IdempotencyEntry> + Send + Sync,
    ) -> Result<Subscribed, StoreError> {
        let mut rows = Rows::default();
        rows.push(&[
            &new.id,
            &new.tenant,
            &new.user,
            &new.endpoint,
            &new.p256dh,
            &new.auth,
            &new.at,
        ]);
        self.reading(async {
            let mut tx = self.aside().await?;
            let returned = returning(&mut tx, &self.0.notices.subscriptions.create, rows).await?;
            let Some(row) = returned.first() else {
                return Ok(Subscribed::TooMany);
            };
            let id = Cursor::new(row).text()?.to_owned();
            let entry = repeat(&id);
            if let Some(replayed) = repeats::keep(&mut tx, &self.0.repeats, entry.as_ref(), new.at).await? {
                return Ok(Subscribed::Before(replayed));
            }
            tx.commit().await?;
            Ok(Subscribed::As(id))
        })
        .await
    }

    /// Forgets a subscription; whether there was one.
    pub async fn unsubscribe(&self, tenant: &Tenant, id: &str) -> Result<bool, StoreError> {
        let mut rows = Rows::default();
        rows.push(&[&id, tenant]);
        let deleted = self.alone(&self.0.notices.subscriptions.delete, rows).await?;
        Ok(!deleted.is_empty())
    }
}
