//! The queue of deliveries: what is due is claimed for a while, and the outcome is written under that claim.
//!
//! The courier calls it, one on each node. A claim whose courier died lapses and the delivery is sent again, under the same
//! id: at least once. An outcome whose claim is another's by now is dropped.

use std::{collections::HashMap, time::Duration};

use secrecy::SecretString;
use sqlx::SqlStr;
use storyclip_actors::{
    error::StoreError,
    model::{BatchId, Tenant, Timestamp},
};

use super::{
    super::{
        Store,
        decode::Cursor,
        rows::Rows,
        sql::{Dialect, execute, returning, text},
    },
    view::{Channel, DisabledReason, NoticeKind},
};

/// How long notices, their deliveries and their log are kept.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3_600);

/// A delivery to send now.
pub struct Due {
    /// Its row.
    pub id: String,
    /// Under which it was claimed.
    pub claim: String,
    /// Whose it is.
    pub tenant: Tenant,
    /// How.
    pub channel: Channel,
    /// To whom.
    pub target: String,
    /// Attempts before this one.
    pub attempts: u32,
    /// Tries of its schedule before this one.
    pub tries: u32,
    /// When the schedule began.
    pub began_at: Timestamp,
    /// The notice's id.
    pub notice: String,
    /// What it tells.
    pub kind: NoticeKind,
    /// The batch that it is about.
    pub batch: Option<BatchId>,
    /// The JSON to send.
    pub body: String,
    /// Where to, for a webhook or a browser; `None` if that is gone.
    pub url: Option<String>,
    /// By what to sign a webhook.
    pub secret: Option<SecretString>,
    /// A browser's keys: p256dh and auth.
    pub keys: Option<(String, String)>,
    /// Whether its endpoint was disabled meanwhile.
    pub disabled: bool,
}

/// What became of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was taken.
    Delivered,
    /// Once more, then.
    Again(Timestamp),
    /// Given up; with the reason for which its endpoint is disabled, if that is so.
    Failed(Option<DisabledReason>),
    /// Given up, and the browser is forgotten.
    Forgotten,
    /// Its endpoint is disabled; nothing was sent.
    Paused,
}

/// A try and its end.
pub struct Attempted {
    /// What was sent.
    pub due: Due,
    /// When.
    pub at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// The answer's status.
    pub http_status: Option<u16>,
    /// Why it was not taken.
    pub error: Option<String>,
    /// What follows.
    pub ending: Ending,
}

/// The statements.
pub struct Texts {
    waiting: SqlStr,
    claim: SqlStr,
    claimed: SqlStr,
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
            let mut rows = Rows::default();
            for row in query.fetch_all(&mut *tx).await? {
                rows.push(&[&Cursor::new(&row).text()?]);
            }
            let mut claimed = Vec::new();
            for row in returning(&mut tx, &texts.claimed, rows).await? {
                claimed.push(due(&mut Cursor::new(&row), &claim)?);
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
            execute(&mut tx, &texts.log, log(attempted, &numbers)).await?;
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

    /// Deletes what is older than thirty days, a part at a time; whether there may be more.
    pub async fn sweep_notices(&self, now: Timestamp) -> Result<bool, StoreError> {
        let before = (now - KEPT).to_string();
        self.reading(async {
            let mut tx = self.aside().await?;
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

fn due(columns: &mut Cursor<'_>, claim: &str) -> sqlx::Result<Due> {
    Ok(Due {
        id: columns.text()?.to_owned(),
        claim: claim.to_owned(),
        tenant: columns.text()?.into(),
        channel: columns.parsed()?,
        target: columns.text()?.to_owned(),
        attempts: columns.count()?,
        tries: columns.count()?,
        began_at: columns.parsed()?,
        notice: columns.text()?.to_owned(),
        kind: columns.parsed()?,
        batch: columns.maybe()?.map(BatchId::from),
        body: columns.text()?.to_owned(),
        url: columns.maybe_owned()?,
        secret: columns.maybe_owned()?.map(SecretString::from),
        keys: columns.maybe_owned()?.zip(columns.maybe_owned()?),
        disabled: columns.int()? == 1,
    })
}

/// The rows of what ended how.
#[derive(Default)]
struct Ended {
    settled: Rows,
    took: Rows,
    disabled: Rows,
    forgotten: Rows,
    reasons: HashMap<String, DisabledReason>,
}

impl Ended {
    fn of(attempted: &[Attempted]) -> Self {
        let mut ended = Self::default();
        let mut took: HashMap<&str, Timestamp> = HashMap::new();
        for Attempted {
            due,
            at,
            http_status,
            error,
            ending,
            ..
        } in attempted
        {
            let end_at = *at;
            let (status, again, settled_at) = match ending {
                Ending::Delivered => ("delivered", None, Some(end_at)),
                Ending::Again(due) => ("pending", Some(*due), None),
                Ending::Failed(_) | Ending::Forgotten => ("failed", None, Some(end_at)),
                Ending::Paused => ("paused", None, None),
            };
            let sent = i64::from(*ending != Ending::Paused);
            ended.settled.push(&[
                &due.id,
                &due.claim,
                &status,
                &sent,
                &again,
                http_status,
                error,
                &settled_at,
            ]);
            match ending {
                Ending::Delivered if due.channel == Channel::Webhook => {
                    took.insert(&due.target, end_at);
                }
                Ending::Failed(Some(reason)) => {
                    // An endpoint that took another message meanwhile is not dead.
                    let since = (*reason == DisabledReason::Failing).then_some(due.began_at);
                    if ended.reasons.insert(due.target.clone(), *reason).is_none() {
                        ended.disabled.push(&[&due.target, &reason.as_str(), &since, at]);
                    }
                }
                Ending::Forgotten => ended.forgotten.push(&[&due.target]),
                Ending::Delivered | Ending::Again(_) | Ending::Failed(None) | Ending::Paused => {}
            }
        }
        for (target, at) in took {
            ended.took.push(&[&target, &at]);
        }
        ended
    }
}

fn log(attempted: &[Attempted], numbers: &HashMap<String, i64>) -> Rows {
    let mut rows = Rows::default();
    for Attempted {
        due,
        at,
        took,
        http_status,
        error,
        ending,
    } in attempted
    {
        match (numbers.get(&due.id), ending) {
            (Some(number), Ending::Delivered | Ending::Again(_) | Ending::Failed(_) | Ending::Forgotten) => {
                rows.push(&[&due.id, number, at, &(took.as_millis() as i64), http_status, error]);
            }
            (None, _) | (Some(_), Ending::Paused) => {}
        }
    }
    rows
}
