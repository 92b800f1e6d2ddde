//! Batches as lists, newest first and page by page: those under way with their clips, and those that have ended.
//!
//! HTTP reads them. A page begins behind the last row of the page before, whatever has come or gone since.

use sqlx::{Any, AnyConnection, SqlStr, any::AnyArguments};
use storyclip_actors::{
    error::StoreError,
    model::{BatchId, BatchStatus, Tenant, Timestamp, UserId},
};

use super::{Store, reads, rows::clean, sql::text, view::BatchView};

type Query = sqlx::query::Query<'static, Any, AnyArguments>;

/// Which batches are under way (API.md).
pub(super) const ACTIVE: [BatchStatus; 3] = [BatchStatus::Scheduled, BatchStatus::Processing, BatchStatus::Paused];

/// Which have ended. The same words in the same order as in the index `publish_batches_past`, or it would not be used.
const PAST: [BatchStatus; 3] = [BatchStatus::Completed, BatchStatus::Failed, BatchStatus::Cancelled];

/// Before and after every instant that a row can have, as text of the same shape, so that any collation agrees.
pub(super) const EVER: [&str; 2] = ["0000-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"];

/// Which part of a list is wanted.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// Behind this row; from the beginning if `None`.
    pub after: Option<T>,
    /// At most so many rows.
    pub limit: usize,
}

impl<T> Page<T> {
    /// The whole list.
    pub fn all() -> Self {
        let (after, limit) = (None, usize::MAX);
        Self { after, limit }
    }

    /// Rows to ask for: one more than wanted tells whether others follow.
    pub(super) fn rows(&self) -> i64 {
        i64::try_from(self.limit).map_or(i64::MAX, |limit| limit.saturating_add(1))
    }
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// In the order of the list.
    pub rows: Vec<T>,
    /// Whether others follow.
    pub more: bool,
}

impl<T> Listed<T> {
    /// Of what was read for this page.
    pub(super) fn cut<P>(mut rows: Vec<T>, page: &Page<P>) -> Self {
        let more = rows.len() > page.limit;
        rows.truncate(page.limit);
        Self { rows, more }
    }
}

/// Where a batch stands in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the columns that lists are ordered by")]
pub struct Position {
    pub created_at: Timestamp,
    pub batch: BatchId,
}

impl Position {
    /// Of this batch.
    pub fn of(batch: &BatchView) -> Self {
        Self {
            created_at: batch.created_at,
            batch: batch.id.clone(),
        }
    }
}

/// Which past batches are wanted.
#[derive(Clone, Debug)]
pub struct Past {
    /// Of this user only.
    pub user: Option<UserId>,
    /// With this status only.
    pub status: Option<BatchStatus>,
    /// Created then or later.
    pub from: Option<Timestamp>,
    /// Created before.
    pub to: Option<Timestamp>,
}

/// The statements; of those under way in pairs, the rows and their clips.
pub struct Texts {
    active: [SqlStr; 2],
    active_of_user: [SqlStr; 2],
    past: SqlStr,
    past_of_user: SqlStr,
}

impl Texts {
    pub fn new() -> Self {
        const BEHIND: &str = "created_at <= $1 AND (created_at, batch_id) < ($1, $2)";
        const ORDER: &str = "ORDER BY created_at DESC, batch_id DESC LIMIT $3";
        let (is_active, is_past) = (among(ACTIVE), among(PAST));
        let active = |whose: &str| reads::pair(&format!("WHERE {whose} AND {is_active} AND {BEHIND} {ORDER}"));
        let past = |whose: &str| {
            text(format!(
                "SELECT {} FROM publish_batches WHERE {whose} AND {is_past} AND {BEHIND} AND created_at >= $5 \
                 AND ($6 = '' OR status = $6) {ORDER}",
                reads::BATCH
            ))
        };
        Self {
            active: active("tenant = $4"),
            active_of_user: active("tenant = $4 AND user_id = $5"),
            past: past("tenant = $4"),
            past_of_user: past("tenant = $4 AND user_id = $7"),
        }
    }
}

fn among(statuses: [BatchStatus; 3]) -> String {
    format!(
        "status IN ({})",
        statuses.map(|status| format!("'{status}'")).join(", ")
    )
}

