//! The queue of deliveries: what is due is claimed for a while, and the outcome is written under that claim.
//!
//! The courier calls it, one on each node. A claim whose courier died lapses and the delivery is sent again, under the same
//! id: at least once. An outcome whose claim is another's by now is dropped.

use std::{collections::HashMap, time::Duration};

use secrecy::SecretString;
use sqlx::SqlStr;
use storyclip_actors::{error::StoreError, model::Timestamp};

use super::{
    super::{
        Store,
        decode::Cursor,
        rows::Rows,
        sql::{Dialect, execute, returning, text},
    },
    tries::{self, Attempted, Due, Ended},
    view::DisabledReason,
};

/// How long notices, their deliveries and their log are kept.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3_600);

/// The statements.
pub struct Texts {
    waiting: SqlStr,
    claim: SqlStr,
    claimed: SqlStr,
    old_secrets: SqlStr,
    free: SqlStr,
    settle: SqlStr,
    log: SqlStr,
    took: SqlStr,
    disable: SqlStr,
    forget: SqlStr,
    sweep: [SqlStr; 3],
}

impl Texts {
    pub fn new(dialect: Dialect) -> Self {
        let lock = dialect.lock();
        let due = "FROM notice_deliveries WHERE status = 'pending' AND due_at <= $1 \
                   AND (claimed_until IS NULL OR claimed_until <= $1)";
        let old = "SELECT notice_id FROM notices WHERE created_at < $1 ORDER BY created_at LIMIT 1000";
        Self {
            waiting: text(format!("SELECT CASE WHEN EXISTS (SELECT 1 {due}) THEN 1 ELSE 0 END")),
            claim: text(format!(
                "WITH due AS MATERIALIZED (SELECT delivery_id {due} AND target NOT IN ({}) ORDER BY due_at LIMIT $5{lock}) \
                 UPDATE notice_deliveries SET claim = $2, claimed_until = $3 WHERE delivery_id IN \
                 (SELECT delivery_id FROM due) AND status = 'pending' \
                 AND (claimed_until IS NULL OR claimed_until <= $1) RETURNING delivery_id",
                dialect.texts("$4")
            )),
            claimed: dialect.over(
                "id",
                "SELECT d.delivery_id, d.tenant, d.channel, d.target, d.attempts, d.tries, d.began_at, n.notice_id, n.kind, \
                 n.batch_id, n.body, COALESCE(e.url, s.endpoint), COALESCE(e.secret, b.secret), s.p256dh, s.auth, \
                 CASE WHEN e.disabled_reason IS NULL THEN 0 ELSE 1 END \
                 FROM v CROSS JOIN notice_deliveries d JOIN notices n ON n.notice_id = d.notice_id \
                 LEFT JOIN webhook_endpoints e ON d.channel = 'webhook' AND e.endpoint_id = d.target \
                 LEFT JOIN webhook_batch_secrets b ON d.channel = 'batch' AND b.tenant = d.tenant \
                 LEFT JOIN push_subscriptions s ON d.channel = 'push' AND s.subscription_id = d.target \
                 WHERE d.delivery_id = v.id",
            ),
            old_secrets: dialect.over(
                "id now",
                "SELECT d.delivery_id, o.secret FROM v CROSS JOIN notice_deliveries d JOIN webhook_old_secrets o \
                 ON o.tenant = d.tenant AND o.endpoint_id = CASE WHEN d.channel = 'webhook' THEN d.target ELSE '' END \
                 WHERE d.delivery_id = v.id AND d.channel IN ('webhook', 'batch') AND o.until > v.now ORDER BY o.until DESC",
            ),
            free: text("UPDATE notice_deliveries SET claim = NULL, claimed_until = NULL WHERE claimed_until IS NOT NULL"),
            settle: dialect.over(
                "id held_by turned more# due http# why end_at",
                "UPDATE notice_deliveries SET status = v.turned, attempts = notice_deliveries.attempts + v.more, \
                 tries = notice_deliveries.tries + v.more, due_at = COALESCE(v.due, notice_deliveries.due_at), \
                 http_status = v.http, error = v.why, settled_at = v.end_at, claim = NULL, claimed_until = NULL \
                 FROM v WHERE notice_deliveries.delivery_id = v.id AND notice_deliveries.claim = v.held_by \
                 RETURNING delivery_id, attempts",
            ),
            log: dialect.over(
                "id n# at took# http# why",
                "INSERT INTO notice_attempts (delivery_id, attempt, at, took_ms, http_status, error) \
                 SELECT v.id, v.n, v.at, v.took, v.http, v.why FROM v WHERE true ON CONFLICT (delivery_id, attempt) DO NOTHING",
            ),
            took: dialect.over(
                "id at",
                "UPDATE webhook_endpoints SET delivered_at = v.at FROM v WHERE webhook_endpoints.endpoint_id = v.id",
            ),
            disable: dialect.over(
                "id reason since at",
                "UPDATE webhook_endpoints SET disabled_reason = v.reason, disabled_at = v.at, updated_at = v.at FROM v \
                 WHERE webhook_endpoints.endpoint_id = v.id AND webhook_endpoints.disabled_reason IS NULL \
                 AND (v.since IS NULL OR webhook_endpoints.delivered_at IS NULL OR webhook_endpoints.delivered_at < v.since) \
                 RETURNING endpoint_id",
            ),
            forget: dialect.over(
                "id",
                "DELETE FROM push_subscriptions WHERE subscription_id IN (SELECT v.id FROM v)",
            ),
            sweep: [
                text(format!(
                    "DELETE FROM notice_attempts WHERE delivery_id IN \
                     (SELECT delivery_id FROM notice_deliveries WHERE notice_id IN ({old}))"
                )),
                text(format!("DELETE FROM notice_deliveries WHERE notice_id IN ({old})")),
                text(format!("DELETE FROM notices WHERE notice_id IN ({old})")),
            ],
        }
    }
}

