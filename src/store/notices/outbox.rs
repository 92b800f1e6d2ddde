//! From events to deliveries: which users have events that were not read, what those say, and the one transaction that
//! moves the cursors and writes what is to be delivered.
//!
//! The dispatcher calls it, one on each node. The numbers of a user's events have no gaps and appear in commit order, so a
//! cursor misses nothing. Two nodes may read the same events: the cursor of each user is moved by one of them, and only
//! that one's notices are written. A death before the commit leaves the events to be read again.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use sqlx::{AnyConnection, SqlStr};
use storyclip_actors::{
    error::StoreError,
    model::{Tenant, Timestamp, UserId},
};

use super::{
    super::{
        Store,
        decode::Cursor,
        rows::Rows,
        sql::{Dialect, execute, returning, text},
    },
    targets::{self, Targets},
    view::{Behind, News, Notice, Round},
};

/// How many users are read in one round.
const USERS: i64 = 500;

/// About how many events are read in one round, over all its users.
const EVENTS: i64 = 20_000;

/// The statements.
pub struct Texts {
    anyone: SqlStr,
    behind: SqlStr,
    news: SqlStr,
    advance: SqlStr,
    targets: targets::Texts,
    notices: SqlStr,
    deliveries: SqlStr,
    not_mailed: SqlStr,
    mailed: SqlStr,
    since: SqlStr,
}

impl Texts {
    pub fn new(dialect: Dialect) -> Self {
        let with_webhook = "SELECT 1 FROM publish_batches p WHERE p.webhook_url IS NOT NULL";
        let enabled = "FROM webhook_endpoints e WHERE e.disabled_reason IS NULL";
        Self {
            anyone: text(format!(
                "SELECT CASE WHEN EXISTS (SELECT 1 {enabled}) OR EXISTS (SELECT 1 FROM push_subscriptions) \
                 OR EXISTS ({with_webhook}) THEN 1 ELSE 0 END"
            )),
            behind: dialect.over(
                "owner",
                &format!(
                    "SELECT s.tenant, s.user_id, COALESCE(c.user_seq, 0), s.last_event FROM user_streams s \
                     LEFT JOIN notice_cursors c ON c.tenant = s.tenant AND c.user_id = s.user_id \
                     WHERE s.last_event > COALESCE(c.user_seq, 0) AND (s.tenant IN (SELECT v.owner FROM v) \
                     OR s.tenant IN (SELECT e.tenant {enabled}) \
                     OR EXISTS (SELECT 1 FROM push_subscriptions b WHERE b.tenant = s.tenant AND b.user_id = s.user_id) \
                     OR EXISTS ({with_webhook} AND p.tenant = s.tenant AND p.user_id = s.user_id)) LIMIT {USERS}"
                ),
            ),
            news: dialect.over(
                "owner u after# until#",
                "SELECT e.tenant, e.user_id, e.batch_id, e.batch_seq, e.kind, e.body, e.created_at, p.webhook_url, \
                 p.job_id, p.account_id, p.network, e.clip_index, c.clip_id, c.clip_url, c.clip_title, \
                 c.metricool_post_id, c.facebook_post_id, c.permalink FROM v CROSS JOIN batch_events e \
                 JOIN publish_batches p ON p.batch_id = e.batch_id \
                 LEFT JOIN publish_batch_clips c ON c.batch_id = e.batch_id AND c.clip_index = e.clip_index \
                 WHERE e.tenant = v.owner AND e.user_id = v.u AND e.user_seq > v.after AND e.user_seq <= v.until \
                 ORDER BY e.tenant, e.user_id, e.user_seq",
            ),
            advance: dialect.over(
                "owner u after# until#",
                "INSERT INTO notice_cursors (tenant, user_id, user_seq) SELECT v.owner, v.u, v.until FROM v WHERE true \
                 ON CONFLICT (tenant, user_id) DO UPDATE SET user_seq = excluded.user_seq WHERE notice_cursors.user_seq \
                 = (SELECT v.after FROM v WHERE v.owner = notice_cursors.tenant AND v.u = notice_cursors.user_id) \
                 RETURNING tenant, user_id",
            ),
            targets: targets::Texts::new(dialect),
            notices: dialect.over(
                "id owner b kind body at",
                "INSERT INTO notices (notice_id, tenant, batch_id, kind, body, created_at) \
                 SELECT v.id, v.owner, v.b, v.kind, v.body, v.at FROM v WHERE true ON CONFLICT (notice_id) DO NOTHING",
            ),
            deliveries: dialect.over(
                "id owner notice channel goal at",
                "INSERT INTO notice_deliveries (delivery_id, tenant, notice_id, channel, target, status, began_at, due_at, \
                 created_at) SELECT v.id, v.owner, v.notice, v.channel, v.goal, 'pending', v.at, v.at, v.at FROM v \
                 WHERE true ON CONFLICT (notice_id, channel, target) DO NOTHING",
            ),
            not_mailed: text(format!(
                "DELETE FROM notice_mailed WHERE tenant NOT IN ({})",
                dialect.texts("$1")
            )),
            mailed: dialect.over(
                "owner at",
                "INSERT INTO notice_mailed (tenant, since) SELECT v.owner, v.at FROM v WHERE true \
                 ON CONFLICT (tenant) DO NOTHING",
            ),
            since: text("SELECT tenant, since FROM notice_mailed"),
        }
    }
}

