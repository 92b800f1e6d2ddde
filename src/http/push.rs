//! `/api/push`: browsers that want to hear how a user's batches end, also when no page is open (Web Push).
//!
//! A page asks for the key, hands it to `PushManager.subscribe`, and posts what it gets. Scope `read`: a browser hears
//! nothing that its key could not read.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Serialize;
use serde_json::{Map, Value};
use storyclip_actors::model::{Tenant, Timestamp, UserId};
use utoipa::ToSchema;

use super::{
    App, AppState, body,
    caller::Caller,
    envelope,
    fields::{Errors, Object},
    idempotency::{self, Repeat},
    keys::Scope,
    limits,
    problem::Problem,
    webhooks::{Named, public_url},
};
use crate::{
    notifications,
    store::{MOST_SUBSCRIPTIONS, NewSubscription, Subscribed},
};

/// Names the route in `idempotency_keys`.
const ROUTE: &str = "push/subscriptions";

/// What the body of a subscription may have.
pub(super) const MEMBERS: &[&str] = &["userId", "subscription"];

/// Characters of a browser's key.
pub(super) const KEY: usize = 128;

/// The key for `applicationServerKey`.
#[derive(Serialize, ToSchema)]
#[schema(as = PushKey)]
#[serde(rename_all = "camelCase")]
pub struct PublicKey {
    success: bool,
    #[schema(value_type = String)]
    public_key: Arc<str>,
}

/// A subscription.
#[derive(Serialize, ToSchema)]
#[schema(as = PushSubscription)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    success: bool,
    subscription_id: String,
}

/// `GET /api/push/key`.
pub async fn key(State(app): App, caller: Caller) -> Result<Json<PublicKey>, Problem> {
    caller.need(Scope::Read)?;
    Ok(Json(PublicKey {
        success: true,
        public_key: configured(&app)?,
    }))
}

/// `POST /api/push/subscriptions`: `{"userId": …, "subscription": {"endpoint": …, "keys": {"p256dh": …, "auth": …}}}`.
pub async fn subscribe(State(app): App, caller: Caller, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    caller.need(Scope::Read)?;
    configured(&app)?;
    let bytes = body::read(&headers, body).await?;
    let repeat = Repeat::of(&caller.tenant, ROUTE, StatusCode::CREATED, &headers, &bytes)?;
    if let Some(repeat) = &repeat
        && let Some(answer) = repeat.earlier(&app.store).await?
    {
        return Ok(answer);
    }
    let fields = body::object(&bytes)?;
    let new = read(&fields, &caller.tenant, app.notices.private_addresses, app.clock.now())?;
    let answer = |id: &str| {
        envelope::text(&Subscription {
            success: true,
            subscription_id: id.to_owned(),
        })
    };
    let entry = |id: &str| Some(repeat.as_ref()?.entry(&answer(id).ok()?));
    match app.store.subscribe(&new, entry).await? {
        Subscribed::As(id) => Ok(idempotency::written(StatusCode::CREATED, answer(&id)?)),
        Subscribed::Before(created) => {
            let fresh = answer(&new.id)?;
            idempotency::answer(created, repeat, StatusCode::CREATED, fresh)
        }
        Subscribed::TooMany => {
            let error = format!("a user may have {MOST_SUBSCRIPTIONS} browsers");
            Err(Problem::new(StatusCode::CONFLICT, "TOO_MANY_SUBSCRIPTIONS", error))
        }
    }
}

/// `DELETE /api/push/subscriptions/{id}`.
pub async fn unsubscribe(State(app): App, caller: Caller, Named(id): Named) -> Result<Json<Subscription>, Problem> {
    caller.need(Scope::Read)?;
    if !app.store.unsubscribe(&caller.tenant, &id).await? {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "SUBSCRIPTION_NOT_FOUND",
            "push subscription not found",
        ));
    }
    Ok(Json(Subscription {
        success: true,
        subscription_id: id,
    }))
}

fn configured(app: &AppState) -> Result<Arc<str>, Problem> {
    app.notices.push_key.clone().ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "PUSH_NOT_CONFIGURED",
            "Web Push is not configured",
        )
        .detail("Web Push is not configured: the daemon has no VAPID keys.")
    })
}

fn read(
    fields: &Map<String, Value>,
    tenant: &Tenant,
    private_addresses: bool,
    at: Timestamp,
) -> Result<NewSubscription, Problem> {
    let mut errors = Errors::default();
    let top = Object::new("", fields);
    let user = top.checked(&mut errors, "INVALID_USER_ID", "userId", limits::name);
    if top.value("userId").is_none() {
        errors.add("MISSING_USER_ID", "userId", "is missing");
    }
    let empty = Map::new();
    let code = "INVALID_SUBSCRIPTION";
    let subscription = top.object(&mut errors, code, "subscription");
    if let Ok(None) = subscription {
        errors.add("MISSING_SUBSCRIPTION", "subscription", "is missing");
    }
    let there = matches!(subscription, Ok(Some(_)));
    let subscription = subscription
        .ok()
        .flatten()
        .unwrap_or_else(|| Object::new("subscription", &empty));
    let keys = subscription.object(&mut errors, code, "keys");
    let keys = keys
        .ok()
        .flatten()
        .unwrap_or_else(|| Object::new("subscription.keys", &empty));
    let url = |text: &str| match text.get(..8) {
        _ if private_addresses => limits::url(text),
        Some(scheme) if scheme.eq_ignore_ascii_case("https://") => public_url(text, false),
        Some(_) | None => Err("must begin with https://".into()),
    };
    let text = |text: &str| limits::free(text, KEY);
    let endpoint = subscription.checked(&mut errors, code, "endpoint", url);
    let p256dh = keys.checked(&mut errors, code, "p256dh", text);
    let auth = keys.checked(&mut errors, code, "auth", text);
    for (object, field) in [(&subscription, "endpoint"), (&keys, "p256dh"), (&keys, "auth")] {
        if there && object.value(field).is_none() {
            errors.add(code, object.name(field), "is missing");
        }
    }
    if let (Some(p256dh), Some(auth)) = (p256dh, auth)
        && notifications::subscription_keys(p256dh, auth).is_none()
    {
        errors.add(
            code,
            keys.name("p256dh"),
            "must be, with auth, the keys of a push subscription",
        );
    }
    // What is in the subscription is the browser's, and may become more.
    top.only(&mut errors, MEMBERS);
    errors.finish()?;
    Ok(NewSubscription {
        id: format!("push_{}", envelope::random_base36(20)),
        tenant: tenant.clone(),
        user: UserId::from(user.unwrap_or_default()),
        endpoint: endpoint.unwrap_or_default().to_owned(),
        p256dh: p256dh.unwrap_or_default().to_owned(),
        auth: auth.unwrap_or_default().to_owned(),
        at,
    })
}
