//! The ledger: a row for each attempt, made with its intent, completed by its outcome.
//!
//! The drain and the express call it after the clips. What a row does not say stays as it was, so the order of intent and
//! outcome does not matter, and a death between them leaves an intent without an outcome, which is what it was.

use sqlx::{AnyConnection, SqlStr};
use storyclip_actors::{
    error::StoreError,
    model::Request,
    ports::{AttemptWrite, Change},
};

use super::{
    changes::{changes, of_round},
    fault::Fault,
    op::Op,
    rows::{Rows, Table},
    sql::{Dialect, Shape, execute},
};

/// Any attempt; what is not told stays as it is. The media says what takes the slot: an empty one frees it, and only the request
/// tells of it then.
pub const ATTEMPTS: Shape = Shape {
    columns: "b i# attempt# account network request slot media intent outcome verdict code msg http# request_id \
              post uuid permalink",
    statement: "INSERT INTO delivery_attempts (batch_id, clip_index, attempt, account_id, network, request, slot, \
                media, intent_at, outcome_at, verdict, code, message, http_status, request_id, post_id, post_uuid, \
                permalink) SELECT v.b, v.i, v.attempt, v.account, v.network, v.request, v.slot, v.media, v.intent, \
                v.outcome, v.verdict, v.code, v.msg, v.http, v.request_id, v.post, v.uuid, v.permalink \
                FROM v WHERE true ON CONFLICT (batch_id, clip_index, attempt) DO UPDATE SET \
                request = COALESCE(excluded.request, delivery_attempts.request), \
                slot = COALESCE(excluded.slot, delivery_attempts.slot), \
                media = NULLIF(COALESCE(excluded.media, delivery_attempts.media), ''), \
                intent_at = COALESCE(excluded.intent_at, delivery_attempts.intent_at), \
                outcome_at = COALESCE(excluded.outcome_at, delivery_attempts.outcome_at), \
                verdict = COALESCE(excluded.verdict, delivery_attempts.verdict), \
                code = COALESCE(excluded.code, delivery_attempts.code), \
                message = COALESCE(excluded.message, delivery_attempts.message), \
                http_status = COALESCE(excluded.http_status, delivery_attempts.http_status), \
                request_id = COALESCE(excluded.request_id, delivery_attempts.request_id), \
                post_id = COALESCE(excluded.post_id, delivery_attempts.post_id), \
                post_uuid = COALESCE(excluded.post_uuid, delivery_attempts.post_uuid), \
                permalink = COALESCE(excluded.permalink, delivery_attempts.permalink)",
    returning: "",
};

/// An intent and nothing else: no indexed column is set twice, since SQLite writes an index anew even for an equal value.
pub const INTENTS: Shape = Shape {
    columns: "b i# attempt# account network request slot media intent",
    statement: "INSERT INTO delivery_attempts (batch_id, clip_index, attempt, account_id, network, request, slot, \
                media, intent_at) SELECT v.b, v.i, v.attempt, v.account, v.network, v.request, v.slot, v.media, \
                v.intent FROM v WHERE true ON CONFLICT (batch_id, clip_index, attempt) DO UPDATE SET \
                request = excluded.request, slot = excluded.slot, media = excluded.media, \
                intent_at = excluded.intent_at",
    returning: "",
};

/// Outcomes that name a post.
pub const POSTS: Shape = Shape {
    columns: "b i# attempt# account network outcome verdict code msg http# request_id permalink post uuid",
    statement: "INSERT INTO delivery_attempts (batch_id, clip_index, attempt, account_id, network, outcome_at, verdict, \
                code, message, http_status, request_id, permalink, post_id, post_uuid) SELECT v.b, v.i, v.attempt, \
                v.account, v.network, v.outcome, v.verdict, v.code, v.msg, v.http, v.request_id, v.permalink, v.post, \
                v.uuid FROM v WHERE true ON CONFLICT (batch_id, clip_index, attempt) DO UPDATE SET \
                outcome_at = COALESCE(excluded.outcome_at, delivery_attempts.outcome_at), \
                verdict = COALESCE(excluded.verdict, delivery_attempts.verdict), \
                code = COALESCE(excluded.code, delivery_attempts.code), \
                message = COALESCE(excluded.message, delivery_attempts.message), \
                http_status = COALESCE(excluded.http_status, delivery_attempts.http_status), \
                request_id = COALESCE(excluded.request_id, delivery_attempts.request_id), \
                permalink = COALESCE(excluded.permalink, delivery_attempts.permalink), \
                post_id = excluded.post_id, \
                post_uuid = COALESCE(excluded.post_uuid, delivery_attempts.post_uuid)",
    returning: "",
};

/// Outcomes that name no post: no indexed column is set at all.
pub const OUTCOMES: Shape = Shape {
    columns: "b i# attempt# account network outcome verdict code msg http# request_id permalink",
    statement: "INSERT INTO delivery_attempts (batch_id, clip_index, attempt, account_id, network, outcome_at, verdict, \
                code, message, http_status, request_id, permalink) SELECT v.b, v.i, v.attempt, v.account, v.network, \
                v.outcome, v.verdict, v.code, v.msg, v.http, v.request_id, v.permalink \
                FROM v WHERE true ON CONFLICT (batch_id, clip_index, attempt) DO UPDATE SET \
                outcome_at = COALESCE(excluded.outcome_at, delivery_attempts.outcome_at), \
                verdict = COALESCE(excluded.verdict, delivery_attempts.verdict), \
                code = COALESCE(excluded.code, delivery_attempts.code), \
                message = COALESCE(excluded.message, delivery_attempts.message), \
                http_status = COALESCE(excluded.http_status, delivery_attempts.http_status), \
                request_id = COALESCE(excluded.request_id, delivery_attempts.request_id), \
                permalink = COALESCE(excluded.permalink, delivery_attempts.permalink)",
    returning: "",
};