/// The statement with `$1` to `$4`: what lies before the page, its length, whose batches.
fn begin(sql: &SqlStr, before: (String, String), rows: i64, tenant: &Tenant) -> Query {
    let query = sqlx::query(sql.clone()).bind(before.0).bind(before.1);
    query.bind(rows).bind(clean(tenant.as_str()))
}

/// The place behind which a page begins: the last row that was shown, or the instant before which all must lie.
fn before(after: Option<&Position>, to: Option<Timestamp>) -> (String, String) {
    match (after, to) {
        (Some(after), Some(to)) if to <= after.created_at => (to.to_string(), String::new()),
        (Some(after), Some(_) | None) => (after.created_at.to_string(), clean(after.batch.as_str())),
        (None, Some(to)) => (to.to_string(), String::new()),
        (None, None) => (EVER[1].to_owned(), String::new()),
    }
}

impl Store {
    /// Scheduled, processing and paused batches of a user, or of the whole tenant, newest first.
    pub async fn active(
        &self,
        tenant: &Tenant,
        user: Option<&UserId>,
        page: &Page<Position>,
    ) -> Result<Listed<BatchView>, StoreError> {
        self.reading(async {
            let mut view = self.steady().await?;
            let batches = active(&mut view, &self.0.lists, tenant, user, page).await?;
            view.commit().await?;
            Ok(batches)
        })
        .await
    }

    /// Batches that have ended, newest first and without their clips.
    pub async fn past(
        &self,
        tenant: &Tenant,
        wanted: &Past,
        page: &Page<Position>,
    ) -> Result<Listed<BatchView>, StoreError> {
        self.reading(async { past(&mut *self.reader().await?, &self.0.lists, tenant, wanted, page).await })
            .await
    }
}

/// Batches under way with their clips; the caller has begun a steady view.
async fn active(
    conn: &mut AnyConnection,
    texts: &Texts,
    tenant: &Tenant,
    user: Option<&UserId>,
    page: &Page<Position>,
) -> sqlx::Result<Listed<BatchView>> {
    let pair = match user {
        Some(_) => &texts.active_of_user,
        None => &texts.active,
    };
    let query = |sql: &SqlStr| {
        let query = begin(sql, before(page.after.as_ref(), None), page.rows(), tenant);
        match user {
            Some(user) => query.bind(clean(user.as_str())),
            None => query,
        }
    };
    let rows = query(&pair[0]).fetch_all(&mut *conn).await?;
    let clips = query(&pair[1]).fetch_all(&mut *conn).await?;
    Ok(Listed::cut(reads::together(&rows, &clips)?, page))
}

/// Batches that have ended, without their clips.
async fn past(
    conn: &mut AnyConnection,
    texts: &Texts,
    tenant: &Tenant,
    wanted: &Past,
    page: &Page<Position>,
) -> sqlx::Result<Listed<BatchView>> {
    let sql = match wanted.user {
        Some(_) => &texts.past_of_user,
        None => &texts.past,
    };
    let from = wanted.from.map_or_else(|| EVER[0].to_owned(), |from| from.to_string());
    let status = wanted.status.map_or("", BatchStatus::as_str);
    let before = before(page.after.as_ref(), wanted.to);
    let query = begin(sql, before, page.rows(), tenant)
        .bind(from)
        .bind(status.to_owned());
    let query = match &wanted.user {
        Some(user) => query.bind(clean(user.as_str())),
        None => query,
    };
    let rows = query.fetch_all(conn).await?;
    Ok(Listed::cut(reads::together(&rows, &[])?, page))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::store::planner::Planner;

    #[tokio::test]
    async fn the_past_is_read_from_an_index_in_its_order_and_no_further_than_the_page() {
        let mut planner = Planner::new().await;
        let texts = Texts::new();
        for (sql, index) in [
            (
                &texts.past,
                "publish_batches_past (tenant=? AND created_at>? AND created_at<?)",
            ),
            (
                &texts.past_of_user,
                "publish_batches_user (tenant=? AND user_id=? AND created_at>? AND created_at<?)",
            ),
        ] {
            let plan = planner.plan(sql).await;
            assert!(plan.contains(index) && !plan.contains("FOR ORDER BY"), "{plan}");
        }
    }
}
