//! `/api/keys`: a tenant's admin makes, lists and revokes the tenant's keys.
//!
//! A key is shown once, in the answer that made it; only its hash is kept, also by the answer that a repeat of the request
//! is given. What is answered is durable and in force: a key works at once, a revoked one does not, on this daemon;
//! others on the same database hear of it within seconds.

use std::collections::BTreeSet;

use axum::{
    Json,
    body::Body,
    extract::{FromRequestParts, Path, State},
    http::{HeaderMap, StatusCode, request::Parts},
    response::Response,
};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::Value;
use storyclip_actors::{error::StoreError, model::Timestamp};
use utoipa::ToSchema;

use super::{
    App, body,
    caller::Caller,
    envelope,
    fields::{Errors, Object},
    idempotency::{self, Repeat},
    keys::{self, Key, Scope},
    limits,
    page::{self, List, MOST},
    problem::Problem,
    query::Query,
    to_the_end::to_the_end,
};
use crate::store::{Created, KeyView, MOST_KEYS, Page};

/// Names the route in `idempotency_keys`.
const ROUTE: &str = "keys";

const LIST: List = List("keys");

/// What the body that makes a key may have.
pub(super) const MEMBERS: &[&str] = &["name", "scopes"];

/// A key as it is shown.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
#[serde(rename_all = "camelCase")]
struct KeyBody {
    id: String,
    tenant: String,
    name: Option<String>,
    scopes: Vec<String>,
    created_by: String,
    created_at: Timestamp,
    last_used_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
}

/// The answer to a key that is made.
#[derive(Serialize, ToSchema)]
#[schema(as = MadeKey)]
pub struct Made {
    success: bool,
    key: KeyBody,
    /// The key itself; null when the answer is given again.
    secret: Option<String>,
}

/// The answer to a list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyList {
    success: bool,
    /// Newest first, revoked ones included.
    keys: Vec<KeyBody>,
    count: usize,
    next_cursor: Option<String>,
    /// Those of the setting, which only its owner can change; on every page.
    environment: Vec<EnvironmentKey>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EnvironmentKey {
    id: String,
    scopes: Vec<String>,
    /// Since this daemon started.
    last_used_at: Option<Timestamp>,
}

/// The answer to a revocation.
#[derive(Serialize, ToSchema)]
#[schema(as = RevokedKey)]
#[serde(rename_all = "camelCase")]
pub struct Revoked {
    success: bool,
    id: String,
    revoked_at: Timestamp,
}

/// Makes a key of the caller's tenant and shows it once.
///
/// To the end, also where the client hangs up: a key that is stored and not in force would be so until the next start.
pub async fn create(State(app): App, caller: Caller, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    caller.need(Scope::Admin)?;
    let bytes = body::read(&headers, body).await?;
    let repeat = Repeat::of(&caller.tenant, ROUTE, StatusCode::CREATED, &headers, &bytes)?;
    if let Some(repeat) = &repeat
        && let Some(answer) = repeat.earlier(&app.store).await?
    {
        return Ok(answer);
    }
    let (label, scopes) = read(&bytes)?;
    if scopes.contains(&Scope::Metrics) {
        caller.need(Scope::Metrics)?;
    }
    let secret = keys::new_secret();
    let hash = keys::hash_of(&secret);
    let row = KeyView {
        id: keys::name_of(&hash).to_string(),
        hash: keys::hex(&hash),
        tenant: caller.tenant.clone(),
        scopes: keys::joined(&scopes),
        label,
        created_by: caller.name.to_string(),
        created_at: app.clock.now(),
        last_used_at: None,
        revoked_at: None,
    };
    let answer = |secret| {
        envelope::text(&Made {
            success: true,
            key: KeyBody::of(row.clone(), None),
            secret,
        })
    };
    let (shown, kept) = (answer(Some(secret.expose_secret().to_owned()))?, answer(None)?);
    let entry = repeat.as_ref().map(|repeat| repeat.entry(&kept));
    let making = to_the_end(async move {
        let changing = app.keys.change().await;
        let created = app.store.create_key(&row, entry.as_ref()).await?;
        if created == Created::New {
            changing.add(&row);
            tracing::info!(key = row.id, tenant = %row.tenant, scopes = row.scopes, by = row.created_by, "key made");
        }
        Ok::<_, StoreError>(created)
    });
    let created = match making.await {
        Err(StoreError::Conflict(_)) => return Err(too_many()),
        other => other?,
    };
    idempotency::answer(created, repeat, StatusCode::CREATED, shown)
}

