//! Which web pages may call: the origins of `STORYCLIP_CORS_ORIGINS`, parsed once at start.
//!
//! Without any the API tells no browser anything, and pages of other origins cannot read its answers. Keys travel in a
//! header that a page has to set itself, so no cookie is ever asked for.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

use super::keys;

/// How long a browser may remember what it is allowed; the longest that browsers grant.
const MAX_AGE: Duration = Duration::from_secs(2 * 3_600);

/// The pages that may call.
#[derive(Clone, Debug, Default)]
pub struct CorsOrigins(Option<AllowOrigin>);

impl CorsOrigins {
    /// Reads `https://app.example,http://localhost:3000`, or `*` for every page.
    ///
    /// # Errors
    /// Names the entry by its position and says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut origins = Vec::new();
        for (position, entry) in keys::entries(text) {
            if entry == "*" {
                return match keys::entries(text).count() {
                    1 => Ok(Self(Some(Any.into()))),
                    _ => Err(format!("entry {position}: * stands alone")),
                };
            }
            origins.push(origin(entry).map_err(|why| format!("entry {position}: {why}"))?);
        }
        Ok(Self((!origins.is_empty()).then(|| AllowOrigin::list(origins))))
    }

    /// What answers preflights and marks the other answers; `None` if no page may call.
    pub(super) fn layer(&self) -> Option<CorsLayer> {
        let name = HeaderName::from_static;
        Some(
            CorsLayer::new()
                .allow_origin(self.0.clone()?)
                .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
                .allow_headers([
                    header::AUTHORIZATION,
                    header::CACHE_CONTROL,
                    header::CONTENT_TYPE,
                    header::IF_NONE_MATCH,
                    name("idempotency-key"),
                    name("last-event-id"),
                    name("traceparent"),
                    name("tracestate"),
                    name("x-api-key"),
                    name("x-request-id"),
                    name("x-tenant"),
                ])
                .expose_headers([
                    header::ETAG,
                    header::RETRY_AFTER,
                    name("idempotency-replayed"),
                    name("ratelimit"),
                    name("ratelimit-policy"),
                    name("x-request-id"),
                ])
                .max_age(MAX_AGE),
        )
    }
}

/// An origin as browsers write it: nothing but scheme, host and, where it is not the usual one, port.
fn origin(text: &str) -> Result<HeaderValue, String> {
    let wrong = || "expected an origin as in https://app.example, without a path".to_owned();
    let url = reqwest::Url::parse(text).map_err(|_| wrong())?;
    let plain = matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text;
    match HeaderValue::from_str(text) {
        Ok(value) if plain => Ok(value),
        Ok(_) | Err(_) => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_bare_and_an_error_names_the_entry() {
        for good in ["https://a.example", "https://a.example, http://localhost:3000", "*", ""] {
            assert!(CorsOrigins::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "https://b.example/",
            "https://b.example/path",
            "b.example",
            "https://b.example:443",
            "https://me@b.example",
            "HTTPS://B.example",
            "ftp://b.example",
            "null",
            "*",
        ] {
            let error = CorsOrigins::parse(&format!("https://a.example,{bad}"));
            assert!(error.is_err_and(|why| why.starts_with("entry 2: ")), "{bad}");
        }
        assert!(CorsOrigins::parse("").is_ok_and(|none| none.layer().is_none()));
    }
}
