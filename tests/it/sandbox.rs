//! The sandbox asked by hand: its order of checks, its life of a post, its ledger and knobs.

#![allow(clippy::unwrap_used)]

mod held_back;
mod restart;

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use storyclip::{
    providers::http_client,
    sandbox::{Route, State},
};
use storyclip_actors::{
    error::Verdict,
    model::{Network, Timestamp},
    ports::{Clock, Provider, Reading},
    schedule::SlotRule,
};

use crate::rehearsal::{Stage, TOKEN, brand, story};

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);
const POSTS: &str = "/v2/scheduler/posts";

async fn raw(url: String, token: Option<&str>, accept: Option<&str>) -> (u16, String) {
    let http = http_client(&url, 1).unwrap();
    let mut request = http.get(url);
    if let Some(token) = token {
        request = request.header("X-Mc-Auth", token);
    }
    if let Some(accept) = accept {
        request = request.header("accept", accept);
    }
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

fn body(date_time: &str) -> Value {
    json!({"text": "", "providers": [{"network": "facebook"}], "facebookData": {"type": "STORY"},
        "media": ["https://m/a.mp4"], "publicationDate": {"dateTime": date_time, "timezone": "UTC"}})
}

#[tokio::test]
async fn token_brand_route_and_body_are_checked_in_this_order() {
    let stage = Stage::set().await;
    let base = stage.sandbox.base_url();
    // On any path.
    assert_eq!(raw(format!("{base}/nowhere?blogId=x"), None, None).await.0, 401);
    assert_eq!(raw(format!("{base}/nowhere?blogId=x"), Some(TOKEN), None).await.0, 403);
    assert_eq!(raw(format!("{base}/nowhere?blogId=1"), Some(TOKEN), None).await.0, 404);
    assert_eq!(
        raw(format!("{base}{POSTS}?userId=1"), Some(TOKEN), None).await.0,
        400,
        "a brand is needed"
    );
    assert_eq!(
        raw(format!("{base}{POSTS}?blogId=1"), Some(TOKEN), None).await.0,
        400,
        "an account is needed"
    );
    let (status, problem) = stage.call("POST", POSTS, Some(json!({"externalId": "b_1"}))).await;
    assert_eq!((status, problem["code"].as_str()), (400, Some("400")));
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("Unrecognized field \"externalId\""),
        "{problem}"
    );
    assert_eq!(stage.call("POST", POSTS, Some(json!([]))).await.0, 400);
    assert_eq!(stage.call("PATCH", "/v2/scheduler/posts/1", None).await.0, 404);
    assert_eq!(stage.call("GET", "/v2/scheduler/posts/1", None).await.0, 404);
}

#[tokio::test]
async fn normalise_is_plain_text_and_refuses_to_be_json() {
    let stage = Stage::set().await;
    let url = format!(
        "{}/actions/normalize/image/url?userId=1&url=https%3A%2F%2Fm%2Fa.mp4",
        stage.sandbox.base_url()
    );
    let plain = raw(url.clone(), Some(TOKEN), Some("*/*")).await;
    assert_eq!(plain, (200, "https://m/a.mp4".to_owned()));
    assert_eq!(raw(url.clone(), Some(TOKEN), Some("application/json")).await.0, 406);
    stage.faults(json!({"rehost": true}));
    let (_, copy) = raw(url, Some(TOKEN), None).await;
    assert!(
        copy.starts_with("https://static.metricool.example/planner/") && copy.ends_with(".mp4"),
        "{copy}"
    );
}

#[tokio::test]
async fn listings_need_whole_instants_and_honour_the_zone() {
    let stage = Stage::set().await;
    assert_eq!(
        stage.call("POST", POSTS, Some(body("2030-05-06T17:00:00"))).await.0,
        200
    );
    let list = async |start: &str, end: &str, zone: &str| {
        stage
            .call("GET", &format!("{POSTS}?start={start}&end={end}{zone}"), None)
            .await
    };
    assert_eq!(list("2030-05-06", "2030-05-07", "").await.0, 400);
    assert_eq!(list("2030-05-06T00:00:00Z", "2030-05-07T00:00:00Z", "").await.0, 400);
    let count = |answer: (u16, Value)| answer.1["data"].as_array().unwrap().len();
    let (start, end) = ("2030-05-06T16:59:00", "2030-05-06T17:01:00");
    assert_eq!(count(list(start, end, "&timezone=UTC").await), 1);
    assert_eq!(count(list(start, end, "").await), 0, "Madrid when no zone is named");
    assert_eq!(
        count(
            list(
                "2030-05-06T18:59:00",
                "2030-05-06T19:01:00",
                "&timezone=Europe%2FMadrid"
            )
            .await
        ),
        1
    );
    let (_, brands) = stage.call("GET", "/admin/simpleProfiles", None).await;
    assert_eq!(brands[0]["id"], 5_372_118, "a bare list: {brands}");
}