/// The keys of the caller's tenant.
pub async fn list(State(app): App, caller: Caller, query: Query) -> Result<Json<KeyList>, Problem> {
    caller.need(Scope::Admin)?;
    let page = Page {
        limit: query.limit(MOST)?,
        after: query.cursor(LIST, |[at, id]| {
            limits::key(id).ok()?;
            Some((at.parse().ok()?, id.to_owned()))
        })?,
    };
    let listed = app.store.keys_of(&caller.tenant, &page).await?;
    let last = listed.rows.last().filter(|_| listed.more);
    let next_cursor = last.map(|last| page::next(LIST, &[&last.created_at.to_string(), &last.id]));
    let body = |row: KeyView| {
        let used = app.keys.used_at(&row.id);
        KeyBody::of(row, used)
    };
    Ok(Json(KeyList {
        success: true,
        count: listed.rows.len(),
        next_cursor,
        keys: listed.rows.into_iter().map(body).collect(),
        environment: app
            .keys
            .of_environment(&caller.tenant)
            .map(|key| EnvironmentKey::of(key))
            .collect(),
    }))
}

/// Revokes a key of the caller's tenant; it may be the one that is used for it. Repeating it changes nothing.
pub async fn revoke(State(app): App, caller: Caller, KeyPath(id): KeyPath) -> Result<Json<Revoked>, Problem> {
    caller.need(Scope::Admin)?;
    if app.keys.of_environment(&caller.tenant).any(|key| *key.name == *id) {
        return Err(of_environment());
    }
    let (tenant, by, name) = (caller.tenant.clone(), caller.name.clone(), id.clone());
    let revoking = to_the_end(async move {
        let changing = app.keys.change().await;
        let at = app.clock.now();
        let revoked = app.store.revoke_key(&tenant, &name, at).await?;
        if revoked.is_some() {
            changing.remove(&name);
        }
        if revoked == Some(at) {
            tracing::info!(key = name, %tenant, %by, "key revoked");
        }
        Ok::<_, StoreError>(revoked)
    });
    let revoked = revoking.await?;
    let not_found = || Problem::new(StatusCode::NOT_FOUND, "KEY_NOT_FOUND", "key not found");
    Ok(Json(Revoked {
        success: true,
        id,
        revoked_at: revoked.ok_or_else(not_found)?,
    }))
}

fn too_many() -> Problem {
    let error = format!("the tenant has {MOST_KEYS} keys; revoke one first");
    Problem::new(StatusCode::CONFLICT, "TOO_MANY_KEYS", error)
}

fn of_environment() -> Problem {
    let error = "this key is one of STORYCLIP_API_KEYS and can only be taken out there";
    Problem::new(StatusCode::CONFLICT, "KEY_OF_ENVIRONMENT", error)
}

/// `{"name": "…", "scopes": ["publish", "read"]}`; the name may be absent.
fn read(bytes: &[u8]) -> Result<(Option<String>, BTreeSet<Scope>), Problem> {
    const CODE: &str = "INVALID_SCOPES";
    let fields = body::object(bytes)?;
    let fields = Object::new("", &fields);
    let mut errors = Errors::default();
    let label = fields.checked(&mut errors, "INVALID_NAME", "name", limits::name);
    let mut scopes = BTreeSet::new();
    match fields.value("scopes") {
        None => errors.add("MISSING_SCOPES", "scopes", format!("is missing: some of {}", words())),
        Some(Value::Array(list)) if list.is_empty() => errors.add(CODE, "scopes", "must not be empty"),
        Some(Value::Array(list)) => {
            for (place, word) in list.iter().enumerate() {
                match word.as_str().map(str::parse::<Scope>) {
                    Some(Ok(scope)) => drop(scopes.insert(scope)),
                    Some(Err(())) | None => {
                        errors.add(CODE, format!("scopes[{place}]"), format!("must be one of {}", words()));
                    }
                }
            }
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            errors.add(CODE, "scopes", format!("must be a list of {}", words()));
        }
    }
    fields.only(&mut errors, MEMBERS);
    errors.finish()?;
    Ok((label.map(str::to_owned), scopes))
}

fn words() -> String {
    Scope::ALL.map(Scope::as_str).join(", ")
}

impl KeyBody {
    fn of(row: KeyView, used_at: Option<Timestamp>) -> Self {
        Self {
            id: row.id,
            tenant: row.tenant.to_string(),
            name: row.label,
            scopes: row.scopes.split('+').map(str::to_owned).collect(),
            created_by: row.created_by,
            created_at: row.created_at,
            last_used_at: used_at.max(row.last_used_at),
            revoked_at: row.revoked_at,
        }
    }
}

impl EnvironmentKey {
    fn of(key: &Key) -> Self {
        Self {
            id: key.name.to_string(),
            scopes: key.scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
            last_used_at: key.used_at(),
        }
    }
}

/// The `{id}` of a path.
pub struct KeyPath(String);

impl<S: Send + Sync> FromRequestParts<S> for KeyPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let bad = |why| Problem::bad("INVALID_KEY_ID", "id", why);
        let path: Result<Path<String>, _> = Path::from_request_parts(parts, state).await;
        let Path(id) = path.map_err(|_| bad("must be percent-encoded UTF-8".to_owned()))?;
        limits::key(&id).map_err(bad)?;
        Ok(Self(id))
    }
}
