//! What an account has with its network around some time, by the ledger. A dry run asks; nothing else depends on it.

use storyclip_actors::{
    error::StoreError,
    model::{AccountId, Network, Timestamp},
    ports::AttemptVerdict,
};

use super::{Store, decode::Cursor, rows::clean, sql::text};

impl Store {
    /// The slots from `from` to `to` of the account's posts on this network that are live, or are to go live for all that
    /// is known.
    pub async fn slots_used(
        &self,
        account: &AccountId,
        network: Network,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<Vec<Timestamp>, StoreError> {
        self.reading(async {
            let rows = sqlx::query(text(statement()))
                .bind(clean(account.as_str()))
                .bind(network.as_str())
                .bind(from.to_string())
                .bind(to.to_string())
                .fetch_all(&mut *self.reader().await?)
                .await?;
            rows.iter().map(|row| Cursor::new(row).parsed()).collect()
        })
        .await
    }
}

/// An index has the account, the network and the slot.
fn statement() -> String {
    let [errored, withdrawn] = [AttemptVerdict::Errored, AttemptVerdict::Withdrawn].map(AttemptVerdict::as_str);
    format!(
        "SELECT slot FROM delivery_attempts WHERE account_id = $1 AND network = $2 AND slot >= $3 AND slot <= $4 \
         AND post_id IS NOT NULL AND (verdict IS NULL OR verdict NOT IN ('{errored}', '{withdrawn}')) ORDER BY slot"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::planner::Planner;

    #[tokio::test]
    async fn only_the_accounts_posts_of_that_time_are_read() {
        let plan = Planner::new().await.plan(&text(statement())).await;
        assert_eq!(
            plan,
            "SEARCH delivery_attempts USING INDEX delivery_attempts_slot (account_id=? AND network=? AND slot>? AND slot<?)"
        );
    }
}
