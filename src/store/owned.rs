//! Whose the posts of a listing are, and which slots a media has, by the ledger of attempts.
//!
//! The batch actor asks while it looks for a post whose answer was lost, or when a slot was refused. It only reads: after a death it is asked anew.

use sqlx::{AnyConnection, SqlStr};
use storyclip_actors::{
    error::Verdict,
    model::{AccountId, BatchId},
    ports::{AttemptVerdict, Candidate, Owned},
};

use super::{
    decode::Cursor,
    rows::{Rows, clean},
    sql::{Dialect, text},
};

/// Each branch finds its rows by an index of its own: by id, by uuid, by slot and media.
pub fn statement(dialect: Dialect) -> SqlStr {
    let [unknown, cannot_tell] =
        [AttemptVerdict::Refused(Verdict::Unknown), AttemptVerdict::CannotTell].map(AttemptVerdict::as_str);
    dialect.over(
        "post uuid network slot media",
        &format!(
            "SELECT v.post, 'known' FROM v CROSS JOIN delivery_attempts a WHERE a.account_id = $2 \
             AND a.post_id = v.post AND NOT (a.batch_id = $3 AND a.clip_index = $4 AND a.attempt = $5) \
             UNION SELECT v.post, 'known' FROM v CROSS JOIN delivery_attempts a WHERE a.account_id = $2 \
             AND a.post_uuid = v.uuid AND NOT (a.batch_id = $3 AND a.clip_index = $4 AND a.attempt = $5) \
             UNION SELECT v.post, 'intended' FROM v CROSS JOIN delivery_attempts a WHERE a.account_id = $2 \
             AND a.network = v.network AND a.slot = v.slot AND a.media = v.media AND a.post_id IS NULL \
             AND (a.verdict IS NULL OR a.verdict IN ('{unknown}', '{cannot_tell}')) \
             AND NOT (a.batch_id = $3 AND a.clip_index = $4)"
        ),
    )
}

/// The slots that this media has on an account's network, through the index that refuses it a second time there.
pub fn taken_slots() -> SqlStr {
    text(
        "SELECT slot FROM delivery_attempts WHERE account_id = $1 AND network = $2 AND slot >= $3 AND media = $4 \
         ORDER BY slot",
    )
}

pub async fn owned(
    conn: &mut AnyConnection,
    statement: &SqlStr,
    account: &AccountId,
    posts: &[Candidate],
    (batch, clip, attempt): (&BatchId, u32, u32),
) -> sqlx::Result<Owned> {
    let mut rows = Rows::default();
    for listed in posts {
        let media = match &listed.media[..] {
            [only] => Some(only.as_str()),
            [] | [_, _, ..] => None,
        };
        let post = &listed.post;
        rows.push(&[&post.id, &post.uuid.as_deref(), &listed.network, &listed.slot, &media]);
    }
    let query = sqlx::query(statement.clone())
        .bind(rows.into_json())
        .bind(clean(account.as_str()))
        .bind(clean(batch.as_str()));
    let rows = query
        .bind(i64::from(clip))
        .bind(i64::from(attempt))
        .fetch_all(conn)
        .await?;
    let mut owned = Owned::default();
    for row in &rows {
        let mut columns = Cursor::new(row);
        let post = columns.text()?.into();
        let whose = match columns.text()? {
            "known" => &mut owned.known,
            _ => &mut owned.intended,
        };
        whose.insert(post);
    }
    Ok(owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::planner::Planner;

    #[tokio::test]
    async fn taken_slots_are_read_from_the_index_of_slots() {
        let plan = Planner::new().await.plan(&taken_slots()).await;
        assert_eq!(
            plan,
            "SEARCH delivery_attempts USING COVERING INDEX delivery_attempts_slot (account_id=? AND network=? AND slot>?)"
        );
    }
}
