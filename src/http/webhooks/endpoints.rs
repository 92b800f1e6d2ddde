//! Creating, reading, changing and deleting endpoints.

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use secrecy::ExposeSecret;
use serde::Serialize;
use utoipa::ToSchema;

use super::{EndpointBody, Named, no_such_endpoint, request};
use crate::{
    http::{
        App, body,
        caller::Caller,
        envelope,
        idempotency::{self, Repeat},
        keys::Scope,
        limits, page,
        problem::Problem,
        query::Query,
    },
    notifications,
    store::{Created, MOST_ENDPOINTS, NewEndpoint, NoticeKind, Page},
};

/// Names the route in `idempotency_keys`.
const ROUTE: &str = "webhooks";

const LIST: page::List = page::List("webhooks");

/// One endpoint.
#[derive(Serialize, ToSchema)]
#[schema(as = OneEndpoint)]
pub struct One {
    success: bool,
    endpoint: EndpointBody,
}

/// An endpoint that was made.
#[derive(Serialize, ToSchema)]
#[schema(as = MadeEndpoint)]
pub struct Made {
    success: bool,
    endpoint: EndpointBody,
    /// By what its messages are signed. Shown once; null when the answer is given again.
    secret: Option<String>,
}

/// The tenant's endpoints.
#[derive(Serialize, ToSchema)]
#[schema(as = EndpointList)]
#[serde(rename_all = "camelCase")]
pub struct List {
    success: bool,
    /// Oldest first.
    endpoints: Vec<EndpointBody>,
    count: usize,
    next_cursor: Option<String>,
}

/// What was deleted.
#[derive(Serialize, ToSchema)]
#[schema(as = DeletedEndpoint)]
pub struct Gone {
    success: bool,
    id: String,
}

/// `POST /api/webhooks`: events from now on are told to this URL. The answer that a repeat gets has no secret: no copy of
/// it lies among the answers, and who never got it can have another made.
pub async fn create(State(app): App, caller: Caller, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    caller.need(Scope::Admin)?;
    let bytes = body::read(&headers, body).await?;
    let repeat = Repeat::of(&caller.tenant, ROUTE, StatusCode::CREATED, &headers, &bytes)?;
    if let Some(repeat) = &repeat
        && let Some(answer) = repeat.earlier(&app.store).await?
    {
        return Ok(answer);
    }
    let wanted = request::read(&body::object(&bytes)?, app.notices.private_addresses, true)?;
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
    let answer = |secret| {
        envelope::text(&Made {
            success: true,
            endpoint: EndpointBody::new(&new),
            secret,
        })
    };
    let (shown, kept) = (answer(Some(new.secret.expose_secret().to_owned()))?, answer(None)?);
    let entry = repeat.as_ref().map(|repeat| repeat.entry(&kept));
    let Some(created) = app.store.create_endpoint(&new, entry.as_ref()).await? else {
        let error = format!("a tenant may have {MOST_ENDPOINTS} webhook endpoints");
        return Err(Problem::new(StatusCode::CONFLICT, "TOO_MANY_ENDPOINTS", error));
    };
    if created == Created::New {
        tracing::info!(endpoint.id = %new.id, tenant = %new.tenant, "webhook endpoint created");
    }
    idempotency::answer(created, repeat, StatusCode::CREATED, shown)
}

/// `GET /api/webhooks?limit=&cursor=`.
pub async fn list(State(app): App, caller: Caller, query: Query) -> Result<Json<List>, Problem> {
    caller.need(Scope::Admin)?;
    let page = Page {
        limit: query.limit(page::MOST)?,
        after: query.cursor(LIST, |[at, id]| {
            limits::name(id).ok()?;
            Some((at.parse().ok()?, id.to_owned()))
        })?,
    };
    let listed = app.store.endpoints(&caller.tenant, &page).await?;
    let last = listed.rows.last().filter(|_| listed.more);
    Ok(Json(List {
        success: true,
        count: listed.rows.len(),
        next_cursor: last.map(|last| page::next(LIST, &[&last.created_at.to_string(), &last.id])),
        endpoints: listed.rows.into_iter().map(EndpointBody::from).collect(),
    }))
}

/// `GET /api/webhooks/{id}`.
pub async fn show(State(app): App, caller: Caller, Named(id): Named) -> Result<Json<One>, Problem> {
    caller.need(Scope::Admin)?;
    let endpoint = app.store.endpoint(&caller.tenant, &id).await?;
    Ok(Json(One {
        success: true,
        endpoint: endpoint.ok_or_else(no_such_endpoint)?.into(),
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
