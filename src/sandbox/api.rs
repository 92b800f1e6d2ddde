//! Metricool's API: one request in, one answer out, checked in the order in which Metricool checks.
//!
//! The router sends everything under `/api` here: outage, token (401 on any path), throttle, brand (403), route (404), body (400).
//! A create that takes time commits in a task of its own, so that a client's death never takes its post along.

use std::sync::Arc;

use axum::{
    body::to_bytes,
    extract::{ConnectInfo, Query, Request, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use storyclip_actors::model::Timestamp;

use super::{
    World,
    answer::{self, Problem},
    best_times,
    dates::{instant, zone},
    faults::Gate,
    ledger::Commission,
    line::Line,
    luck::End,
    post::State as PostState,
    route::Route,
    scheduled_post,
};

/// Largest body that is read, in bytes.
const BODY_MAX: usize = 1 << 20;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Params {
    user_id: String,
    blog_id: Option<String>,
    url: Option<String>,
    start: Option<String>,
    end: Option<String>,
    timezone: Option<String>,
    extended_range: bool,
}

/// A request that got through the door.
struct Visit {
    params: Params,
    headers: HeaderMap,
    body: Bytes,
    line: Line,
}

impl Visit {
    fn brand(&self) -> &str {
        self.params.blog_id.as_deref().unwrap_or_default()
    }
}

pub(super) async fn answer(
    State(world): State<Arc<World>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Some(path) = parts.uri.path().strip_prefix("/api") else {
        return Problem::new(404, "No such path; the API is under /api, the knobs under /_sandbox").into_response();
    };
    let (route, id) = Route::of(&parts.method, path);
    world.traffic.count(route, world.clock.now());
    let Ok(body) = to_bytes(body, BODY_MAX).await else {
        return Problem::new(413, "The body is too large or was not sent whole").into_response();
    };
    let params = Query::<Params>::try_from_uri(&parts.uri).map(|Query(params)| params);
    let media = || match (&params, route) {
        (Ok(params), Route::Normalize) => params.url.clone(),
        (_, Route::Create | Route::Update) => first_media(&body),
        _ => None,
    };
    match world.faults.gate(route, media) {
        Gate::Open => {}
        Gate::Away(status) => return Problem::new(status, "Service Unavailable").into_response(),
        Gate::Throttled(retry_after_s) => return Problem::throttled(retry_after_s).into_response(),
    }
    if !world.accepts_token(&parts.headers) {
        return Problem::new(401, "Unauthorized").into_response();
    }
    let visit = match params {
        Ok(params) => Visit {
            params,
            headers: parts.headers,
            body,
            line,
        },
        Err(error) => return Problem::new(400, error.body_text()).into_response(),
    };
    if let Err(problem) = admit(&world, route, &visit.params) {
        return problem.into_response();
    }
    let answered = dispatch(&world, route, id, visit).await;
    answered.unwrap_or_else(IntoResponse::into_response)
}

fn first_media(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Media {
        media: Vec<String>,
    }
    serde_json::from_slice::<Media>(body).ok()?.media.into_iter().next()
}

/// The brand, then the route, then the account.
fn admit(world: &World, route: Route, params: &Params) -> Result<(), Problem> {
    match &params.blog_id {
        Some(brand) if !world.accepts_brand(brand) => {
            return Err(Problem::new(
                403,
                format!("The user has no access to the blog: {brand}"),
            ));
        }
        None if route.needs_brand() => return Err(Problem::field("blogId", "must not be null")),
        Some(_) | None => {}
    }
    if route == Route::Unknown {
        return Err(Problem::new(404, "Not Found"));
    }
    if params.user_id.is_empty() {
        return Err(Problem::field("userId", "must not be null"));
    }
    Ok(())
}

async fn dispatch(world: &Arc<World>, route: Route, id: Option<i64>, visit: Visit) -> Result<Response, Problem> {
    let delay = world.faults.delay(route);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    world.faults.wait(route, visit.params.url.as_deref()).await;
    // A create's page is part of its luck, since its post is made all the same.
    if !matches!(route, Route::Create | Route::Update) && world.faults.page(route, visit.params.url.as_deref()) {
        return Ok(answer::page());
    }
    match route {
        Route::Normalize => normalize(world, &visit),
        Route::Create => create(world, route, visit, None).await,
        Route::Get => get(world, &visit, id),
        Route::List => list(world, &visit),
        Route::Update => update(world, visit, id).await,
        Route::Delete => delete(world, &visit, id),
        Route::BestTimes => best_times(world, &visit),
        Route::Brands => Ok(answer::bare(&world.profiles())),
        Route::Unknown => Err(Problem::new(404, "Not Found")),
    }
}

fn normalize(world: &World, visit: &Visit) -> Result<Response, Problem> {
    let accepts = |kind: &header::HeaderValue| {
        let kinds = kind.to_str().unwrap_or_default();
        ["*/*", "text/*", "text/plain"]
            .iter()
            .any(|plain| kinds.contains(plain))
    };
    if !visit.headers.get(header::ACCEPT).is_none_or(accepts) {
        return Err(Problem::new(406, "No acceptable representation"));
    }
    let url = visit
        .params
        .url
        .as_deref()
        .ok_or_else(|| Problem::field("url", "must not be null"))?;
    if !(url.starts_with("http://") || url.starts_with("https://")) {
        return Err(Problem::new(422, format!("The media cannot be read: {url}")));
    }
    let Some(name) = world.faults.copy_name() else {
        return Ok(answer::text(url.to_owned()));
    };
    let extension = url.rsplit_once('.').map_or("mp4", |(_, end)| end);
    let extension = if extension.len() <= 4 && extension.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        extension
    } else {
        "mp4"
    };
    Ok(answer::text(format!(
        "https://static.metricool.example/planner/{name:016x}.{extension}"
    )))
}

async fn create(world: &Arc<World>, route: Route, visit: Visit, replaces: Option<i64>) -> Result<Response, Problem> {
    let now = world.clock.now();
    let wanted = scheduled_post::parse(&visit.body, world.dates, now)?;
    let luck = world.faults.luck(route, wanted.media.first().map(String::as_str));
    let ticket = world.ledger().arrive(visit.brand(), &wanted, &luck.end, now);
    let (delay, commit_after, end) = (luck.delay, luck.commit_after, luck.end.clone());
    let commission = Commission {
        ticket,
        brand: visit.brand().to_owned(),
        wanted,
        luck,
        replaces,
    };
    let commit = {
        let world = world.clone();
        move || made(&world, commission)
    };
    if delay.is_zero() {
        return Ok(ending(&end, commit(), &visit.line));
    }
    let committed = tokio::spawn(async move {
        tokio::time::sleep(commit_after).await;
        let response = commit();
        tokio::time::sleep(delay.saturating_sub(commit_after)).await;
        response
    });
    let response = committed.await.map_err(|error| Problem::new(500, error.to_string()))?;
    Ok(ending(&end, response, &visit.line))
}

/// Commits, if the luck says so, and gives the answer of an undisturbed call.
fn made(world: &World, commission: Commission) -> Response {
    if !commission.luck.end.commits() {
        return answer::page();
    }
    let now = world.clock.now();
    let mut ledger = world.ledger();
    let post = ledger.commit(commission, world.dates, now);
    answer::enveloped(&post.body(now), json!({}))
}

fn ending(end: &End, undisturbed: Response, line: &Line) -> Response {
    match end {
        End::Answered => undisturbed,
        End::WithoutId => answer::enveloped(&json!({"text": ""}), json!({})),
        End::Page => answer::page(),
        End::Error { status, .. } => Problem::new(*status, "Internal Server Error").into_response(),
        End::Cut { .. } => {
            line.cut();
            undisturbed
        }
    }
}

fn get(world: &World, visit: &Visit, id: Option<i64>) -> Result<Response, Problem> {
    let id = id.ok_or_else(Problem::not_found)?;
    let now = world.clock.now();
    let ledger = world.ledger();
    let post = ledger.get(visit.brand(), id, now).ok_or_else(Problem::not_found)?;
    let media = post.wanted.media.first().map(String::as_str);
    let seen = if world.faults.withholds(Route::Get, media) {
        post.before_anything()
    } else {
        now
    };
    Ok(answer::enveloped(&post.body(seen), json!({})))
}

/// The window of a listing, in the zone that is named beside it or the brand's.
fn window(params: &Params) -> Result<(Timestamp, Timestamp), Problem> {
    let zone = zone("timezone", params.timezone.as_deref().unwrap_or("Europe/Madrid"))?;
    let bound = |name: &str, text: &Option<String>| match text {
        Some(text) => instant(name, text, &zone, false),
        None => Err(Problem::field(name, "must not be null")),
    };
    Ok((bound("start", &params.start)?, bound("end", &params.end)?))
}

fn best_times(world: &World, visit: &Visit) -> Result<Response, Problem> {
    window(&visit.params)?;
    let rows = best_times::rows(&world.faults.get().best_times);
    Ok(answer::enveloped(&rows, json!({})))
}

fn list(world: &World, visit: &Visit) -> Result<Response, Problem> {
    let params = &visit.params;
    let (mut from, mut to) = window(params)?;
    if params.extended_range {
        let day = std::time::Duration::from_secs(86_400);
        (from, to) = (from - day, to + day);
    }
    let settings = world.faults.get();
    let page = if settings.list_has_more {
        json!({"next": "2"})
    } else {
        Value::Object(Default::default())
    };
    let now = world.clock.now();
    let ledger = world.ledger();
    let posts = ledger.list(visit.brand(), from, to, settings.list_hides_published, now);
    Ok(answer::enveloped(
        &posts.iter().map(|post| post.body(now)).collect::<Vec<_>>(),
        page,
    ))
}

/// A full replacement: a new id, the same `uuid`. Without the id in the body the old post stays and a second one is made.
async fn update(world: &Arc<World>, visit: Visit, id: Option<i64>) -> Result<Response, Problem> {
    let id = id.ok_or_else(Problem::not_found)?;
    let now = world.clock.now();
    let state = world.ledger().get(visit.brand(), id, now).map(|post| post.state(now));
    if state.ok_or_else(Problem::not_found)? != PostState::Pending {
        return Err(Problem::new(400, "A post that is being published cannot be changed"));
    }
    let named = scheduled_post::parse(&visit.body, world.dates, now)?.id;
    create(world, Route::Update, visit, named.filter(|named| *named == id)).await
}

/// Answers success for a published post, too, which stays on the network.
fn delete(world: &World, visit: &Visit, id: Option<i64>) -> Result<Response, Problem> {
    let id = id.ok_or_else(Problem::not_found)?;
    if world.ledger().delete(visit.brand(), id, world.clock.now()) {
        return Ok(answer::enveloped(&true, json!({})));
    }
    Err(Problem::not_found())
}
