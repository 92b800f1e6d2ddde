//! A request's JSON body: its type, its length and its text are checked before anything looks at what it says.
//!
//! A body that is too long is read on for a while and thrown away, so that the client can hear why. One that is announced
//! with `Expect: 100-continue` is refused before it is sent.

use std::time::Duration;

use axum::{
    body::{Body, Bytes, HttpBody},
    http::{HeaderMap, StatusCode, header},
};
use futures_util::StreamExt;
use serde_json::{Map, Value};

use super::{
    json::{self, Refused},
    limits,
    problem::Problem,
    spelling,
};

/// How long a client may take to send its body.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many bytes beyond the limit are read only to be polite.
const DRAIN: usize = 8 * limits::BODY;

/// Reads the whole body.
///
/// # Errors
/// 415 if it is not declared as plain JSON, 413 if it is too long, 408 if it takes too long, 400 if it breaks off.
pub async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let kind = declared_json(headers);
    if headers.contains_key(header::EXPECT) {
        kind.clone()?;
        declared_length(headers)?;
    }
    let bytes = tokio::time::timeout(PATIENCE, collect(body)).await.map_err(|_| {
        Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "REQUEST_TIMEOUT",
            "the body took too long to arrive",
        )
    })?;
    kind?;
    bytes
}

/// Reads the body of a request that needs none; empty if there is none.
///
/// # Errors
/// As [`read`].
pub async fn read_if_any(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    read(headers, body).await
}

/// The object in a body.
///
/// # Errors
/// 400 `INVALID_UTF8`, `MALFORMED_JSON` (with reason, line and column), `BODY_TOO_COMPLEX`, `DUPLICATE_FIELD` or `INVALID_BODY`.
pub fn object(bytes: &[u8]) -> Result<Map<String, Value>, Problem> {
    let bad = |code, error| Problem::new(StatusCode::BAD_REQUEST, code, error);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        bad("INVALID_UTF8", "the body is not valid UTF-8").detail(format!(
            "The body is not valid UTF-8 from byte {} on.",
            error.valid_up_to()
        ))
    })?;
    match json::parse(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(bad("INVALID_BODY", "the body must be a JSON object")),
        Err(Refused::TooMany) => {
            let detail = format!("The body has more than {} values.", json::VALUES);
            Err(bad("BODY_TOO_COMPLEX", "the body has too many values").detail(detail))
        }
        Err(Refused::Twice(name)) => Err(Problem::bad(
            "DUPLICATE_FIELD",
            &spelling::shown(&name),
            "must be in its object once",
        )),
        Err(Refused::Malformed(error)) => {
            let detail = format!("The body cannot be read as JSON: {error}.");
            Err(bad("MALFORMED_JSON", "the body is not valid JSON").detail(detail))
        }
    }
}

fn declared_json(headers: &HeaderMap) -> Result<(), Problem> {
    let unsupported = |code, error| Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, code, error));
    let text = |name| {
        headers
            .get(name)
            .map(|value: &header::HeaderValue| value.to_str().unwrap_or_default())
    };
    if text(header::CONTENT_ENCODING).is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        return unsupported("UNSUPPORTED_CONTENT_ENCODING", "Content-Encoding must be absent");
    }
    let mut parts = text(header::CONTENT_TYPE).unwrap_or_default().split(';').map(str::trim);
    if !parts
        .next()
        .is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"))
    {
        return unsupported("UNSUPPORTED_MEDIA_TYPE", "Content-Type must be application/json");
    }
    let charset = parts
        .filter_map(|part| part.split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("charset"));
    if charset.is_some_and(|(_, charset)| !charset.trim_matches('"').eq_ignore_ascii_case("utf-8")) {
        return unsupported("UNSUPPORTED_MEDIA_TYPE", "the charset of Content-Type must be utf-8");
    }
    Ok(())
}

fn declared_length(headers: &HeaderMap) -> Result<(), Problem> {
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    match length.and_then(|length| length.parse::<u64>().ok()) {
        Some(length) if length > limits::BODY as u64 => Err(too_long()),
        Some(_) | None => Ok(()),
    }
}

fn too_long() -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "PAYLOAD_TOO_LARGE",
        "the body is longer than 1 MiB",
    )
}

async fn collect(body: Body) -> Result<Bytes, Problem> {
    let mut stream = body.into_data_stream();
    let mut kept = Vec::new();
    let mut length = 0;
    while let Some(chunk) = stream.next().await {
        let broken = |_| Problem::new(StatusCode::BAD_REQUEST, "INCOMPLETE_BODY", "the body broke off");
        let chunk = chunk.map_err(broken)?;
        length += chunk.len();
        if length <= limits::BODY {
            kept.extend_from_slice(&chunk);
            continue;
        }
        kept = Vec::new();
        if length > limits::BODY + DRAIN {
            break;
        }
    }
    if length > limits::BODY {
        return Err(too_long());
    }
    Ok(kept.into())
}

#[cfg(test)]
mod tests {
    use std::io;

    use futures_util::stream;

    use super::*;

    /// What is told about a body that comes so.
    async fn told(body: impl futures_util::Stream<Item = io::Result<Bytes>> + Send + 'static) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static("application/json"),
        );
        let refused = read(&headers, Body::from_stream(body)).await.err();
        refused.map(|problem| problem.text("")).unwrap_or_default()
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for_and_one_that_breaks_off_is_no_body() {
        let begun = || stream::iter([Ok(Bytes::from_static(b"{"))]);
        let waiting = told(begun().chain(stream::pending())).await;
        assert!(
            waiting.contains("\"status\":408") && waiting.contains("REQUEST_TIMEOUT"),
            "{waiting}"
        );
        let broken = told(begun().chain(stream::iter([Err(io::ErrorKind::ConnectionReset.into())]))).await;
        assert!(
            broken.contains("\"status\":400") && broken.contains("INCOMPLETE_BODY"),
            "{broken}"
        );
    }
}