impl Store {
    /// Notes that these tenants' batches are mailed about, from now on where they were not before, and no others'; gives
    /// since when.
    pub async fn mailed_since(
        &self,
        tenants: &BTreeSet<Tenant>,
        now: Timestamp,
    ) -> Result<BTreeMap<Tenant, Timestamp>, StoreError> {
        let names: Vec<&str> = tenants.iter().map(Tenant::as_str).collect();
        let names = serde_json::to_string(&names).unwrap_or_else(|_| "[]".into());
        let mut rows = Rows::default();
        tenants.iter().for_each(|tenant| rows.push(&[tenant, &now]));
        self.reading(async {
            let texts = &self.0.notices.outbox;
            let mut tx = self.aside().await?;
            sqlx::query(texts.not_mailed.clone())
                .bind(names)
                .execute(&mut *tx)
                .await?;
            execute(&mut tx, &texts.mailed, rows).await?;
            let mut since = BTreeMap::new();
            for row in sqlx::query(texts.since.clone()).fetch_all(&mut *tx).await? {
                let mut columns = Cursor::new(&row);
                since.insert(columns.text()?.into(), columns.parsed()?);
            }
            tx.commit().await?;
            Ok(since)
        })
        .await
    }

    /// Reads what was not read yet of users to whom somebody listens; `mailed` are tenants whose batches are mailed about.
    /// Where nobody listens this is one small look.
    pub async fn unread(&self, mailed: &BTreeSet<Tenant>) -> Result<Round, StoreError> {
        self.reading(async {
            let texts = &self.0.notices.outbox;
            let mut conn = self.reader().await?;
            let anyone = sqlx::query(texts.anyone.clone()).fetch_one(&mut *conn).await?;
            if mailed.is_empty() && Cursor::new(&anyone).int()? == 0 {
                return Ok(Round::default());
            }
            read(&mut conn, texts, mailed).await
        })
        .await
    }

    /// Moves the cursors of these users and writes their notices with what is to be delivered, all or nothing; gives how
    /// many deliveries there are. Users whose cursor another node has moved are left to it.
    pub async fn tell(&self, behind: &[Behind], notices: &[Notice], at: Timestamp) -> Result<usize, StoreError> {
        self.reading(async {
            let texts = &self.0.notices.outbox;
            let mut tx = self.aside().await?;
            let moved = advance(&mut tx, texts, behind).await?;
            let notices: Vec<&Notice> = (notices.iter())
                .filter(|notice| moved.contains(&(notice.tenant.clone(), notice.user.clone())))
                .collect();
            let count = write(&mut tx, texts, &notices, at).await?;
            tx.commit().await?;
            Ok(count)
        })
        .await
    }
}

async fn read(conn: &mut AnyConnection, texts: &Texts, mailed: &BTreeSet<Tenant>) -> sqlx::Result<Round> {
    let mut rows = Rows::default();
    mailed.iter().for_each(|tenant| rows.push(&[tenant]));
    let query = sqlx::query(texts.behind.clone()).bind(rows.into_json());
    let mut behind = Vec::new();
    for row in query.fetch_all(&mut *conn).await? {
        let mut columns = Cursor::new(&row);
        behind.push(Behind {
            tenant: columns.text()?.into(),
            user: columns.text()?.into(),
            read: columns.int()?,
            until: columns.int()?,
        });
    }
    let each = EVENTS / (behind.len().max(1) as i64);
    let mut more = behind.len() as i64 == USERS;
    for user in &mut behind {
        more |= user.until > user.read + each;
        user.until = user.until.min(user.read + each);
    }
    let mut news = Vec::new();
    for row in returning(conn, &texts.news, spans(&behind)).await? {
        news.push(one(&mut Cursor::new(&row))?);
    }
    Ok(Round { behind, news, more })
}