impl Store {
    /// Takes up to `most` deliveries that are due, until `until`, but none to these targets. Where nothing is due this is
    /// one small look.
    pub async fn claim_deliveries(
        &self,
        now: Timestamp,
        until: Timestamp,
        most: usize,
        but: &[&str],
    ) -> Result<Vec<Due>, StoreError> {
        let claim = format!("{:032x}", rand::random::<u128>());
        let but = serde_json::to_string(but).unwrap_or_else(|_| "[]".into());
        self.reading(async {
            let texts = &self.0.notices.deliveries;
            let waiting = sqlx::query(texts.waiting.clone()).bind(now.to_string());
            let waiting = waiting.fetch_one(&mut *self.reader().await?).await?;
            if Cursor::new(&waiting).int()? == 0 {
                return Ok(Vec::new());
            }
            let mut tx = self.aside().await?;
            let query = sqlx::query(texts.claim.clone())
                .bind(now.to_string())
                .bind(claim.clone());
            let query = query.bind(until.to_string()).bind(but).bind(most as i64);
            let (mut rows, mut dated) = (Rows::default(), Rows::default());
            for row in query.fetch_all(&mut *tx).await? {
                let id = Cursor::new(&row).text()?.to_owned();
                rows.push(&[&id]);
                dated.push(&[&id, &now]);
            }
            let mut claimed = Vec::new();
            for row in returning(&mut tx, &texts.claimed, rows).await? {
                claimed.push(tries::due(&mut Cursor::new(&row), &claim)?);
            }
            for row in returning(&mut tx, &texts.old_secrets, dated).await? {
                let mut columns = Cursor::new(&row);
                let (id, secret) = (columns.text()?, columns.text()?);
                if let Some(due) = claimed.iter_mut().find(|due| due.id == id) {
                    due.secrets.push(SecretString::from(secret.to_owned()));
                }
            }
            tx.commit().await?;
            Ok(claimed)
        })
        .await
    }

    /// Writes how these tries ended, and gives the endpoints that were disabled thereby.
    pub async fn record_deliveries(
        &self,
        attempted: &[Attempted],
    ) -> Result<Vec<(String, DisabledReason)>, StoreError> {
        let ended = Ended::of(attempted);
        self.reading(async {
            let texts = &self.0.notices.deliveries;
            let mut tx = self.aside().await?;
            let mut numbers: HashMap<String, i64> = HashMap::new();
            for row in returning(&mut tx, &texts.settle, ended.settled).await? {
                let mut columns = Cursor::new(&row);
                numbers.insert(columns.text()?.to_owned(), columns.int()?);
            }
            execute(&mut tx, &texts.log, tries::log(attempted, &numbers)).await?;
            execute(&mut tx, &texts.took, ended.took).await?;
            execute(&mut tx, &texts.forget, ended.forgotten).await?;
            let (mut disabled, mut resting) = (Vec::new(), Rows::default());
            for row in returning(&mut tx, &texts.disable, ended.disabled).await? {
                let id = Cursor::new(&row).text()?.to_owned();
                resting.push(&[&id, &None::<String>]);
                disabled.push(id);
            }
            super::rest(&mut tx, &self.0.notices, resting).await?;
            tx.commit().await?;
            let why = |id: String| ended.reasons.get(&id).map(|reason| (id.clone(), *reason));
            Ok(disabled.into_iter().filter_map(why).collect())
        })
        .await
    }

    /// SQLite, at start: whoever claimed something is dead, so that it is free. On PostgreSQL claims lapse.
    pub async fn free_deliveries(&self) -> Result<(), StoreError> {
        if !self.is_sqlite() {
            return Ok(());
        }
        self.reading(async {
            let mut tx = self.aside().await?;
            sqlx::query(self.0.notices.deliveries.free.clone())
                .execute(&mut *tx)
                .await?;
            tx.commit().await
        })
        .await
    }

    /// Deletes what is older than thirty days, a part at a time, and secrets whose time is over; whether there may be more.
    pub async fn sweep_notices(&self, now: Timestamp) -> Result<bool, StoreError> {
        let before = (now - KEPT).to_string();
        self.reading(async {
            let mut tx = self.aside().await?;
            let mut today = Rows::default();
            today.push(&[&now]);
            execute(&mut tx, &self.0.notices.secrets.expired, today).await?;
            let mut deleted = 0;
            for statement in &self.0.notices.deliveries.sweep {
                let done = sqlx::query(statement.clone())
                    .bind(before.clone())
                    .execute(&mut *tx)
                    .await?;
                deleted = done.rows_affected();
            }
            tx.commit().await?;
            Ok(deleted > 0)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::store::planner::Planner;

    #[tokio::test]
    async fn what_is_settled_costs_nothing_when_what_is_due_is_looked_for() {
        let mut planner = Planner::new().await;
        let texts = Texts::new(Dialect::Sqlite);
        for sql in [&texts.waiting, &texts.claim] {
            let plan = planner.plan(sql).await;
            assert!(plan.contains("USING INDEX notice_deliveries_due"), "{plan}");
        }
    }
}
