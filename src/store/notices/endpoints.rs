//! Endpoints: who of a tenant wants to hear, and of what. Disabling one lets its deliveries rest, enabling lets them go on.
//!
//! HTTP calls it. Another tenant's endpoint does not exist.

use std::str::FromStr;

use secrecy::ExposeSecret;
use sqlx::{SqlStr, any::AnyRow};
use storyclip_actors::{
    error::StoreError,
    model::{Tenant, Timestamp},
};

use super::{
    super::{
        Store,
        decode::Cursor,
        lists::{EVER, Listed, Page},
        reads::fetch,
        repeats,
        rows::{Rows, clean},
        sql::{Dialect, execute, returning, text},
        view::{Created, IdempotencyEntry},
    },
    view::{Endpoint, EndpointChange, NewEndpoint, NoticeKind},
};

/// How many endpoints a tenant may have.
pub const MOST_ENDPOINTS: usize = 50;

const COLUMNS: &str = "endpoint_id, url, description, events, disabled_reason, disabled_at, delivered_at, created_at, \
                       updated_at";

/// The statements.
pub struct Texts {
    create: SqlStr,
    all: SqlStr,
    one: SqlStr,
    change: SqlStr,
    delete: SqlStr,
    orphan: SqlStr,
    orphan_secrets: SqlStr,
    pub rest: SqlStr,
    pub go_on: SqlStr,
}

impl Texts {
    pub fn new(dialect: Dialect) -> Self {
        Self {
            create: dialect.over(
                "id tenant url about events secret at",
                &format!(
                    "INSERT INTO webhook_endpoints (endpoint_id, tenant, url, description, events, secret, enabled_at, \
                     created_at, updated_at) SELECT v.id, v.tenant, v.url, v.about, v.events, v.secret, v.at, v.at, v.at \
                     FROM v WHERE (SELECT COUNT(*) FROM webhook_endpoints e WHERE e.tenant = v.tenant) < {MOST_ENDPOINTS} \
                     RETURNING endpoint_id"
                ),
            ),
            all: text(format!(
                "SELECT {COLUMNS} FROM webhook_endpoints WHERE tenant = $1 AND (created_at, endpoint_id) > ($2, $3) \
                 ORDER BY created_at, endpoint_id LIMIT $4"
            )),
            one: text(format!(
                "SELECT {COLUMNS} FROM webhook_endpoints WHERE tenant = $1 AND endpoint_id = $2"
            )),
            change: dialect.over(
                "id owner new_url described# about new_events turn at",
                &format!(
                    "UPDATE webhook_endpoints SET url = COALESCE(v.new_url, webhook_endpoints.url), \
                     description = CASE WHEN v.described = 1 THEN v.about ELSE webhook_endpoints.description END, \
                     events = COALESCE(v.new_events, webhook_endpoints.events), \
                     enabled_at = CASE WHEN v.turn = 'on' AND webhook_endpoints.disabled_reason IS NOT NULL THEN v.at \
                     ELSE webhook_endpoints.enabled_at END, \
                     disabled_reason = CASE WHEN v.turn = 'on' THEN NULL WHEN v.turn = 'off' \
                     THEN COALESCE(webhook_endpoints.disabled_reason, 'person') ELSE webhook_endpoints.disabled_reason END, \
                     disabled_at = CASE WHEN v.turn = 'on' THEN NULL WHEN v.turn = 'off' \
                     THEN COALESCE(webhook_endpoints.disabled_at, v.at) ELSE webhook_endpoints.disabled_at END, \
                     updated_at = v.at FROM v WHERE webhook_endpoints.endpoint_id = v.id \
                     AND webhook_endpoints.tenant = v.owner RETURNING {COLUMNS}"
                ),
            ),
            delete: dialect.over(
                "id owner",
                "DELETE FROM webhook_endpoints WHERE (endpoint_id, tenant) IN (SELECT v.id, v.owner FROM v) \
                 RETURNING endpoint_id",
            ),
            orphan: dialect.over(
                "id at",
                "UPDATE notice_deliveries SET status = 'failed', error = 'the endpoint was deleted', claim = NULL, \
                 settled_at = v.at FROM v WHERE notice_deliveries.channel = 'webhook' \
                 AND notice_deliveries.target = v.id AND notice_deliveries.status IN ('pending', 'paused')",
            ),
            orphan_secrets: dialect.over(
                "id owner",
                "DELETE FROM webhook_old_secrets WHERE (endpoint_id, tenant) IN (SELECT v.id, v.owner FROM v)",
            ),
            rest: dialect.over(
                "id at",
                "UPDATE notice_deliveries SET status = 'paused' FROM v \
                 WHERE notice_deliveries.channel = 'webhook' AND notice_deliveries.target = v.id \
                 AND notice_deliveries.status = 'pending'",
            ),
            go_on: dialect.over(
                "id at",
                "UPDATE notice_deliveries SET status = 'pending', tries = 0, began_at = v.at, due_at = v.at FROM v \
                 WHERE notice_deliveries.channel = 'webhook' AND notice_deliveries.target = v.id \
                 AND notice_deliveries.status = 'paused'",
            ),
        }
    }
}

