//! How many batches and clips are in which status, and how much is still to be told to the outside: what `/metrics` shows.
//!
//! The cost follows what is under way or was stopped, not what was ever published: batches that rest are counted in an
//! index of their own, a completed batch's clips from its row's numbers, and only the clips of the others one by one.
//! A batch at work always has a `wake_at`, which has an index, too.

use sqlx::{AnyConnection, SqlStr};
use storyclip_actors::{
    error::StoreError,
    model::{BatchStatus, ClipStatus},
};

use super::{Store, decode::Cursor, sql::text, view::Counts};

/// The statements.
pub struct Texts {
    resting: SqlStr,
    at_work: SqlStr,
    clips: SqlStr,
    pending: SqlStr,
    disabled: SqlStr,
}

impl Texts {
    pub fn new() -> Self {
        let at_work = format!(
            "FROM publish_batches WHERE wake_at IS NOT NULL AND status = '{}'",
            BatchStatus::Processing
        );
        let resting = format!("FROM publish_batches WHERE status <> '{}'", BatchStatus::Processing);
        Self {
            resting: text(format!(
                "SELECT status, COUNT(*), CAST(SUM(total_clips) AS BIGINT), CAST(SUM(failed_clips) AS BIGINT) {resting} \
                 GROUP BY status"
            )),
            at_work: text(format!("SELECT COUNT(*) {at_work}")),
            clips: text(format!(
                "SELECT status, COUNT(*) FROM publish_batch_clips WHERE batch_id IN (SELECT batch_id {at_work} \
                 UNION ALL SELECT batch_id {resting} AND status <> '{}') GROUP BY status",
                BatchStatus::Completed
            )),
            pending: text("SELECT COUNT(*) FROM notice_deliveries WHERE status = 'pending'"),
            disabled: text(
                "SELECT disabled_reason, COUNT(*) FROM webhook_endpoints WHERE disabled_reason IS NOT NULL \
                 GROUP BY disabled_reason",
            ),
        }
    }
}

impl Store {
    /// How many batches and clips, of all tenants, are in which status.
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        self.reading(async {
            let mut view = self.steady().await?;
            let counts = read(&mut view, &self.0.counts).await?;
            view.commit().await?;
            Ok(counts)
        })
        .await
    }
}

/// Counts; the caller has begun a steady view.
pub async fn read(conn: &mut AnyConnection, texts: &Texts) -> sqlx::Result<Counts> {
    let mut counts = Counts::none();
    for row in sqlx::query(texts.resting.clone()).fetch_all(&mut *conn).await? {
        let mut columns = Cursor::new(&row);
        let status = columns.parsed()?;
        counts.add_batches(status, columns.int()?);
        let (clips, failed) = (columns.int()?, columns.int()?);
        if status == BatchStatus::Completed {
            // Every clip of a completed batch is settled, and only a cancelled one has cancelled clips.
            counts.add_clips(ClipStatus::Published, clips - failed);
            counts.add_clips(ClipStatus::Failed, failed);
        }
    }
    let row = sqlx::query(texts.at_work.clone()).fetch_one(&mut *conn).await?;
    counts.add_batches(BatchStatus::Processing, Cursor::new(&row).int()?);
    for row in sqlx::query(texts.clips.clone()).fetch_all(&mut *conn).await? {
        let mut columns = Cursor::new(&row);
        counts.add_clips(columns.parsed()?, columns.int()?);
    }
    let row = sqlx::query(texts.pending.clone()).fetch_one(&mut *conn).await?;
    counts.deliveries_pending = Cursor::new(&row).int()?;
    for row in sqlx::query(texts.disabled.clone()).fetch_all(&mut *conn).await? {
        let mut columns = Cursor::new(&row);
        counts.add_disabled(columns.parsed()?, columns.int()?);
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::store::planner::Planner;

    #[tokio::test]
    async fn what_is_completed_is_counted_in_an_index_and_no_clip_of_it_is_read() {
        let mut planner = Planner::new().await;
        let texts = Texts::new();
        let resting = planner.plan(&texts.resting).await;
        assert_eq!(
            resting,
            "SCAN publish_batches USING COVERING INDEX publish_batches_resting"
        );
        let at_work = planner.plan(&texts.at_work).await;
        assert!(at_work.contains("USING INDEX publish_batches_due"), "{at_work}");
        let clips = planner.plan(&texts.clips).await;
        assert!(clips.contains("SEARCH publish_batch_clips USING INDEX"), "{clips}");
        assert!(
            clips.contains("publish_batches_resting") && clips.contains("publish_batches_due"),
            "{clips}"
        );
        let pending = planner.plan(&texts.pending).await;
        assert!(
            pending.contains("USING COVERING INDEX notice_deliveries_due"),
            "{pending}"
        );
    }
}