#[tokio::test]
async fn an_update_gives_a_new_id_and_keeps_the_uuid() {
    let stage = Stage::set().await;
    let (_, made) = stage.call("POST", POSTS, Some(body("2030-05-06T17:00:00"))).await;
    let (id, uuid) = (made["data"]["id"].as_i64().unwrap(), made["data"]["uuid"].clone());
    let mut change = body("2030-05-06T18:00:00");
    change["id"] = json!(id);
    let (status, changed) = stage.call("PUT", &format!("{POSTS}/{id}"), Some(change)).await;
    assert_eq!((status, &changed["data"]["uuid"]), (200, &uuid));
    let new = changed["data"]["id"].as_i64().unwrap();
    assert_ne!(new, id);
    assert_eq!(stage.call("GET", &format!("{POSTS}/{id}"), None).await.0, 404);
    stage
        .call("PUT", &format!("{POSTS}/{new}"), Some(body("2030-05-06T18:00:00")))
        .await;
    stage.clock.advance(120 * MINUTE);
    let live = stage.sandbox.posts().iter().filter(|post| post.live.is_some()).count();
    assert_eq!(live, 2, "an update without the id in its body makes a duplicate");
}

#[tokio::test]
async fn a_delete_answers_success_whatever_it_can_still_do() {
    let stage = Stage::set().await;
    stage.call("POST", POSTS, Some(body("2030-05-06T16:30:30"))).await;
    stage.call("POST", POSTS, Some(body("2030-05-06T16:30:30"))).await;
    let [early, late] = &stage.sandbox.posts()[..] else {
        panic!()
    };
    let delete = async |id: i64| stage.call("DELETE", &format!("{POSTS}/{id}"), None).await;
    assert_eq!(delete(early.id).await.1["data"], true);
    stage.clock.advance(11 * SECOND);
    assert_eq!(delete(late.id).await.1["data"], true);
    assert_eq!(delete(late.id).await.0, 404);
    stage.clock.advance(10 * SECOND);
    let posts = stage.sandbox.posts();
    assert!(
        posts[0].live.is_none() && posts[1].live.is_some(),
        "one that is on its way goes live all the same"
    );
    assert!(posts.iter().all(|post| post.deleted));
}

#[tokio::test]
async fn under_the_true_rule_slots_are_whole_minutes_in_the_future() {
    let stage = Stage::with(MINUTE).await;
    let metricool = stage.metricool();
    let now = stage.clock.now();
    let within = metricool.create(&brand(), &story(now + 39 * SECOND)).await.unwrap_err();
    assert_eq!(
        (within.verdict, within.code.as_str()),
        (Verdict::Unavailable, "METRICOOL_PAST_SLOT"),
        "16:30:59"
    );
    let rule = SlotRule {
        lead: MINUTE,
        granularity: MINUTE,
    };
    let request = story(rule.slot(now));
    assert_eq!(request.slot.to_string(), "2030-05-06T16:32:00.000Z");
    let post = metricool.create(&brand(), &request).await.unwrap();
    let cut_down = metricool
        .create(&brand(), &story(request.slot + 59 * SECOND))
        .await
        .unwrap();
    let slots: Vec<Timestamp> = stage.sandbox.posts().iter().map(|post| post.slot).collect();
    assert_eq!(slots, [request.slot, request.slot], "seconds are dropped");

    let listing = metricool.find(&brand(), &request).await.unwrap();
    assert!(listing.posts.iter().all(|post| rule.same(post.slot, request.slot)));
    let status = async |post| metricool.status(&brand(), Network::Facebook, post).await.unwrap();
    stage.clock.advance(100 * SECOND - Duration::from_millis(1));
    assert_eq!(
        status(&post).await,
        Reading::Pending("PENDING".into()),
        "not before its slot"
    );
    stage.clock.advance(Duration::from_millis(1));
    assert_eq!(status(&post).await, Reading::Pending("PUBLISHING".into()));
    stage.clock.advance(2 * SECOND);
    assert!(matches!(status(&post).await, Reading::Published { .. }));
    assert!(matches!(status(&cut_down).await, Reading::Published { .. }));
    let equal = metricool
        .create(&brand(), &story("2030-05-06T16:32:00Z".parse().unwrap()))
        .await
        .unwrap_err();
    assert_eq!(equal.code, "METRICOOL_PAST_SLOT");
}

#[tokio::test]
async fn a_clients_death_takes_no_post_along() {
    let stage = Stage::set().await;
    stage.faults(json!({"create_delay_ms": 300}));
    let metricool = Arc::new(stage.metricool());
    let creates = (0..8).map(|_| {
        let (metricool, request) = (metricool.clone(), stage.story(MINUTE));
        tokio::spawn(async move { metricool.create(&brand(), &request).await })
    });
    let creates: Vec<_> = creates.collect();
    let until = async |done: &dyn Fn() -> bool| {
        let asking = async {
            while !done() {
                stage.call("GET", "/admin/simpleProfiles", None).await;
            }
        };
        tokio::time::timeout(10 * SECOND, asking).await.unwrap();
    };
    until(&|| stage.sandbox.ledger().counts.creates == 8).await;
    for create in creates {
        create.abort();
        assert!(create.await.unwrap_err().is_cancelled());
    }
    until(&|| stage.sandbox.ledger().counts.posts == 8).await;
    assert!(stage.sandbox.ledger().order.iter().all(|create| create.id.is_some()));
}

