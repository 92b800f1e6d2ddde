//! `Idempotency-Key`: a request that is sent twice creates once.
//!
//! The key's row is inserted in the transaction that creates, so a crash leaves both or neither; of two requests with one
//! key at the same time the second is answered with what the first one made.

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};
use storyclip_actors::model::Tenant;

use super::{keys, problem::Problem};
use crate::store::{Created, IdempotencyEntry, Store};

const HEADER: &str = "idempotency-key";
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The key of one request and what its body was.
pub struct Repeat {
    tenant: Tenant,
    route: &'static str,
    /// Of the first answer, and so of every other.
    status: StatusCode,
    key: String,
    body_hash: String,
}

impl Repeat {
    /// The request's key, if it has one.
    ///
    /// # Errors
    /// 400 `INVALID_IDEMPOTENCY_KEY` unless it is one header of 1 to 255 visible ASCII characters.
    pub fn of(
        tenant: &Tenant,
        route: &'static str,
        status: StatusCode,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Option<Self>, Problem> {
        let wrong = |why: &str| Problem::bad("INVALID_IDEMPOTENCY_KEY", "Idempotency-Key", why);
        let mut values = headers.get_all(HEADER).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(wrong("must be given once"));
        }
        let key = value.to_str().unwrap_or_default();
        if key.is_empty() || key.len() > 255 || !key.chars().all(|c| c.is_ascii_graphic()) {
            return Err(wrong("must be 1 to 255 visible ASCII characters"));
        }
        Ok(Some(Self {
            tenant: tenant.clone(),
            route,
            status,
            key: key.to_owned(),
            body_hash: keys::hex(&Sha256::digest(body)),
        }))
    }

    /// The answer that this key had before, if any.
    ///
    /// # Errors
    /// As [`Repeat::replay`]; 503 if the database is away.
    pub async fn earlier(&self, store: &Store) -> Result<Option<Response>, Problem> {
        let Some((body_hash, answer)) = store.replay(&self.tenant, self.route, &self.key).await? else {
            return Ok(None);
        };
        self.replay(&body_hash, answer).map(Some)
    }

    /// The row to insert with what is created.
    pub fn entry(&self, answer: &str) -> IdempotencyEntry {
        IdempotencyEntry {
            tenant: self.tenant.clone(),
            route: self.route.to_owned(),
            key: self.key.clone(),
            body_hash: self.body_hash.clone(),
            answer: answer.to_owned(),
        }
    }

    /// The first answer again.
    ///
    /// # Errors
    /// 422 `IDEMPOTENCY_KEY_REUSED` if that was for another body, or for another of what the route is about.
    pub fn replay(&self, body_hash: &str, answer: String) -> Result<Response, Problem> {
        if body_hash != self.body_hash {
            return Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "IDEMPOTENCY_KEY_REUSED",
                "this Idempotency-Key was used for another request",
            ));
        }
        let mut response = written(self.status, answer);
        response
            .headers_mut()
            .insert(REPLAYED, HeaderValue::from_static("true"));
        Ok(response)
    }
}

/// The answer to a request that created, or that repeats one that did.
///
/// # Errors
/// As [`Repeat::replay`].
pub fn answer(
    created: Created,
    repeat: Option<Repeat>,
    status: StatusCode,
    fresh: String,
) -> Result<Response, Problem> {
    match (created, repeat) {
        (Created::Replayed { body_hash, answer }, Some(repeat)) => repeat.replay(&body_hash, answer),
        (Created::Replayed { answer, .. }, None) => Ok(written(status, answer)),
        (Created::New, _) => Ok(written(status, fresh)),
    }
}

/// An answer whose body is JSON already.
pub fn written(status: StatusCode, answer: String) -> Response {
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    (status, [kind], answer).into_response()
}
