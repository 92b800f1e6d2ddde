//! What every answer has, whichever route gave it: a request id, a problem's body, a log line, no escape for a panic.
//!
//! The router wraps all routes in [`around`]. A panic ends one request with a 500 and is logged; the daemon goes on.

use std::{any::Any, time::Instant};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Response as HttpResponse, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use rand::Rng;
use serde::Serialize;
use tracing::Instrument;

use super::{connections, head, problem::Problem, rate::Metered};

/// On every answer.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const BASE36: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// Passes the request on and finishes whatever comes back.
pub async fn around(mut request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let path = request.uri().path().to_owned();
    let method = request.method().clone();
    let span = tracing::info_span!(
        "request",
        request.id = id.to_str().unwrap_or_default(),
        trace.id = head::trace_id(request.headers())
    );
    let began = Instant::now();
    let metered = Metered::default();

    let mut response = match head::check(&request).and_then(|()| connections::check(&request)) {
        Ok(()) => {
            request.extensions_mut().insert(metered.clone());
            next.run(request).instrument(span.clone()).await
        }
        Err(problem) => problem.into_response(),
    };
    if let Some(problem) = problem_of(&response) {
        response = with_headers_of(response, problem.render(&path));
    }
    response.headers_mut().insert(REQUEST_ID, id);
    metered.tell(response.headers_mut());

    let status = response.status().as_u16();
    let took = began.elapsed().as_millis() as u64;
    span.in_scope(|| {
        tracing::debug!(http.method = %method, http.path = %path, http.status = status, took_ms = took, "answered");
    });
    response
}

/// Turns a panic in a handler into a 500.
pub fn panicked(panic: Box<dyn Any + Send>) -> HttpResponse<Body> {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("of unknown kind");
    tracing::error!(panic = message, "a request's handler panicked");
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "INTERNAL_ERROR",
        "this is a defect of the daemon",
    )
    .into_response()
}

/// Text of this many random base-36 digits.
pub(super) fn random_base36(digits: usize) -> String {
    let mut rng = rand::rng();
    (0..digits)
        .map(|_| char::from(BASE36[rng.random_range(0..BASE36.len())]))
        .collect()
}

/// An answer as JSON text, for what is kept as it was sent.
///
/// # Errors
/// 500, which no answer of this API causes.
pub(super) fn text(answer: &impl Serialize) -> Result<String, Problem> {
    serde_json::to_string(answer).map_err(|error| {
        tracing::error!(error = %error, "an answer cannot be written as JSON");
        Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR)
    })
}

/// The problem in an answer, also in one that the framework made without us.
fn problem_of(response: &Response) -> Option<Problem> {
    let known = response.extensions().get::<Problem>().cloned();
    known.or_else(|| {
        let status = response.status();
        (status.is_client_error() || status.is_server_error()).then(|| Problem::of_status(status))
    })
}

/// A rendered problem with what was said about the answer that it replaces: which methods there are, which pages may read it.
fn with_headers_of(replaced: Response, mut rendered: Response) -> Response {
    let of_the_body = [header::CONTENT_LENGTH, header::CONTENT_TYPE, header::TRANSFER_ENCODING];
    for (name, value) in replaced.headers() {
        if !of_the_body.contains(name) {
            rendered.headers_mut().append(name, value.clone());
        }
    }
    rendered
}

/// The client's id where it is one word of moderate length, else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let sane = |id: &&HeaderValue| {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._:/+=@-".contains(byte);
        !id.is_empty() && id.len() <= 128 && id.as_bytes().iter().all(plain)
    };
    if let Some(id) = headers.get(REQUEST_ID).filter(sane) {
        return id.clone();
    }
    HeaderValue::from_str(&new_request_id()).unwrap_or(HeaderValue::from_static("req"))
}

/// An id for a request whose client sent none.
pub(super) fn new_request_id() -> String {
    format!("req_{}", random_base36(20))
}
