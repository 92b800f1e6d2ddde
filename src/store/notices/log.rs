//! The delivery log: what was delivered or not, each try of it, and the ways a person makes one: a replay, a test.
//!
//! HTTP calls it. Another tenant's delivery does not exist.

use sqlx::{SqlStr, any::AnyRow};
use storyclip_actors::{
    error::StoreError,
    model::{BatchId, Tenant, Timestamp},
};

use super::{
    super::{
        Store,
        decode::Cursor,
        reads::fetch,
        repeats,
        rows::{Rows, clean},
        sql::{Dialect, execute, returning, text},
        view::{Created, IdempotencyEntry},
    },
    view::{Channel, DeliveriesOf, DeliveryStatus, DeliveryView, NoticeKind, TryView},
};

const COLUMNS: &str = "d.delivery_id, d.notice_id, n.kind, n.batch_id, d.channel, d.target, d.status, d.attempts, d.due_at, \
                       d.http_status, d.error, d.settled_at, d.created_at";

const FROM: &str = "FROM notice_deliveries d JOIN notices n ON n.notice_id = d.notice_id";

/// A test message for an endpoint.
#[allow(missing_docs, reason = "the fields are columns of notices and notice_deliveries")]
pub struct NewTest<'a> {
    pub delivery: &'a str,
    pub tenant: &'a Tenant,
    pub endpoint: &'a str,
    pub notice: &'a str,
    pub body: &'a str,
    pub at: Timestamp,
}

/// The statements.
pub struct Texts {
    of_tenant: SqlStr,
    of_endpoint: SqlStr,
    of_batch: SqlStr,
    one: SqlStr,
    tries: SqlStr,
    replay: SqlStr,
    notice: SqlStr,
    delivery: SqlStr,
}

impl Texts {
    pub fn new(dialect: Dialect) -> Self {
        // Newest first, from a place on; a status that is empty is any.
        let list = |which: &str| {
            text(format!(
                "SELECT {COLUMNS} {FROM} WHERE d.tenant = $1 AND {which} AND ($3 = '' OR d.status = $3) \
                 AND (d.created_at, d.delivery_id) < ($4, $5) ORDER BY d.created_at DESC, d.delivery_id DESC LIMIT $6"
            ))
        };
        Self {
            of_tenant: list("$2 = ''"),
            of_endpoint: list("d.target = $2"),
            of_batch: list("n.batch_id = $2"),
            one: text(format!("SELECT {COLUMNS} {FROM} WHERE d.tenant = $1 AND d.delivery_id = $2")),
            tries: text(
                "SELECT attempt, at, took_ms, http_status, error FROM notice_attempts WHERE delivery_id = $1 ORDER BY attempt",
            ),
            replay: dialect.over(
                "id owner now",
                "UPDATE notice_deliveries SET status = 'pending', tries = 0, began_at = v.now, due_at = v.now, \
                 settled_at = NULL FROM v WHERE notice_deliveries.delivery_id = v.id AND notice_deliveries.tenant = v.owner \
                 AND notice_deliveries.status IN ('delivered', 'failed') RETURNING delivery_id",
            ),
            notice: dialect.over(
                "id owner kind body now",
                "INSERT INTO notices (notice_id, tenant, kind, body, created_at) \
                 SELECT v.id, v.owner, v.kind, v.body, v.now FROM v",
            ),
            delivery: dialect.over(
                "id owner notice goal now",
                "INSERT INTO notice_deliveries (delivery_id, tenant, notice_id, channel, target, status, began_at, due_at, \
                 created_at) SELECT v.id, v.owner, v.notice, 'webhook', v.goal, 'pending', v.now, v.now, v.now FROM v",
            ),
        }
    }
}

