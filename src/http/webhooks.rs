//! `/api/webhooks`: who of a tenant is told of what by signed HTTP calls, and what became of each call. Scope `admin`.
//!
//! Another tenant's endpoint or delivery does not exist. A secret is in the answer that makes it and nowhere else.

pub(super) mod deliveries;
pub(super) mod endpoints;
mod request;
pub(super) mod secrets;

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Path},
    http::{StatusCode, request::Parts},
};
use serde::Serialize;
use storyclip_actors::model::Timestamp;
use tokio::sync::Notify;
use utoipa::ToSchema;

use super::{limits, problem::Problem};
use crate::store::{DisabledReason, Endpoint, NewEndpoint, NoticeKind};

pub use deliveries::{all, of_endpoint, replay, show as show_delivery, test};
#[cfg(test)]
pub(super) use request::MEMBERS;
pub(super) use request::url as public_url;

pub use endpoints::{change, create, delete, list, show};
pub use secrets::{of_batches as batch_secret, rotate};

/// What the routes about notices need of the configuration.
#[derive(Clone, Default)]
pub struct Notices {
    /// Whether addresses that are not on the public internet may be named.
    pub private_addresses: bool,
    /// The public key for browsers; `None`: Web Push is not configured.
    pub push_key: Option<Arc<str>>,
    /// Rung when a delivery was queued.
    pub queued: Arc<Notify>,
}

/// The name in a path, of whatever it is.
pub struct Named(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path: Result<Path<String>, _> = Path::from_request_parts(parts, state).await;
        let bad = |why| Problem::bad("INVALID_ID", "id", why);
        let Path(id) = path.map_err(|_| bad("must be percent-encoded UTF-8".to_owned()))?;
        limits::name(&id).map_err(bad)?;
        Ok(Self(id))
    }
}

/// An endpoint as JSON.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookEndpoint)]
#[serde(rename_all = "camelCase")]
pub struct EndpointBody {
    id: String,
    url: String,
    description: Option<String>,
    events: Vec<NoticeKind>,
    enabled: bool,
    disabled_reason: Option<DisabledReason>,
    disabled_at: Option<Timestamp>,
    last_delivered_at: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl EndpointBody {
    /// One that is just made.
    fn new(new: &NewEndpoint) -> Self {
        Self {
            id: new.id.clone(),
            url: new.url.clone(),
            description: new.description.clone(),
            events: new.events.clone(),
            enabled: true,
            disabled_reason: None,
            disabled_at: None,
            last_delivered_at: None,
            created_at: new.at,
            updated_at: new.at,
        }
    }
}

impl From<Endpoint> for EndpointBody {
    fn from(endpoint: Endpoint) -> Self {
        Self {
            id: endpoint.id,
            url: endpoint.url,
            description: endpoint.description,
            events: endpoint.events,
            enabled: endpoint.disabled_reason.is_none(),
            disabled_reason: endpoint.disabled_reason,
            disabled_at: endpoint.disabled_at,
            last_delivered_at: endpoint.delivered_at,
            created_at: endpoint.created_at,
            updated_at: endpoint.updated_at,
        }
    }
}

fn no_such_endpoint() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "ENDPOINT_NOT_FOUND",
        "webhook endpoint not found",
    )
}

fn disabled() -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "ENDPOINT_DISABLED",
        "the webhook endpoint is disabled",
    )
    .detail("The webhook endpoint is disabled. Enable it first: PATCH it with {\"enabled\": true}.")
}
