//! `ETag` and `If-None-Match`: a client that has the newest version of a batch is told so in 304 and nothing else.
//!
//! Every change of a batch, its clips or its ledger is committed with the batch's row, so the row's newest event and the
//! instant of its last change name the version of all that is shown of it but for what time alone changes. Tags are weak: the answer's bytes also depend on
//! whether it is compressed.

use std::fmt::{self, Write};

use axum::{
    Json,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use storyclip_actors::{
    error::StoreError,
    events::WaitProgress,
    model::{BatchId, Tenant, Timestamp},
};

use crate::store::Store;

/// The version of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag(String);

impl Tag {
    /// Of a batch with this newest event and last change.
    pub fn of(last_event: i64, updated_at: Timestamp) -> Self {
        Self(format!("W/\"{last_event}-{}\"", updated_at.as_millis()))
    }

    /// The same where so many clips are shown as scheduled, which time alone changes.
    pub fn ahead(self, clips: usize) -> Self {
        match clips {
            0 => self,
            some => self.with(format_args!("-s{some}")),
        }
    }

    /// The same where the answer also tells how long has been waited.
    pub fn waiting(self, wait: Option<&WaitProgress>) -> Self {
        match wait {
            None => self,
            Some(wait) => self.with(format_args!("-w{}-{}", wait.elapsed, wait.attempt)),
        }
    }

    fn with(mut self, more: fmt::Arguments<'_>) -> Self {
        self.0.pop();
        // A String takes everything.
        let written = write!(self.0, "{more}\"");
        debug_assert!(written.is_ok());
        self
    }

    /// Whether the client has this version, or says that any will do.
    pub fn is_known(&self, headers: &HeaderMap) -> bool {
        named(headers).any(|tag| tag == "*") || self.is_named(headers)
    }

    /// Whether the client has this version.
    fn is_named(&self, headers: &HeaderMap) -> bool {
        let bare = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
        named(headers).any(|tag| bare(tag) == bare(&self.0))
    }

    /// The answer, or 304 if the client has it.
    pub fn answer(&self, headers: &HeaderMap, body: impl Serialize) -> Response {
        if self.is_known(headers) {
            return self.not_modified();
        }
        self.on(Json(body).into_response())
    }

    /// 304.
    pub fn not_modified(&self) -> Response {
        self.on(StatusCode::NOT_MODIFIED.into_response())
    }

    fn on(&self, mut response: Response) -> Response {
        let headers = response.headers_mut();
        if let Ok(tag) = HeaderValue::from_str(&self.0) {
            headers.insert(header::ETAG, tag);
        }
        // A browser may keep it and must ask each time whether it is still true; nobody between may.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        response
    }
}

/// The batch's version, if the client has it and nothing that is shown changes with time alone: found out without reading the
/// rest, because only such a version has a tag without more.
///
/// # Errors
/// 503 if the database is away.
pub async fn known(
    store: &Store,
    tenant: &Tenant,
    id: &BatchId,
    headers: &HeaderMap,
) -> Result<Option<Tag>, StoreError> {
    if !headers.contains_key(header::IF_NONE_MATCH) {
        return Ok(None);
    }
    let version = store.version(tenant, id).await?;
    let tag = version.map(|(last_event, updated_at)| Tag::of(last_event, updated_at));
    Ok(tag.filter(|tag| tag.is_named(headers)))
}

/// What stands in `If-None-Match`.
fn named(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(header::IF_NONE_MATCH).iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_tag_is_found_among_others_weak_or_not() {
        let tag = Tag::of(7, Timestamp::from_millis(5));
        assert_eq!(tag.0, "W/\"7-5\"");
        let known = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.append(header::IF_NONE_MATCH, HeaderValue::from_str(value).unwrap());
            tag.is_known(&headers)
        };
        for value in ["W/\"7-5\"", "\"7-5\"", "\"a\", W/\"7-5\"", "*"] {
            assert!(known(value), "{value}");
        }
        for value in ["", "W/\"7-6\"", "7-5", "\"7-5", "\"W/7-5\""] {
            assert!(!known(value), "{value}");
        }
        assert!(!tag.is_known(&HeaderMap::new()));
        let wait = WaitProgress {
            elapsed: 3,
            total: 90,
            attempt: 2,
            current_status: "PENDING".into(),
        };
        assert_eq!(tag.clone().ahead(0).waiting(None), tag);
        assert_eq!(tag.ahead(4).waiting(Some(&wait)).0, "W/\"7-5-s4-w3-2\"");
    }
}