/// In sorted order, so that two nodes cannot lock each other out.
fn spans(behind: &[Behind]) -> Rows {
    let mut behind: Vec<&Behind> = behind.iter().collect();
    behind.sort_by_key(|user| (&user.tenant, &user.user));
    let mut rows = Rows::default();
    for Behind {
        tenant,
        user,
        read,
        until,
    } in behind
    {
        rows.push(&[tenant, user, read, until]);
    }
    rows
}

fn one(columns: &mut Cursor<'_>) -> sqlx::Result<News> {
    Ok(News {
        tenant: columns.text()?.into(),
        user: columns.text()?.into(),
        batch: columns.text()?.into(),
        batch_seq: columns.int()?,
        kind: columns.event_kind()?,
        body: columns.text()?.to_owned(),
        created_at: columns.parsed()?,
        webhook_url: columns.maybe_owned()?,
        job_id: columns.maybe_owned()?,
        account: columns.text()?.to_owned(),
        network: columns.text()?.to_owned(),
        clip_index: columns.maybe_count()?,
        clip_id: columns.maybe_owned()?,
        clip_url: columns.maybe_owned()?,
        clip_title: columns.maybe_owned()?,
        post_id: columns.maybe_owned()?,
        network_post_id: columns.maybe_owned()?,
        permalink: columns.maybe_owned()?,
    })
}

async fn advance(
    conn: &mut AnyConnection,
    texts: &Texts,
    behind: &[Behind],
) -> sqlx::Result<HashSet<(Tenant, UserId)>> {
    let mut moved = HashSet::new();
    for row in returning(conn, &texts.advance, spans(behind)).await? {
        let mut columns = Cursor::new(&row);
        moved.insert((columns.text()?.into(), columns.text()?.into()));
    }
    Ok(moved)
}

/// Who is told is read in the transaction that tells them: whoever was there before the event is not missed.
async fn write(conn: &mut AnyConnection, texts: &Texts, notices: &[&Notice], at: Timestamp) -> sqlx::Result<usize> {
    let targets = Targets::read(conn, &texts.targets, notices).await?;
    let (mut told, mut deliveries, mut count) = (Rows::default(), Rows::default(), 0);
    for notice in notices {
        let targets = targets.of(notice);
        if targets.is_empty() {
            continue;
        }
        told.push(&[
            &notice.id,
            &notice.tenant,
            &notice.batch,
            &notice.kind.as_str(),
            &notice.body,
            &notice.created_at,
        ]);
        for (channel, target) in targets {
            let id = delivery_id();
            deliveries.push(&[&id, &notice.tenant, &notice.id, &channel.as_str(), &target, &at]);
            count += 1;
        }
    }
    execute(conn, &texts.notices, told).await?;
    execute(conn, &texts.deliveries, deliveries).await?;
    Ok(count)
}

/// A new delivery's name.
pub fn delivery_id() -> String {
    format!("dlv_{:032x}", rand::random::<u128>())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::store::planner::Planner;

    #[tokio::test]
    async fn a_look_where_nobody_listens_reads_next_to_nothing() {
        let mut planner = Planner::new().await;
        let texts = Texts::new(Dialect::Sqlite);
        let anyone = planner.plan(&texts.anyone).await;
        assert!(anyone.contains("p USING INDEX publish_batches_webhook"), "{anyone}");
        let behind = planner.plan(&texts.behind).await;
        assert!(behind.contains("SEARCH c USING INDEX"), "{behind}");
        let own = "SEARCH p USING INDEX publish_batches_webhook (tenant=? AND user_id=?)";
        assert!(behind.contains(own), "{behind}");
        let news = planner.plan(&texts.news).await;
        assert!(news.contains("SEARCH e USING INDEX batch_events_user"), "{news}");
        assert!(!news.contains("SCAN e") && !news.contains("SCAN p"), "{news}");
    }
}
