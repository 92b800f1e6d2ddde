//! Idempotency keys of what is created beside the committer: keys, endpoints, secrets, subscriptions, tests.
//!
//! Each such creation calls it in its own transaction, so that a death leaves both or neither. What the committer creates
//! has its keys written by `creates`.

use sqlx::{AnyConnection, SqlStr};
use storyclip_actors::model::Timestamp;

use super::{
    creates::KEY_LIFE,
    decode::Cursor,
    rows::clean,
    sql::text,
    view::{Created, IdempotencyEntry},
};

/// The statements.
pub struct Texts {
    keep: SqlStr,
    answer: SqlStr,
}

impl Texts {
    pub fn new() -> Self {
        Self {
            keep: text(
                "INSERT INTO idempotency_keys (tenant, route, key, body_hash, answer, created_at) \
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant, route, key) DO UPDATE SET \
                 body_hash = excluded.body_hash, answer = excluded.answer, created_at = excluded.created_at \
                 WHERE idempotency_keys.created_at <= $7 RETURNING key",
            ),
            answer: text(
                "SELECT body_hash, answer FROM idempotency_keys WHERE tenant = $1 AND route = $2 AND key = $3",
            ),
        }
    }
}

/// The first answer, if this request was made before; else its own row is written.
pub async fn keep(
    conn: &mut AnyConnection,
    texts: &Texts,
    entry: Option<&IdempotencyEntry>,
    at: Timestamp,
) -> sqlx::Result<Option<Created>> {
    let Some(entry) = entry else { return Ok(None) };
    let name = || [entry.tenant.as_str(), &entry.route, &entry.key].map(clean);
    let with_name = |sql: &SqlStr| {
        let query = sqlx::query(sql.clone());
        name().into_iter().fold(query, |query, part| query.bind(part))
    };
    let query = with_name(&texts.keep)
        .bind(clean(&entry.body_hash))
        .bind(clean(&entry.answer));
    let query = query.bind(at.to_string()).bind((at - KEY_LIFE).to_string());
    if query.fetch_optional(&mut *conn).await?.is_some() {
        return Ok(None);
    }
    let row = with_name(&texts.answer).fetch_one(conn).await?;
    let mut columns = Cursor::new(&row);
    let (body_hash, answer) = (columns.text()?.to_owned(), columns.text()?.to_owned());
    Ok(Some(Created::Replayed { body_hash, answer }))
}
