//! RFC 9457 problems: the one shape of every answer that is not a success.
//!
//! Handlers return a [`Problem`]; the envelope around all routes writes it out, because only it knows the request's path.
//! Nothing is kept, so nothing is lost with the process.

use std::borrow::Cow;

use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use storyclip_actors::error::StoreError;
use utoipa::ToSchema;

/// A wrong field of a body, or a wrong parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Where it is, as in `posts[3].url`.
    pub field: String,
    /// What is wrong with it, in a sentence that never repeats the value.
    pub message: String,
}

/// What is told to a client whose request was not carried out.
#[derive(Clone, Debug)]
pub struct Problem(Box<Content>);

#[derive(Clone, Debug)]
struct Content {
    status: StatusCode,
    code: Cow<'static, str>,
    error: Cow<'static, str>,
    detail: Option<String>,
    errors: Vec<FieldError>,
    current_status: Option<&'static str>,
    header: Option<(HeaderName, HeaderValue)>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    instance: &'a str,
    error: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    current_status: Option<&'static str>,
}

impl Problem {
    /// A problem with its stable upper-snake code and a short text.
    pub fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, error: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Content {
            status,
            code: code.into(),
            error: error.into(),
            detail: None,
            errors: Vec::new(),
            current_status: None,
            header: None,
        }))
    }

    /// 400 about one parameter, header or field.
    pub fn bad(code: impl Into<Cow<'static, str>>, field: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self::new(StatusCode::BAD_REQUEST, code, format!("{field} {message}")).errors(vec![FieldError {
            field: field.into(),
            message,
        }])
    }

    /// 404 for a batch that does not exist, or belongs to somebody else: the two are not told apart.
    pub fn batch_not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "BATCH_NOT_FOUND", "batch not found")
    }

    /// 500 for a daemon that was given no Metricool token.
    pub fn metricool_not_configured() -> Self {
        let text = "no Metricool token is configured";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "METRICOOL_NOT_CONFIGURED", text)
    }

    /// What a status means when nothing better is known, as for an answer that the framework made itself.
    pub fn of_status(status: StatusCode) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        let code: String = title
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() {
                    c.to_ascii_uppercase()
                } else {
                    '_'
                }
            })
            .collect();
        Self::new(status, code, title.to_lowercase())
    }

    /// A longer sentence than the short text.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// The list of wrong fields.
    pub fn errors(mut self, errors: Vec<FieldError>) -> Self {
        self.0.errors = errors;
        self
    }

    /// The status, of a batch or of a clip, that makes a command impossible.
    pub fn current_status(mut self, status: &'static str) -> Self {
        self.0.current_status = Some(status);
        self
    }

    /// A header that goes with the answer.
    pub fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.0.header = Some((name, HeaderValue::from_static(value)));
        self
    }

    /// When the request may be made again, in seconds.
    pub fn retry_after(mut self, seconds: i64) -> Self {
        self.0.header = Some((header::RETRY_AFTER, HeaderValue::from(seconds)));
        self
    }

    /// The body as text, for where there is no framework around it; `instance` as in [`Problem::render`].
    pub fn text(&self, instance: &str) -> String {
        serde_json::to_string(&self.body(instance)).unwrap_or_default()
    }

    fn body<'a>(&'a self, instance: &'a str) -> Body<'a> {
        let content = &self.0;
        Body {
            r#type: "about:blank",
            title: content.status.canonical_reason().unwrap_or("Error"),
            status: content.status.as_u16(),
            detail: content.detail.as_deref().unwrap_or(&content.error),
            instance,
            error: &content.error,
            code: &content.code,
            errors: &content.errors,
            current_status: content.current_status,
        }
    }

    /// Writes the answer. `instance` is the request's path without its query, which may hold a key.
    pub fn render(&self, instance: &str) -> Response {
        let content = &self.0;
        let mut response = (content.status, Json(self.body(instance))).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some((name, value)) = &content.header {
            headers.insert(name.clone(), value.clone());
        }
        response
    }
}

impl From<StoreError> for Problem {
    /// A client cannot cause one: every value is checked before it gets here.
    fn from(error: StoreError) -> Self {
        tracing::error!(error = %error, "request not carried out by the store");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "STORE_UNAVAILABLE",
            "the database is unavailable",
        )
        .detail("The database could not be used just now. Nothing was created; the request may be repeated.")
        .header(header::RETRY_AFTER, "1")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
