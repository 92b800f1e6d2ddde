//! What the sandbox answers with: Metricool's envelope, its errors, a page, plain text.
//!
//! Every handler ends in one of these.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

/// An error answer in Metricool's form: `{status, code, title, detail}`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Problem {
    status: StatusCode,
    detail: Value,
    retry_after_s: Option<u64>,
}

impl Problem {
    pub(super) fn new(status: u16, detail: impl Into<Value>) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self {
            status,
            detail: detail.into(),
            retry_after_s: None,
        }
    }

    /// A 400 about one field.
    pub(super) fn field(name: &str, message: impl Into<String>) -> Self {
        Self::new(400, json!({ name: message.into() }))
    }

    pub(super) fn not_found() -> Self {
        Self::new(404, "Post does not exist")
    }

    pub(super) fn throttled(retry_after_s: Option<u64>) -> Self {
        Self {
            retry_after_s,
            ..Self::new(429, "Too many requests")
        }
    }

    #[cfg(test)]
    pub(super) fn text(&self) -> String {
        self.detail.to_string()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let reason = self.status.canonical_reason().unwrap_or("Error");
        let title = if self.status == StatusCode::BAD_REQUEST {
            "ValidationError"
        } else {
            reason
        };
        let body = json!({
            "status": reason.to_uppercase().replace(' ', "_"),
            "code": self.status.as_str(),
            "title": title,
            "detail": self.detail,
        });
        let mut response = with_type(self.status, "application/json", body.to_string());
        if let Some(seconds) = self.retry_after_s {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// 200 with a JSON body.
pub(super) fn bare<T: Serialize>(body: &T) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => with_type(StatusCode::OK, "application/json", bytes),
        Err(error) => Problem::new(500, error.to_string()).into_response(),
    }
}

/// 200 with `{"metadata":{},"page":…,"data":…}`.
pub(super) fn enveloped<T: Serialize>(data: &T, page: Value) -> Response {
    #[derive(Serialize)]
    struct Envelope<'a, T> {
        metadata: Nothing,
        page: Value,
        data: &'a T,
    }
    #[derive(Serialize)]
    struct Nothing {}
    bare(&Envelope {
        metadata: Nothing {},
        page,
        data,
    })
}

/// 200 with plain text.
pub(super) fn text(body: String) -> Response {
    with_type(StatusCode::OK, "text/plain;charset=UTF-8", body)
}

/// 200 with a web page, as a login or maintenance page would be.
pub(super) fn page() -> Response {
    with_type(
        StatusCode::OK,
        "text/html",
        "<!DOCTYPE html><html><body>Please log in</body></html>",
    )
}

fn with_type(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Body::from(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(
        HeaderName::from_static("x-request-id"),
        HeaderValue::from(rand::random::<u32>()),
    );
    response
}
