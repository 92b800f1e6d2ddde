//! The rows of `api_keys`: made, listed, revoked, and when each was last used.
//!
//! The routes of `/api/keys` and the daemon call it; requests are checked against a ring in memory. Its rows are nobody
//! else's, so its writes do not pass the committer but the connection aside. A transaction that is cut off leaves nothing.

use sqlx::{AnyConnection, SqlStr};
use storyclip_actors::{
    error::StoreError,
    model::{Tenant, Timestamp},
};

use super::{
    Store,
    decode::Cursor,
    lists::{Listed, Page},
    repeats,
    rows::{Rows, clean},
    sql::{Dialect, execute, text},
    view::{Created, IdempotencyEntry},
};

/// Keys in force that a tenant may have.
pub const MOST_KEYS: i64 = 1_000;

const KEY: &str = "key_id, key_hash, tenant, scopes, label, created_by, created_at, last_used_at, revoked_at";

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the columns of api_keys")]
pub struct KeyView {
    pub id: String,
    /// Hexadecimal.
    pub hash: String,
    pub tenant: Tenant,
    /// As in `publish+read`.
    pub scopes: String,
    pub label: Option<String>,
    pub created_by: String,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

/// The statements.
pub struct Texts {
    insert: SqlStr,
    first: SqlStr,
    revoke: SqlStr,
    used: SqlStr,
    all: SqlStr,
    of_tenant: SqlStr,
}

impl Texts {
    pub fn new(dialect: Dialect) -> Self {
        let insert = |unless: &str, conflict: &str| {
            text(format!(
                "INSERT INTO api_keys (key_id, key_hash, tenant, scopes, label, created_by, created_at) \
                 SELECT $1, $2, $3, $4, $5, $6, $7 WHERE {unless} {conflict} RETURNING key_id"
            ))
        };
        Self {
            insert: insert(
                "(SELECT COUNT(*) FROM api_keys WHERE tenant = $3 AND revoked_at IS NULL) < $8",
                "",
            ),
            first: insert(
                "NOT EXISTS (SELECT 1 FROM api_keys) AND $8 > 0",
                "ON CONFLICT (key_id) DO NOTHING",
            ),
            revoke: text(
                "UPDATE api_keys SET revoked_at = COALESCE(revoked_at, $3) WHERE tenant = $1 AND key_id = $2 \
                 RETURNING revoked_at",
            ),
            used: dialect.over(
                "id at",
                "UPDATE api_keys SET last_used_at = v.at FROM v WHERE api_keys.key_id = v.id \
                 AND (api_keys.last_used_at IS NULL OR api_keys.last_used_at < v.at)",
            ),
            all: text(format!("SELECT {KEY} FROM api_keys ORDER BY created_at, key_id")),
            of_tenant: text(format!(
                "SELECT {KEY} FROM api_keys WHERE tenant = $1 AND (created_at, key_id) < ($2, $3) \
                 ORDER BY created_at DESC, key_id DESC LIMIT $4"
            )),
        }
    }
}

impl Store {
    /// Stores a key, with the idempotency key of the request that made it; all or nothing.
    ///
    /// # Errors
    /// `Conflict` when the tenant has [`MOST_KEYS`] in force.
    pub async fn create_key(&self, new: &KeyView, repeat: Option<&IdempotencyEntry>) -> Result<Created, StoreError> {
        let created = self.reading(async {
            let texts = &self.0.api_keys;
            let mut tx = self.aside().await?;
            if let Some(replayed) = repeats::keep(&mut tx, &self.0.repeats, repeat, new.created_at).await? {
                return Ok(Some(replayed));
            }
            if !insert(&mut tx, &texts.insert, new).await? {
                return Ok(None);
            }
            tx.commit().await?;
            Ok(Some(Created::New))
        });
        let full = || StoreError::Conflict(format!("the tenant has {MOST_KEYS} keys"));
        created.await?.ok_or_else(full)
    }

