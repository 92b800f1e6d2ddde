//! Creating, reading, changing and deleting endpoints, and the secret for the `webhookUrl` of batches.

use axum::{Json, body::Body, extract::State, http::HeaderMap, http::StatusCode};
use secrecy::ExposeSecret;
use serde::Serialize;
use utoipa::ToSchema;

use super::{EndpointBody, Named, no_such_endpoint, request};
use crate::{
    http::{App, body, caller::Caller, envelope, keys::Scope, problem::Problem},
    notifications,
    store::{MOST_ENDPOINTS, NewEndpoint, NoticeKind},
};

/// One endpoint.
#[derive(Serialize, ToSchema)]
#[schema(as = OneEndpoint)]
pub struct One {
    success: bool,
    endpoint: EndpointBody,
    /// By what its messages are signed; shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    secret: Option<String>,
}

/// The tenant's endpoints.
#[derive(Serialize, ToSchema)]
#[schema(as = EndpointList)]
pub struct List {
    success: bool,
    endpoints: Vec<EndpointBody>,
    count: usize,
}

/// What was deleted.
#[derive(Serialize, ToSchema)]
#[schema(as = DeletedEndpoint)]
pub struct Gone {
    success: bool,
    id: String,
}

/// A secret, shown once.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchSecret)]
pub struct Secret {
    success: bool,
    secret: String,
}

/// `POST /api/webhooks`: events from now on are told to this URL.
pub async fn create(
    State(app): App,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<One>), Problem> {
    caller.need(Scope::Admin)?;
    let fields = body::object(&body::read(&headers, body).await?)?;
    let wanted = request::read(&fields, app.notices.private_addresses, true)?;
    let offered = || {
        NoticeKind::ALL
            .iter()
            .copied()
            .filter(|kind| kind.is_offered())
            .collect()
    };
    let new = NewEndpoint {
        id: format!("wh_{}", envelope::random_base36(20)),
        tenant: caller.tenant.clone(),
        url: wanted.url.unwrap_or_default(),
        description: wanted.description.flatten(),
        events: wanted.events.unwrap_or_else(offered),
        secret: notifications::new_secret(),
        at: app.clock.now(),
    };
    if !app.store.create_endpoint(&new).await? {
        let error = format!("a tenant may have {MOST_ENDPOINTS} webhook endpoints");
        return Err(Problem::new(StatusCode::CONFLICT, "TOO_MANY_ENDPOINTS", error));
    }
    tracing::info!(endpoint.id = %new.id, tenant = %new.tenant, "webhook endpoint created");
    let endpoint = app.store.endpoint(&caller.tenant, &new.id).await?;
    let one = One {
        success: true,
        endpoint: endpoint.ok_or_else(no_such_endpoint)?.into(),
        secret: Some(new.secret.expose_secret().to_owned()),
    };
    Ok((StatusCode::CREATED, Json(one)))
}

/// `GET /api/webhooks`.
pub async fn list(State(app): App, caller: Caller) -> Result<Json<List>, Problem> {
    caller.need(Scope::Admin)?;
    let endpoints = app.store.endpoints(&caller.tenant).await?;
    let endpoints: Vec<EndpointBody> = endpoints.into_iter().map(EndpointBody::from).collect();
    Ok(Json(List {
        success: true,
        count: endpoints.len(),
        endpoints,
    }))
}

/// `GET /api/webhooks/{id}`.
pub async fn show(State(app): App, caller: Caller, Named(id): Named) -> Result<Json<One>, Problem> {
    caller.need(Scope::Admin)?;
    let endpoint = app.store.endpoint(&caller.tenant, &id).await?;
    Ok(Json(One {
        success: true,
        endpoint: endpoint.ok_or_else(no_such_endpoint)?.into(),
        secret: None,
    }))
}

/// `PATCH /api/webhooks/{id}`: what is named changes, the rest stays. Enabling sends what had to wait.
pub async fn change(
    State(app): App,
    caller: Caller,
    Named(id): Named,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<One>, Problem> {
    caller.need(Scope::Admin)?;
    let fields = body::object(&body::read(&headers, body).await?)?;
    let change = request::read(&fields, app.notices.private_addresses, false)?;
    let changed = app
        .store
        .change_endpoint(&caller.tenant, &id, &change, app.clock.now())
        .await?;
    let endpoint = changed.ok_or_else(no_such_endpoint)?;
    app.notices.queued.notify_one();
    Ok(Json(One {
        success: true,
        endpoint: endpoint.into(),
        secret: None,
    }))
}

/// `DELETE /api/webhooks/{id}`: what was still to be sent to it is given up.
pub async fn delete(State(app): App, caller: Caller, Named(id): Named) -> Result<Json<Gone>, Problem> {
    caller.need(Scope::Admin)?;
    if !app.store.delete_endpoint(&caller.tenant, &id, app.clock.now()).await? {
        return Err(no_such_endpoint());
    }
    tracing::info!(endpoint.id = %id, tenant = %caller.tenant, "webhook endpoint deleted");
    Ok(Json(Gone { success: true, id }))
}

/// `POST /api/webhooks/batch-secret`: makes the secret by which messages to the `webhookUrl` of this tenant's batches are
/// signed from now on, and shows it once.
pub async fn batch_secret(State(app): App, caller: Caller) -> Result<(StatusCode, Json<Secret>), Problem> {
    caller.need(Scope::Admin)?;
    let secret = notifications::new_secret();
    app.store
        .set_batch_secret(&caller.tenant, &secret, app.clock.now())
        .await?;
    tracing::info!(tenant = %caller.tenant, "new secret for the webhooks of batches");
    let secret = Secret {
        success: true,
        secret: secret.expose_secret().to_owned(),
    };
    Ok((StatusCode::CREATED, Json(secret)))
}