impl Store {
    /// Creates an endpoint, with the idempotency key of the request that asks for it; `None` when the tenant has as many as it
    /// may have.
    pub async fn create_endpoint(
        &self,
        new: &NewEndpoint,
        repeat: Option<&IdempotencyEntry>,
    ) -> Result<Option<Created>, StoreError> {
        let mut rows = Rows::default();
        rows.push(&[
            &new.id,
            &new.tenant,
            &new.url,
            &new.description,
            &words(&new.events),
            &new.secret.expose_secret(),
            &new.at,
        ]);
        self.reading(async {
            let mut tx = self.aside().await?;
            if let Some(replayed) = repeats::keep(&mut tx, &self.0.repeats, repeat, new.at).await? {
                return Ok(Some(replayed));
            }
            if returning(&mut tx, &self.0.notices.endpoints.create, rows)
                .await?
                .is_empty()
            {
                return Ok(None);
            }
            tx.commit().await?;
            Ok(Some(Created::New))
        })
        .await
    }

    /// The tenant's endpoints, oldest first, a page beginning behind such a pair of creation and id.
    pub async fn endpoints(
        &self,
        tenant: &Tenant,
        page: &Page<(Timestamp, String)>,
    ) -> Result<Listed<Endpoint>, StoreError> {
        let (at, id) = match &page.after {
            Some((at, id)) => (at.to_string(), clean(id)),
            None => (EVER[0].to_owned(), String::new()),
        };
        self.reading(async {
            let query = sqlx::query(self.0.notices.endpoints.all.clone()).bind(clean(tenant.as_str()));
            let query = query.bind(at).bind(id).bind(page.rows());
            let rows = query.fetch_all(&mut *self.reader().await?).await?;
            let endpoints: sqlx::Result<Vec<Endpoint>> = rows.iter().map(endpoint).collect();
            Ok(Listed::cut(endpoints?, page))
        })
        .await
    }

    /// One endpoint of the tenant.
    pub async fn endpoint(&self, tenant: &Tenant, id: &str) -> Result<Option<Endpoint>, StoreError> {
        self.reading(async {
            let texts = &self.0.notices.endpoints;
            let rows = fetch(&mut *self.reader().await?, &texts.one, &[tenant.as_str(), id]).await?;
            rows.first().map(endpoint).transpose()
        })
        .await
    }

    /// Changes an endpoint and gives it as it is then; `None` when there is none.
    pub async fn change_endpoint(
        &self,
        tenant: &Tenant,
        id: &str,
        change: &EndpointChange,
        at: Timestamp,
    ) -> Result<Option<Endpoint>, StoreError> {
        let mut rows = Rows::default();
        rows.push(&[
            &id,
            tenant,
            &change.url,
            &change.description.is_some(),
            &change.description.as_ref().and_then(Option::as_ref),
            &change.events.as_deref().map(words),
            &change.enabled.map(|enabled| if enabled { "on" } else { "off" }),
            &at,
        ]);
        self.reading(async {
            let mut tx = self.aside().await?;
            let returned = returning(&mut tx, &self.0.notices.endpoints.change, rows).await?;
            let Some(row) = returned.first() else { return Ok(None) };
            let changed = endpoint(row)?;
            let mut rows = Rows::default();
            rows.push(&[&changed.id, &at]);
            match change.enabled {
                Some(true) => super::go_on(&mut tx, &self.0.notices, rows).await?,
                Some(false) => super::rest(&mut tx, &self.0.notices, rows).await?,
                None => {}
            }
            tx.commit().await?;
            Ok(Some(changed))
        })
        .await
    }

    /// Deletes an endpoint and gives up what was to be sent to it; whether there was one.
    pub async fn delete_endpoint(&self, tenant: &Tenant, id: &str, at: Timestamp) -> Result<bool, StoreError> {
        let (mut named, mut secrets, mut orphans) = (Rows::default(), Rows::default(), Rows::default());
        named.push(&[&id, tenant]);
        secrets.push(&[&id, tenant]);
        orphans.push(&[&id, &at]);
        self.reading(async {
            let mut tx = self.aside().await?;
            let deleted = returning(&mut tx, &self.0.notices.endpoints.delete, named).await?;
            if deleted.is_empty() {
                return Ok(false);
            }
            execute(&mut tx, &self.0.notices.endpoints.orphan, orphans).await?;
            execute(&mut tx, &self.0.notices.endpoints.orphan_secrets, secrets).await?;
            tx.commit().await?;
            Ok(true)
        })
        .await
    }
}

fn words(events: &[NoticeKind]) -> String {
    let words: Vec<&str> = events.iter().map(|kind| kind.as_str()).collect();
    words.join(" ")
}

fn endpoint(row: &AnyRow) -> sqlx::Result<Endpoint> {
    let mut columns = Cursor::new(row);
    Ok(Endpoint {
        id: columns.text()?.to_owned(),
        url: columns.text()?.to_owned(),
        description: columns.maybe_owned()?,
        events: events(columns.text()?),
        disabled_reason: columns.maybe_parsed()?,
        disabled_at: columns.maybe_time()?,
        delivered_at: columns.maybe_time()?,
        created_at: columns.parsed()?,
        updated_at: columns.parsed()?,
    })
}

/// A type that only a newer program knows is one that is not sent.
pub fn events(words: &str) -> Vec<NoticeKind> {
    (words.split(' ').map(NoticeKind::from_str))
        .filter_map(Result::ok)
        .collect()
}