impl Store {
    /// Up to `limit` deliveries, newest first, before this place in the list.
    pub async fn deliveries(
        &self,
        tenant: &Tenant,
        of: &DeliveriesOf,
        status: Option<DeliveryStatus>,
        before: Option<(Timestamp, &str)>,
        limit: usize,
    ) -> Result<Vec<DeliveryView>, StoreError> {
        let texts = &self.0.notices.log;
        let (sql, which) = match of {
            DeliveriesOf::Tenant => (&texts.of_tenant, ""),
            DeliveriesOf::Endpoint(id) => (&texts.of_endpoint, id.as_str()),
            DeliveriesOf::Batch(id) => (&texts.of_batch, id.as_str()),
        };
        // Later than every instant.
        let (at, id) = before.map_or(("~".to_owned(), ""), |(at, id)| (at.to_string(), id));
        self.reading(async {
            let query = sqlx::query(sql.clone()).bind(clean(tenant.as_str())).bind(clean(which));
            let query = query.bind(status.map_or("", DeliveryStatus::as_str).to_owned());
            let query = query.bind(at).bind(clean(id)).bind(limit as i64);
            let rows = query.fetch_all(&mut *self.reader().await?).await?;
            rows.iter().map(delivery).collect()
        })
        .await
    }

    /// One delivery with its tries.
    pub async fn delivery(
        &self,
        tenant: &Tenant,
        id: &str,
    ) -> Result<Option<(DeliveryView, Vec<TryView>)>, StoreError> {
        self.reading(async {
            let texts = &self.0.notices.log;
            let mut conn = self.reader().await?;
            let rows = fetch(&mut conn, &texts.one, &[tenant.as_str(), id]).await?;
            let Some(row) = rows.first() else { return Ok(None) };
            let tries = fetch(&mut conn, &texts.tries, &[id]).await?;
            let tries: sqlx::Result<Vec<TryView>> = tries.iter().map(attempt).collect();
            Ok(Some((delivery(row)?, tries?)))
        })
        .await
    }

    /// Sends a settled delivery again, from the beginning of its schedule; false when there is none that is settled.
    pub async fn replay_delivery(&self, tenant: &Tenant, id: &str, now: Timestamp) -> Result<bool, StoreError> {
        let mut rows = Rows::default();
        rows.push(&[&id, tenant, &now]);
        let replayed = self.alone(&self.0.notices.log.replay, rows).await?;
        Ok(!replayed.is_empty())
    }

    /// Queues a test message for an endpoint, with the idempotency key of the request that asks for it.
    pub async fn test_endpoint(
        &self,
        test: &NewTest<'_>,
        repeat: Option<&IdempotencyEntry>,
    ) -> Result<Created, StoreError> {
        let NewTest {
            delivery,
            tenant,
            endpoint,
            notice,
            body,
            at,
        } = test;
        let (mut notices, mut deliveries) = (Rows::default(), Rows::default());
        notices.push(&[notice, *tenant, &NoticeKind::Test.as_str(), body, at]);
        deliveries.push(&[delivery, *tenant, notice, endpoint, at]);
        self.reading(async {
            let mut tx = self.aside().await?;
            if let Some(replayed) = repeats::keep(&mut tx, &self.0.repeats, repeat, *at).await? {
                return Ok(replayed);
            }
            execute(&mut tx, &self.0.notices.log.notice, notices).await?;
            returning(&mut tx, &self.0.notices.log.delivery, deliveries).await?;
            tx.commit().await?;
            Ok(Created::New)
        })
        .await
    }
}

fn delivery(row: &AnyRow) -> sqlx::Result<DeliveryView> {
    let mut columns = Cursor::new(row);
    Ok(DeliveryView {
        id: columns.text()?.to_owned(),
        notice: columns.text()?.to_owned(),
        kind: columns.parsed()?,
        batch: columns.maybe()?.map(BatchId::from),
        channel: columns.parsed::<Channel>()?,
        target: columns.text()?.to_owned(),
        status: columns.parsed()?,
        attempts: columns.count()?,
        due_at: columns.parsed()?,
        http_status: columns.maybe_small()?,
        error: columns.maybe_owned()?,
        settled_at: columns.maybe_time()?,
        created_at: columns.parsed()?,
    })
}

fn attempt(row: &AnyRow) -> sqlx::Result<TryView> {
    let mut columns = Cursor::new(row);
    Ok(TryView {
        attempt: columns.count()?,
        at: columns.parsed()?,
        took_ms: columns.int()?,
        http_status: columns.maybe_small()?,
        error: columns.maybe_owned()?,
    })
}
