//! Who calls: the key of a request, found in its headers (or, on streams, its query) and matched with a tenant.
//!
//! Handlers take a [`Caller`] as an argument and say which scope they need; without one no handler runs.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, StatusCode, header, request::Parts},
};

use super::{
    AppState,
    keys::{Holder, Scope},
    problem::Problem,
    rate::Metered,
};

/// A request whose key was accepted.
pub struct Caller(Holder);

impl std::ops::Deref for Caller {
    type Target = Holder;

    fn deref(&self) -> &Holder {
        &self.0
    }
}

impl Caller {
    /// Refuses a key without this scope.
    ///
    /// # Errors
    /// 403 `INSUFFICIENT_SCOPE`.
    pub fn need(&self, scope: Scope) -> Result<(), Problem> {
        if self.may(scope) {
            return Ok(());
        }
        let scope = scope.as_str();
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            "INSUFFICIENT_SCOPE",
            format!("this key lacks the scope {scope}"),
        ))
    }

    /// Finds out who calls; `fallback` is a key that came another way and counts only if no header has one.
    ///
    /// # Errors
    /// 401 `MISSING_API_KEY` or `INVALID_API_KEY`, 429 `RATE_LIMITED`, 403 `TENANT_MISMATCH`.
    pub fn identify(
        app: &AppState,
        headers: &HeaderMap,
        metered: &Metered,
        fallback: Option<&str>,
    ) -> Result<Self, Problem> {
        let presented = match presented(headers) {
            Some(key) => key,
            None => fallback.ok_or_else(|| {
                unauthorized("MISSING_API_KEY", "an API key is missing")
                    .detail("Send X-API-Key: sk_… or Authorization: Bearer sk_….")
            })?,
        };
        let now = app.clock.now();
        let holder = (app.keys)
            .find(presented, now)
            .ok_or_else(|| unauthorized("INVALID_API_KEY", "this API key is not valid"))?;
        app.rate.take(&holder.name, now, metered)?;
        let foreign = |tenant: &header::HeaderValue| tenant.as_bytes() != holder.tenant.as_str().as_bytes();
        if headers.get_all("x-tenant").iter().any(foreign) {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "TENANT_MISMATCH",
                "X-Tenant is not the tenant of this key",
            ));
        }
        Ok(Self(holder))
    }
}

impl FromRequestParts<Arc<AppState>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<AppState>) -> Result<Self, Problem> {
        let Ok(metered) = Metered::from_request_parts(parts, app).await;
        Self::identify(app, &parts.headers, &metered, None)
    }
}

/// The key in the headers; text that is not ASCII is a key, too, only never a valid one.
fn presented(headers: &HeaderMap) -> Option<&str> {
    if let Some(key) = headers.get("x-api-key") {
        return Some(key.to_str().unwrap_or_default());
    }
    let value = headers.get(header::AUTHORIZATION)?.to_str().unwrap_or_default();
    let (scheme, key) = value.split_once(' ').unwrap_or((value, ""));
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

fn unauthorized(code: &'static str, error: &'static str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, code, error).header(header::WWW_AUTHENTICATE, "Bearer")
}