/// The statement.
pub struct Texts {
    attempts: SqlStr,
}

impl Texts {
    pub fn new(dialect: Dialect) -> Self {
        Self {
            attempts: dialect.shaped(&ATTEMPTS),
        }
    }
}

/// Adds to the ledger.
pub async fn write(conn: &mut AnyConnection, texts: &Texts, ops: &[Op]) -> Result<(), Fault> {
    for round in 0.. {
        let rows = rows(ops, round)?;
        if rows.is_empty() {
            break;
        }
        execute(conn, &texts.attempts, rows).await?;
    }
    Ok(())
}

/// Whether no attempt of this change is written twice.
pub fn in_one_round(change: &Change) -> bool {
    of_round(&change.attempts, 1, key).next().is_none()
}

/// What a write is about.
enum Part {
    Intent,
    Post,
    Outcome,
    Mixed,
}

impl Part {
    fn of(write: &AttemptWrite) -> Self {
        let outcome = write.outcome_at.is_some()
            || write.verdict.is_some()
            || write.code.is_some()
            || write.message.is_some()
            || write.http_status.is_some()
            || write.request_id.is_some()
            || write.permalink.is_some();
        match (write.request.is_some(), write.intent_at.is_some(), write.post.is_some()) {
            _ if write.vacates => Self::Mixed,
            (true, true, false) if !outcome => Self::Intent,
            (false, false, true) => Self::Post,
            (false, false, false) => Self::Outcome,
            (true, _, _) | (_, true, _) => Self::Mixed,
        }
    }
}

/// The rows of [`INTENTS`], [`POSTS`] and [`OUTCOMES`].
#[derive(Default)]
pub struct Parts<T> {
    pub intents: T,
    pub posts: T,
    pub outcomes: T,
}

impl<T: Table> Parts<T> {
    /// Adds a write of a change that goes into one round; false if it is neither an intent nor an outcome.
    pub fn push(&mut self, change: &Change, write: &AttemptWrite) -> bool {
        match Part::of(write) {
            Part::Intent => return push_intent(&mut self.intents, change, write).is_ok(),
            Part::Post => push_outcome(&mut self.posts, change, write),
            Part::Outcome => push_outcome(&mut self.outcomes, change, write),
            Part::Mixed => return false,
        }
        true
    }
}

fn push_intent(rows: &mut impl Table, change: &Change, write: &AttemptWrite) -> Result<(), Fault> {
    let request = write.request.as_ref();
    rows.row(&[
        &change.batch,
        &write.clip,
        &write.attempt,
        &change.account,
        &change.network,
        &json(request)?,
        &request.map(|request| request.slot),
        &request.map(|request| &*request.media),
        &write.intent_at,
    ]);
    Ok(())
}

/// The post stands last: [`OUTCOMES`] does not read so far.
fn push_outcome(rows: &mut impl Table, change: &Change, write: &AttemptWrite) {
    let post = write.post.as_ref();
    rows.row(&[
        &change.batch,
        &write.clip,
        &write.attempt,
        &change.account,
        &change.network,
        &write.outcome_at,
        &write.verdict.map(|verdict| verdict.as_str()),
        &write.code,
        &write.message,
        &write.http_status,
        &write.request_id,
        &write.permalink,
        &post.map(|post| &post.id),
        &post.and_then(|post| post.uuid.as_deref()),
    ]);
}

fn json(request: Option<&Request>) -> Result<Option<String>, Fault> {
    let json = request.map(serde_json::to_string).transpose();
    json.map_err(|error| Fault::Refused(StoreError::Unavailable(error.to_string())))
}

fn key(write: &AttemptWrite) -> (u32, u32) {
    (write.clip, write.attempt)
}

/// The rows of [`ATTEMPTS`] that go to this round.
fn rows(ops: &[Op], round: usize) -> Result<Rows, Fault> {
    let mut rows = Rows::default();
    for (_, change) in changes(ops) {
        for write in of_round(&change.attempts, round, key) {
            push(&mut rows, change, write)?;
        }
    }
    Ok(rows)
}

fn push(rows: &mut Rows, change: &Change, write: &AttemptWrite) -> Result<(), Fault> {
    let (request, post) = (write.request.as_ref(), write.post.as_ref());
    let media = request.map(|request| &*request.media);
    rows.push(&[
        &change.batch,
        &write.clip,
        &write.attempt,
        &change.account,
        &change.network,
        &json(request)?,
        &request.map(|request| request.slot),
        &if write.vacates { Some("") } else { media },
        &write.intent_at,
        &write.outcome_at,
        &write.verdict.map(|verdict| verdict.as_str()),
        &write.code,
        &write.message,
        &write.http_status,
        &write.request_id,
        &post.map(|post| &post.id),
        &post.and_then(|post| post.uuid.as_deref()),
        &write.permalink,
    ]);
    Ok(())
}
