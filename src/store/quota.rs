//! What an account has with its network around some time, by the ledger, and what is still to come, by the batches that go
//! on. A dry run asks, and whoever plans slots; nothing else depends on it.

use std::collections::{BTreeMap, HashSet};

use sqlx::{SqlStr, any::AnyRow};
use storyclip_actors::{
    error::StoreError,
    model::{AccountId, BatchStatus, ClipStatus, Network, Timestamp},
    ports::AttemptVerdict,
};

use super::{Store, decode::Cursor, lists::ACTIVE, rows::clean, sql::text};

/// What an account has with its network, whoever's batches it comes from. No clip is in it twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// The slots of posts that are live, or may be or become so for all that is known.
    pub posts: Vec<Timestamp>,
    /// The clips without a slot that stands, by batch.
    pub waiting: Vec<Waiting>,
}

/// The clips of one batch that wait for their turn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// The slots for which they are planned, in the order of the clips; they may have passed.
    pub planned: Vec<Timestamp>,
    /// How many are to be published one after the other.
    pub one_by_one: usize,
}

impl Store {
    /// The account's posts on this network from `from` to `to`, and all its clips that are still to be sent there or
    /// may be on their way.
    pub async fn taken(
        &self,
        account: &AccountId,
        network: Network,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<Taken, StoreError> {
        self.reading(async {
            let whose = |sql: SqlStr| sqlx::query(sql).bind(clean(account.as_str())).bind(network.as_str());
            let mut view = self.steady().await?;
            let within = whose(text(posts())).bind(from.to_string()).bind(to.to_string());
            let rows = within.fetch_all(&mut *view).await?;
            let posts = rows.iter().map(|row| Cursor::new(row).parsed());
            let mut taken = Taken {
                posts: posts.collect::<sqlx::Result<_>>()?,
                ..Taken::default()
            };
            let rows = whose(text(clips())).fetch_all(&mut *view).await?;
            view.commit().await?;
            taken.add(&rows)?;
            Ok(taken)
        })
        .await
    }
}

impl Store {
    /// The slots from `from` on that the clips of the account's batches on this network have or are planned for, each with
    /// the clip's URL: there the same media cannot stand a second time. Of batches that go on.
    pub async fn planned(
        &self,
        account: &AccountId,
        network: Network,
        from: Timestamp,
    ) -> Result<HashSet<(String, Timestamp)>, StoreError> {
        self.reading(async {
            let query = sqlx::query(text(slots()))
                .bind(clean(account.as_str()))
                .bind(network.as_str())
                .bind(from.to_string());
            let rows = query.fetch_all(&mut *self.reader().await?).await?;
            let planned = rows.iter().map(|row| {
                let mut columns = Cursor::new(row);
                Ok((columns.text()?.to_owned(), columns.parsed()?))
            });
            planned.collect()
        })
        .await
    }
}

impl Taken {
    /// Adds clips, those of each batch in their order.
    fn add(&mut self, clips: &[AnyRow]) -> sqlx::Result<()> {
        let mut waiting: BTreeMap<&str, Waiting> = BTreeMap::new();
        for row in clips {
            let mut columns = Cursor::new(row);
            let batch = columns.text()?;
            match (columns.maybe_time()?, columns.maybe_time()?) {
                (Some(slot), _) => self.posts.push(slot),
                (None, Some(planned)) => waiting.entry(batch).or_default().planned.push(planned),
                (None, None) => waiting.entry(batch).or_default().one_by_one += 1,
            }
        }
        self.waiting = waiting.into_values().collect();
        Ok(())
    }
}

/// An index has the account, the network and the slot.
fn posts() -> String {
    format!(
        "SELECT slot FROM delivery_attempts WHERE account_id = $1 AND network = $2 AND slot >= $3 AND slot <= $4 AND {} \
         ORDER BY slot",
        has_a_post()
    )
}

/// An attempt whose post is live, or is to go live for all that is known.
fn has_a_post() -> String {
    let never = [
        AttemptVerdict::Absent,
        AttemptVerdict::Errored,
        AttemptVerdict::Withdrawn,
    ];
    let never = quoted(never.map(AttemptVerdict::as_str));
    format!("post_id IS NOT NULL AND (verdict IS NULL OR verdict NOT IN ({never}))")
}

/// The account's batches that go on: one at work always has a `wake_at`, and both kinds have an index.
fn going_on() -> String {
    let processing = BatchStatus::Processing;
    let resting = ACTIVE.into_iter().filter(|status| *status != processing);
    let resting = quoted(resting.map(BatchStatus::as_str));
    let of = "SELECT batch_id FROM publish_batches WHERE account_id = $1 AND network = $2";
    format!(
        "{of} AND wake_at IS NOT NULL AND status = '{processing}' \
         UNION ALL {of} AND status <> '{processing}' AND status IN ({resting})"
    )
}

/// Slots of clips that were not cancelled.
fn slots() -> String {
    format!(
        "SELECT clip_url, COALESCE(scheduled_at, planned_for) FROM publish_batch_clips WHERE batch_id IN ({}) \
         AND status <> '{}' AND COALESCE(scheduled_at, planned_for) >= $3",
        going_on(),
        ClipStatus::Cancelled
    )
}

/// Clips that are not settled and have no such post.
fn clips() -> String {
    let unsettled = ClipStatus::ALL.iter().filter(|status| !status.is_terminal());
    let unsettled = quoted(unsettled.map(|status| status.as_str()));
    format!(
        "SELECT batch_id, scheduled_at, planned_for FROM publish_batch_clips c WHERE batch_id IN ({}) \
         AND status IN ({unsettled}) AND NOT EXISTS (SELECT 1 FROM delivery_attempts a WHERE a.batch_id = c.batch_id \
         AND a.clip_index = c.clip_index AND {}) ORDER BY batch_id, clip_index",
        going_on(),
        has_a_post()
    )
}

fn quoted(words: impl IntoIterator<Item = &'static str>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("'{word}'")).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::planner::Planner;

    #[tokio::test]
    async fn only_the_accounts_posts_of_that_time_are_read() {
        let plan = Planner::new().await.plan(&text(posts())).await;
        assert_eq!(
            plan,
            "SEARCH delivery_attempts USING INDEX delivery_attempts_slot (account_id=? AND network=? AND slot>? AND slot<?)"
        );
    }

    #[tokio::test]
    async fn only_clips_of_batches_that_go_on_are_read() {
        let plan = Planner::new().await.plan(&text(slots())).await;
        assert!(!plan.contains("SCAN"), "{plan}");
        let plan = Planner::new().await.plan(&text(clips())).await;
        assert!(!plan.contains("SCAN"), "{plan}");
        for step in [
            "publish_batch_clips_1 (batch_id=?)",
            "publish_batches_due",
            "publish_batches_resting (status=?)",
            "delivery_attempts_1 (batch_id=? AND clip_index=?)",
        ] {
            assert!(plan.contains(step), "{step}: {plan}");
        }
    }
}
