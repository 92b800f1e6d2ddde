//! The delivery log of a tenant, and what a person can send by hand: a replay of a delivery, a test of an endpoint.
//!
//! E-mail and Web Push are in the log, too.

use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Serialize;
use storyclip_actors::model::Timestamp;
use utoipa::ToSchema;

use super::{Named, disabled, no_such_endpoint};
use crate::{
    http::{
        App, AppState,
        caller::Caller,
        envelope,
        idempotency::{self, Repeat},
        keys::Scope,
        limits,
        problem::Problem,
        query::Query,
    },
    notifications,
    store::{Channel, DeliveriesOf, DeliveryStatus, DeliveryView, NewTest, NoticeKind, TryView, new_delivery_id},
};

/// Names the route of tests in `idempotency_keys`.
const TEST: &str = "webhooks/test";

/// Deliveries of a page where the client names no number.
pub const PAGE: usize = 50;

/// Deliveries, newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = DeliveryLog)]
#[serde(rename_all = "camelCase")]
pub struct Log {
    success: bool,
    deliveries: Vec<Delivery>,
    count: usize,
    next_cursor: Option<String>,
}

/// One delivery.
#[derive(Serialize, ToSchema)]
#[schema(as = OneDelivery)]
pub struct One {
    success: bool,
    delivery: Delivery,
}

/// A test that is on its way.
#[derive(Serialize, ToSchema)]
#[schema(as = QueuedTest)]
#[serde(rename_all = "camelCase")]
pub struct Queued {
    success: bool,
    delivery_id: String,
    message_id: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Delivery {
    id: String,
    message_id: String,
    r#type: NoticeKind,
    batch_id: Option<String>,
    channel: Channel,
    target: String,
    status: DeliveryStatus,
    attempts: u32,
    next_attempt_at: Option<Timestamp>,
    http_status: Option<u16>,
    error: Option<String>,
    settled_at: Option<Timestamp>,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    tries: Option<Vec<Try>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = DeliveryTry)]
#[serde(rename_all = "camelCase")]
struct Try {
    attempt: u32,
    at: Timestamp,
    took_ms: i64,
    http_status: Option<u16>,
    error: Option<String>,
}

/// `GET /api/webhooks/deliveries?batchId=&status=&limit=&cursor=`.
pub async fn all(State(app): App, caller: Caller, query: Query) -> Result<Json<Log>, Problem> {
    caller.need(Scope::Admin)?;
    let of = query.batch()?.map_or(DeliveriesOf::Tenant, DeliveriesOf::Batch);
    log(&app, &caller, &of, &query).await
}

/// `GET /api/webhooks/{id}/deliveries?status=&limit=&cursor=`.
pub async fn of_endpoint(
    State(app): App,
    caller: Caller,
    Named(id): Named,
    query: Query,
) -> Result<Json<Log>, Problem> {
    caller.need(Scope::Admin)?;
    let endpoint = app.store.endpoint(&caller.tenant, &id).await?;
    let endpoint = endpoint.ok_or_else(no_such_endpoint)?;
    log(&app, &caller, &DeliveriesOf::Endpoint(endpoint.id), &query).await
}

/// `GET /api/webhooks/deliveries/{id}`: with each try.
pub async fn show(State(app): App, caller: Caller, Named(id): Named) -> Result<Json<One>, Problem> {
    caller.need(Scope::Admin)?;
    let (delivery, tries) = find(&app, &caller, &id).await?;
    let mut delivery = Delivery::from(delivery);
    delivery.tries = Some(tries.into_iter().map(Try::from).collect());
    Ok(Json(One {
        success: true,
        delivery,
    }))
}

/// `POST /api/webhooks/deliveries/{id}/replay`: sends it again, under the same id, from the beginning of its schedule.
pub async fn replay(State(app): App, caller: Caller, Named(id): Named) -> Result<(StatusCode, Json<One>), Problem> {
    caller.need(Scope::Admin)?;
    let (delivery, _) = find(&app, &caller, &id).await?;
    if delivery.channel == Channel::Webhook {
        let endpoint = app.store.endpoint(&caller.tenant, &delivery.target).await?;
        if endpoint.ok_or_else(no_such_endpoint)?.disabled_reason.is_some() {
            return Err(disabled());
        }
    }
    if !app.store.replay_delivery(&caller.tenant, &id, app.clock.now()).await? {
        let error = "the delivery is still to be sent";
        return Err(
            Problem::new(StatusCode::CONFLICT, "DELIVERY_NOT_SETTLED", error).current_status(delivery.status.as_str())
        );
    }
    app.notices.queued.notify_one();
    let (delivery, _) = find(&app, &caller, &id).await?;
    let one = One {
        success: true,
        delivery: delivery.into(),
    };
    Ok((StatusCode::ACCEPTED, Json(one)))
}

