//! Which clips of a batch people have named to be tried again. HTTP asks, to tell a repeat from what is impossible; nothing
//! else depends on it.

use std::collections::HashSet;

use storyclip_actors::{
    error::StoreError,
    model::{BatchId, CommandKind, Wish},
};

use super::{Store, decode::Cursor, reads::fetch, sql::text};

/// The literal is that of the index `batch_commands_retries`, or it would not be used.
const NAMED: &str = "SELECT detail FROM batch_commands WHERE batch_id = $1 AND kind = 'retry-failed'";

impl Store {
    /// The clips that a `retry-failed` of this batch has named so far, carried out or not. A wish for all names none.
    pub async fn retries(&self, batch: &BatchId) -> Result<HashSet<u32>, StoreError> {
        let details = self.reading(async {
            let rows = fetch(&mut *self.reader().await?, &text(NAMED), &[batch.as_str()]).await?;
            let detail = |row| Cursor::new(row).maybe_owned();
            rows.iter().map(detail).collect::<sqlx::Result<Vec<_>>>()
        });
        let mut named = HashSet::new();
        for detail in details.await? {
            match Wish::read(CommandKind::RetryFailed, detail.as_deref()) {
                Ok(Wish::RetryFailed { clips }) => named.extend(clips),
                Ok(Wish::Cancel | Wish::Pause | Wish::Resume | Wish::Resolve { .. }) => {}
                Err(error) => tracing::error!(batch.id = %batch, %error, "what a command named cannot be read"),
            }
        }
        Ok(named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::planner::Planner;

    #[tokio::test]
    async fn no_command_of_another_kind_or_batch_is_read() {
        let plan = Planner::new().await.plan(&text(NAMED)).await;
        assert_eq!(
            plan,
            "SEARCH batch_commands USING INDEX batch_commands_retries (batch_id=?)"
        );
    }
}