#[tokio::test]
async fn knobs_are_set_in_part_refused_when_unknown_and_put_back() {
    let stage = Stage::set().await;
    let url = stage.sandbox.base_url().replace("/api", "/_sandbox/faults");
    let http = http_client(&url, 1).unwrap();
    let post = async |body: Value| {
        let response = http.post(&url).json(&body).send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    let (status, now) = post(json!({"cut_after_commit": {"probability": 0.1, "media": "clip_3"}})).await;
    assert_eq!((status, &now["cut_after_commit"]["media"]), (200, &json!("clip_3")));
    let (_, now) = post(json!({"confirm_ms": [50, 300], "throttle": {"next": 2, "retry_after_s": 1}})).await;
    assert_eq!(
        (&now["confirm_ms"], &now["throttle"]["next"]),
        (&json!([50, 300]), &json!(2))
    );
    assert!(now["cut_after_commit"].is_object(), "what is not named stays");
    for bad in [
        json!({"nonsense": 1}),
        json!({"nonsense": null}),
        json!({"throttle": {"nxt": 1}}),
        json!([]),
    ] {
        let (status, problem) = post(bad.clone()).await;
        assert_eq!(status, 400, "{bad} {problem}");
    }
    let (_, now) = post(json!({"cut_after_commit": null, "confirm_ms": null, "stuck": false})).await;
    assert_eq!(
        (&now["confirm_ms"], now.get("cut_after_commit")),
        (&json!([2_000, 2_000]), None)
    );
    assert_eq!(http.delete(&url).send().await.unwrap().status(), 204);
    let now: Value = http.get(&url).send().await.unwrap().json().await.unwrap();
    assert_eq!(now.get("throttle"), None);
}

#[tokio::test]
async fn a_seed_makes_luck_repeatable() {
    let stage = Stage::set().await;
    let mut runs = Vec::new();
    for _ in 0..2 {
        stage.sandbox.clear();
        stage.faults(json!({"seed": 7, "confirm_ms": [0, 60_000], "error_before_commit": {"probability": 0.5}}));
        for _ in 0..20 {
            stage.call("POST", POSTS, Some(body("2030-05-06T17:00:00"))).await;
        }
        let order = stage.sandbox.ledger().order;
        runs.push(order.iter().map(|create| create.end).collect::<Vec<_>>());
    }
    assert_eq!(runs[0], runs[1]);
    assert!(runs[0].contains(&"error") && runs[0].contains(&"answered"));
}

#[tokio::test]
async fn the_ledger_and_the_counts_are_read_and_cleared_over_http() {
    let stage = Stage::set().await;
    stage.call("POST", POSTS, Some(body("2030-05-06T17:00:00"))).await;
    let root = stage.sandbox.base_url().replace("/api", "/_sandbox");
    let http = http_client(&root, 1).unwrap();
    let read = async |what: &str| -> Value {
        http.get(format!("{root}/{what}"))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    };
    let ledger = read("posts").await;
    let post = &ledger["posts"][0];
    assert_eq!(
        (&post["blogId"], &post["state"], &post["live"]),
        (&json!("5372118"), &json!("PENDING"), &Value::Null)
    );
    assert_eq!(post["slot"], "2030-05-06T17:00:00.000Z");
    assert_eq!(ledger["order"][0]["id"], post["id"]);
    assert_eq!(
        ledger["counts"],
        json!({"creates": 1, "posts": 1, "live": 0, "failed": 0, "deleted": 0})
    );
    assert_eq!(read("requests").await["create"]["count"], 1);
    http.delete(format!("{root}/posts")).send().await.unwrap();
    http.delete(format!("{root}/requests")).send().await.unwrap();
    assert_eq!(read("posts").await["counts"]["posts"], 0);
    assert_eq!(read("requests").await, json!({}));
    let old = stage.call("GET", &format!("{POSTS}/{}", post["id"]), None).await;
    assert_eq!(old.0, 404);
    stage.call("POST", POSTS, Some(body("2030-05-06T17:00:00"))).await;
    assert_ne!(json!(stage.sandbox.posts()[0].id), post["id"], "ids go on");
    assert_eq!(stage.sandbox.posts()[0].state, State::Pending);
    assert_eq!(stage.sandbox.requests()[&Route::Create].count, 1);
}

#[tokio::test]
async fn a_stopped_sandbox_refuses_connections() {
    let Stage { sandbox, clock, facts } = Stage::set().await;
    let metricool = crate::rehearsal::client(&sandbox.base_url(), clock.clone(), facts, |_| {});
    metricool.check(None).await.unwrap();
    sandbox.stop().await.unwrap();
    let error = metricool
        .create(&brand(), &story(clock.now() + MINUTE))
        .await
        .unwrap_err();
    assert!(error.outage && error.verdict == Verdict::Unavailable, "{error:?}");
}