/// `POST /api/webhooks/{id}/test`: sends a message of the type `webhook.test`, once.
pub async fn test(State(app): App, caller: Caller, Named(id): Named, headers: HeaderMap) -> Result<Response, Problem> {
    caller.need(Scope::Admin)?;
    // A key is one request's: the same one for another endpoint is not a repeat.
    let named = Bytes::from(id.clone());
    let repeat = Repeat::of(&caller.tenant, TEST, StatusCode::ACCEPTED, &headers, &named)?;
    if let Some(repeat) = &repeat
        && let Some(answer) = repeat.earlier(&app.store).await?
    {
        return Ok(answer);
    }
    let endpoint = app.store.endpoint(&caller.tenant, &id).await?;
    if endpoint.ok_or_else(no_such_endpoint)?.disabled_reason.is_some() {
        return Err(disabled());
    }
    let (at, message_id) = (app.clock.now(), format!("msg_test_{}", envelope::random_base36(20)));
    let delivery_id = new_delivery_id();
    let body = notifications::test_message(&id, at);
    let test = NewTest {
        delivery: &delivery_id,
        tenant: &caller.tenant,
        endpoint: &id,
        notice: &message_id,
        body: &body,
        at,
    };
    let answer = envelope::text(&Queued {
        success: true,
        delivery_id: delivery_id.clone(),
        message_id: message_id.clone(),
    })?;
    let entry = repeat.as_ref().map(|repeat| repeat.entry(&answer));
    let created = app.store.test_endpoint(&test, entry.as_ref()).await?;
    app.notices.queued.notify_one();
    idempotency::answer(created, repeat, StatusCode::ACCEPTED, answer)
}

async fn find(app: &AppState, caller: &Caller, id: &str) -> Result<(DeliveryView, Vec<TryView>), Problem> {
    let found = app.store.delivery(&caller.tenant, id).await?;
    found.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "DELIVERY_NOT_FOUND", "delivery not found"))
}

async fn log(app: &AppState, caller: &Caller, of: &DeliveriesOf, query: &Query) -> Result<Json<Log>, Problem> {
    let status = query.get("status")?.map(str::parse::<DeliveryStatus>).transpose();
    let status = status.map_err(|unknown| {
        Problem::bad(
            "INVALID_STATUS",
            "status",
            format!("must be one of {}", unknown.allowed),
        )
    })?;
    let limit = query.limit(PAGE)?;
    let before = query.get("cursor")?.map(place).transpose()?;
    let mut deliveries = app
        .store
        .deliveries(&caller.tenant, of, status, before, limit + 1)
        .await?;
    let more = deliveries.len() > limit;
    deliveries.truncate(limit);
    let last = deliveries.last().filter(|_| more);
    Ok(Json(Log {
        success: true,
        next_cursor: last.map(|last| format!("{}-{}", last.created_at.as_millis(), last.id)),
        count: deliveries.len(),
        deliveries: deliveries.into_iter().map(Delivery::from).collect(),
    }))
}

/// The last delivery of the page before.
fn place(cursor: &str) -> Result<(Timestamp, &str), Problem> {
    let place = cursor.split_once('-').and_then(|(millis, id)| {
        let millis: i64 = millis
            .parse()
            .ok()
            .filter(|millis| (0..253_402_300_800_000).contains(millis))?;
        limits::name(id).ok()?;
        Some((Timestamp::from_millis(millis), id))
    });
    place.ok_or_else(|| Problem::bad("INVALID_CURSOR", "cursor", "must be the nextCursor of a page"))
}

impl From<DeliveryView> for Delivery {
    fn from(view: DeliveryView) -> Self {
        Self {
            id: view.id,
            message_id: view.notice,
            r#type: view.kind,
            batch_id: view.batch.map(|batch| batch.to_string()),
            channel: view.channel,
            target: view.target,
            next_attempt_at: (view.status == DeliveryStatus::Pending).then_some(view.due_at),
            status: view.status,
            attempts: view.attempts,
            http_status: view.http_status,
            error: view.error,
            settled_at: view.settled_at,
            created_at: view.created_at,
            tries: None,
        }
    }
}

impl From<TryView> for Try {
    fn from(view: TryView) -> Self {
        Self {
            attempt: view.attempt,
            at: view.at,
            took_ms: view.took_ms,
            http_status: view.http_status,
            error: view.error,
        }
    }
}
