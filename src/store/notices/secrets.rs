//! Secrets by which webhooks are signed, and those before them, which sign, too, for a while.
//!
//! HTTP calls it. Of two that turn the same secret at once the second waits for the first, so that no secret that was given
//! out is lost without its time.

use secrecy::{ExposeSecret, SecretString};
use sqlx::SqlStr;
use storyclip_actors::{
    error::StoreError,
    model::{Tenant, Timestamp},
};

use super::super::{
    Store,
    lists::EVER,
    reads::fetch,
    repeats,
    rows::Rows,
    sql::{Dialect, execute, returning, text},
    view::{Created, IdempotencyEntry},
};

/// How many secrets before the one in force may sign at once.
pub const MOST_OLD_SECRETS: usize = 4;

/// A secret that takes the place of another.
pub struct NewSecret {
    /// By what is signed from now on.
    pub secret: SecretString,
    /// When.
    pub at: Timestamp,
    /// Until when the one before signs, too; `None`: none but the new one signs, also none from before that.
    pub overlap_until: Option<Timestamp>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turned {
    /// It is in force, or was put in force by the first of these requests.
    As(Created),
    /// It is in force, and nothing signed before it.
    First,
    /// There is no such endpoint.
    NoSuchEndpoint,
    /// As many as may sign at once.
    TooMany,
}

/// The statements.
pub struct Texts {
    first: SqlStr,
    endpoint: Turn,
    batches: Turn,
    known: SqlStr,
    forget: SqlStr,
    pub expired: SqlStr,
}

/// What turns the secret of one kind, in this order.
struct Turn {
    /// Nobody else turns it until the end of the transaction.
    lock: SqlStr,
    set_aside: SqlStr,
    replace: SqlStr,
}

const COLUMNS: &str = "owner hook new_secret at till dead";

impl Turn {
    fn new(dialect: Dialect, table: &str, hook: &str, stamp: &str) -> Self {
        let this = format!("{table}.tenant = v.owner AND {hook} = v.hook");
        Self {
            lock: dialect.over(
                COLUMNS,
                &format!("UPDATE {table} SET {stamp} = v.at FROM v WHERE {this} RETURNING {table}.tenant"),
            ),
            set_aside: dialect.over(
                COLUMNS,
                &format!(
                    "INSERT INTO webhook_old_secrets (tenant, endpoint_id, secret, until) \
                     SELECT v.owner, v.hook, {table}.secret, v.till FROM v CROSS JOIN {table} WHERE {this} \
                     AND (SELECT COUNT(*) FROM webhook_old_secrets o WHERE o.tenant = v.owner \
                     AND o.endpoint_id = v.hook) < {MOST_OLD_SECRETS} RETURNING tenant"
                ),
            ),
            replace: dialect.over(
                COLUMNS,
                &format!("UPDATE {table} SET secret = v.new_secret FROM v WHERE {this}"),
            ),
        }
    }
}

impl Texts {
    pub fn new(dialect: Dialect) -> Self {
        Self {
            first: dialect.over(
                COLUMNS,
                "INSERT INTO webhook_batch_secrets (tenant, secret, created_at) SELECT v.owner, v.new_secret, v.at FROM v \
                 WHERE true ON CONFLICT (tenant) DO NOTHING RETURNING tenant",
            ),
            endpoint: Turn::new(
                dialect,
                "webhook_endpoints",
                "webhook_endpoints.endpoint_id",
                "updated_at",
            ),
            batches: Turn::new(dialect, "webhook_batch_secrets", "''", "created_at"),
            known: text("SELECT tenant FROM webhook_batch_secrets WHERE tenant = $1"),
            forget: dialect.over(
                COLUMNS,
                "DELETE FROM webhook_old_secrets WHERE (tenant, endpoint_id) IN (SELECT v.owner, v.hook FROM v) \
                 AND until <= (SELECT v.dead FROM v)",
            ),
            expired: dialect.over("at", "DELETE FROM webhook_old_secrets WHERE until <= (SELECT v.at FROM v)"),
        }
    }
}

impl Store {
    /// Puts a new secret of an endpoint in force.
    pub async fn rotate_secret(
        &self,
        tenant: &Tenant,
        endpoint: &str,
        new: &NewSecret,
        repeat: Option<&IdempotencyEntry>,
    ) -> Result<Turned, StoreError> {
        self.turn(tenant, Some(endpoint), new, |_| repeat.cloned()).await
    }

    /// Whether messages to the `webhookUrl` of this tenant's batches are signed.
    pub async fn has_batch_secret(&self, tenant: &Tenant) -> Result<bool, StoreError> {
        self.reading(async {
            let known = &self.0.notices.secrets.known;
            let rows = fetch(&mut *self.reader().await?, known, &[tenant.as_str()]).await?;
            Ok(!rows.is_empty())
        })
        .await
    }

    /// Sets by what messages to the `webhookUrl` of this tenant's batches are signed. What a repeat is answered depends on
    /// whether it is the first.
    pub async fn set_batch_secret(
        &self,
        tenant: &Tenant,
        new: &NewSecret,
        repeat: impl Fn(bool) -> Option<IdempotencyEntry> + Send + Sync,
    ) -> Result<Turned, StoreError> {
        self.turn(tenant, None, new, repeat).await
    }

    async fn turn(
        &self,
        tenant: &Tenant,
        endpoint: Option<&str>,
        new: &NewSecret,
        repeat: impl Fn(bool) -> Option<IdempotencyEntry> + Send + Sync,
    ) -> Result<Turned, StoreError> {
        let hook = endpoint.unwrap_or_default();
        let till = new
            .overlap_until
            .map_or_else(|| EVER[1].to_owned(), |until| until.to_string());
        let dead = new
            .overlap_until
            .map_or_else(|| EVER[1].to_owned(), |_| new.at.to_string());
        let row = || {
            let mut rows = Rows::default();
            rows.push(&[tenant, &hook, &new.secret.expose_secret(), &new.at, &till, &dead]);
            rows
        };
        let texts = &self.0.notices.secrets;
        self.reading(async {
            let mut tx = self.aside().await?;
            let (turn, first) = match endpoint {
                Some(_) => (&texts.endpoint, false),
                None => (
                    &texts.batches,
                    !returning(&mut tx, &texts.first, row()).await?.is_empty(),
                ),
            };
            let entry = repeat(first);
            if let Some(replayed) = repeats::keep(&mut tx, &self.0.repeats, entry.as_ref(), new.at).await? {
                return Ok(Turned::As(replayed));
            }
            if !first {
                if returning(&mut tx, &turn.lock, row()).await?.is_empty() {
                    return Ok(Turned::NoSuchEndpoint);
                }
                execute(&mut tx, &texts.forget, row()).await?;
                if new.overlap_until.is_some() && returning(&mut tx, &turn.set_aside, row()).await?.is_empty() {
                    return Ok(Turned::TooMany);
                }
                execute(&mut tx, &turn.replace, row()).await?;
            }
            tx.commit().await?;
            Ok(if first { Turned::First } else { Turned::As(Created::New) })
        })
        .await
    }
}