    /// Stores a key if there never was one; of several daemons that try at once, one does it.
    pub async fn create_first_key(&self, new: &KeyView) -> Result<bool, StoreError> {
        self.reading(async {
            let mut tx = self.aside().await?;
            let stored = insert(&mut tx, &self.0.api_keys.first, new).await?;
            tx.commit().await?;
            Ok(stored)
        })
        .await
    }

    /// Revokes a key of this tenant; gives when that was first done, or `None` if there is no such key.
    pub async fn revoke_key(&self, tenant: &Tenant, id: &str, at: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.reading(async {
            let mut tx = self.aside().await?;
            let query = sqlx::query(self.0.api_keys.revoke.clone()).bind(clean(tenant.as_str()));
            let row = query
                .bind(clean(id))
                .bind(at.to_string())
                .fetch_optional(&mut *tx)
                .await?;
            let revoked = row.map(|row| Cursor::new(&row).parsed()).transpose()?;
            tx.commit().await?;
            Ok(revoked)
        })
        .await
    }

    /// Notes when these keys were last used; an older instant than the row's changes nothing.
    pub async fn keys_used(&self, used: &[(&str, Timestamp)]) -> Result<(), StoreError> {
        if used.is_empty() {
            return Ok(());
        }
        let mut rows = Rows::default();
        used.iter().for_each(|(id, at)| rows.push(&[&(*id).to_owned(), at]));
        self.reading(async {
            let mut tx = self.aside().await?;
            execute(&mut tx, &self.0.api_keys.used, rows).await?;
            tx.commit().await
        })
        .await
    }

    /// Every key there ever was, of all tenants.
    pub async fn all_keys(&self) -> Result<Vec<KeyView>, StoreError> {
        self.reading(async {
            let query = sqlx::query(self.0.api_keys.all.clone());
            let rows = query.fetch_all(&mut *self.reader().await?).await?;
            rows.iter().map(|row| key(&mut Cursor::new(row))).collect()
        })
        .await
    }

    /// A tenant's keys, newest first, a page beginning behind such a pair of creation and id.
    pub async fn keys_of(
        &self,
        tenant: &Tenant,
        page: &Page<(Timestamp, String)>,
    ) -> Result<Listed<KeyView>, StoreError> {
        let (at, id) = match &page.after {
            Some((at, id)) => (at.to_string(), clean(id)),
            None => (super::lists::EVER[1].to_owned(), String::new()),
        };
        self.reading(async {
            let query = sqlx::query(self.0.api_keys.of_tenant.clone()).bind(clean(tenant.as_str()));
            let query = query.bind(at).bind(id).bind(page.rows());
            let rows = query.fetch_all(&mut *self.reader().await?).await?;
            let keys: sqlx::Result<Vec<KeyView>> = rows.iter().map(|row| key(&mut Cursor::new(row))).collect();
            Ok(Listed::cut(keys?, page))
        })
        .await
    }
}

async fn insert(conn: &mut AnyConnection, sql: &SqlStr, new: &KeyView) -> sqlx::Result<bool> {
    let query = sqlx::query(sql.clone())
        .bind(clean(&new.id))
        .bind(clean(&new.hash))
        .bind(clean(new.tenant.as_str()))
        .bind(clean(&new.scopes))
        .bind(new.label.as_deref().map(clean))
        .bind(clean(&new.created_by))
        .bind(new.created_at.to_string());
    Ok(query.bind(MOST_KEYS).fetch_optional(conn).await?.is_some())
}

fn key(columns: &mut Cursor<'_>) -> sqlx::Result<KeyView> {
    Ok(KeyView {
        id: columns.text()?.to_owned(),
        hash: columns.text()?.to_owned(),
        tenant: columns.text()?.into(),
        scopes: columns.text()?.to_owned(),
        label: columns.maybe_owned()?,
        created_by: columns.text()?.to_owned(),
        created_at: columns.parsed()?,
        last_used_at: columns.maybe_time()?,
        revoked_at: columns.maybe_time()?,
    })
}
