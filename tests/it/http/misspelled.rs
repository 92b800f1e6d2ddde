//! A member of a body that nobody reads is never passed over in silence: what is misspelled was meant.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::server::{PUBLISH, Server, Setup, body_of, problem, read};

/// A good body with members put in at JSON pointers.
fn with(members: &[(&str, Value)]) -> Value {
    let mut body = body_of(3);
    for (pointer, value) in members {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[name] = value.clone();
    }
    body
}

#[tokio::test]
async fn a_body_of_a_command_has_no_member_but_its_own() {
    let server = Server::start_with(Setup {
        push_key: Some("BPublic"),
        ..Setup::default()
    })
    .await;
    let batch = server.batch(2).await;
    let before = server.rows().await;
    let of_batch = |what: &str| format!("/api/metricool/batch/{batch}/{what}");
    let admin = "sk_root_1";
    for (key, method, path, body, field, message) in [
        (
            "sk_full_1",
            Method::POST,
            of_batch("retry-failed"),
            json!({"clip": [2]}),
            "clip",
            "is not known: clips?",
        ),
        (
            "sk_full_1",
            Method::POST,
            of_batch("retry-failed"),
            json!({"clips": [1], "all": true}),
            "all",
            "is not known; the members here are clips",
        ),
        (
            "sk_full_1",
            Method::POST,
            of_batch("clips/1/resolve"),
            json!({"action": "retry", "attempts": 1}),
            "attempts",
            "is not known: attempt?",
        ),
        (
            admin,
            Method::PATCH,
            "/api/webhooks/wh_1".into(),
            json!({"enabld": true}),
            "enabld",
            "is not known: enabled?",
        ),
        (
            admin,
            Method::POST,
            "/api/webhooks".into(),
            json!({"url": "https://hooks.example/", "event": []}),
            "event",
            "is not known: events?",
        ),
        (
            admin,
            Method::POST,
            "/api/webhooks/batch-secret".into(),
            json!({"overlap_second": 0}),
            "overlap_second",
            "is not known: overlapSeconds?",
        ),
        (
            admin,
            Method::POST,
            "/api/webhooks/wh_1/rotate-secret".into(),
            json!({"overlap": 0}),
            "overlap",
            "is not known; the members here are overlapSeconds",
        ),
        (
            admin,
            Method::POST,
            "/api/keys".into(),
            json!({"scopes": ["read"], "nane": "x"}),
            "nane",
            "is not known: name?",
        ),
        (
            "sk_full_1",
            Method::POST,
            "/api/push/subscriptions".into(),
            json!({"userId": "u1", "user": "u1", "subscription": {
            "endpoint": "https://push.example/send/1", "expirationTime": null, "later": 1, "keys": {
                "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
                "auth": "BTBZMqHH6r4Tts7J_aSIgg"}}}),
            "user",
            "is not known: userId?",
        ),
    ] {
        let request = server.bare(method, &path).header("x-api-key", key);
        let told = problem(request.json(&body).send().await.unwrap(), 400, "UNKNOWN_FIELD").await;
        assert_eq!(told["errors"], json!([{"field": field, "message": message}]), "{path}");
    }
    assert_eq!(server.rows().await, before);
}

#[tokio::test]
async fn what_is_not_known_of_a_publish_request_is_a_warning() {
    let server = Server::start().await;
    let body = with(&[
        ("/foo", json!(1)),
        ("/mode", json!("now")),
        ("/externalId", Value::Null),
        ("/scheduledAt", Value::Null),
        ("/dryRun", json!(false)),
        ("/settings/onFailur", json!("stop")),
        ("/settings/publishspeed", json!("safe")),
        ("/posts/1/storyIndex", json!(2)),
        ("/posts/2/storyIndex", json!(3)),
        ("/posts/2/Url", json!("x")),
    ]);
    let top = "the members here are jobId, userId, posts, schedule, settings";
    let expected = json!([
        {"field": "dryRun", "message": format!("is not known; {top}")},
        {"field": "externalId", "message": format!("is not known; {top}")},
        {"field": "foo", "message": format!("is not known; {top}")},
        {"field": "scheduledAt", "message": format!("is not known; {top}")},
        {"field": "settings.onFailur", "message": "is not known: onFailure?"},
        {"field": "settings.publishspeed", "message": "is not known: publishSpeed?"},
        {"field": "posts[1].storyIndex", "message": "is not known; the members here are id, url, title, text (2 posts have it)"},
        {"field": "posts[2].Url", "message": "is not known: url?"},
    ]);
    for (query, status) in [("?dryRun=true", StatusCode::OK), ("", StatusCode::ACCEPTED)] {
        let request = server.post(&format!("{PUBLISH}{query}")).json(&body);
        let (actual, answer) = read(request.send().await.unwrap()).await;
        assert_eq!(actual, status, "{answer}");
        assert_eq!(answer["warnings"], expected, "{query}");
    }
    let scheduled = json!({"mode": "scheduled", "scheduledAt": "2026-12-01T18:00:00Z", "label": "x"});
    let agreeing = with(&[
        ("/schedule", scheduled),
        ("/publishMode", json!("scheduled")),
        ("/network", json!("facebook")),
    ]);
    let (status, answer) = read(server.publish(&agreeing).send().await.unwrap()).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    let fields: Vec<&Value> = answer["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["field"])
        .collect();
    assert_eq!(fields, ["schedule.label"]);
}

#[tokio::test]
async fn so_many_names_are_told_and_none_at_its_full_length() {
    let server = Server::start().await;
    let mut body = with(&[]);
    for n in 0..1_000 {
        body[format!("{n:03}{}", "x".repeat(500))] = json!(1);
    }
    let (status, answer) = read(server.publish(&body).send().await.unwrap()).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    let warnings = answer["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 21);
    assert!(answer.to_string().len() < 5_000, "{answer}");
    assert_eq!(warnings[20]["message"], "is not known, and perhaps others are not");
}

#[tokio::test]
async fn what_seems_to_say_when_or_where_to_publish_is_refused() {
    let server = Server::start().await;
    let later = json!({"mode": "scheduled", "scheduledAt": "2026-12-01T18:00:00Z"});
    let by_slots = ("/schedule", later.clone());
    for (members, field, meant) in [
        (vec![("/schedul", later.clone())], "schedul", "schedule"),
        (vec![("/Schedule", later.clone())], "Schedule", "schedule"),
        (vec![("/scheduled", later.clone())], "scheduled", "schedule"),
        (vec![("/setting", json!({"onFailure": "stop"}))], "setting", "settings"),
        (vec![("/mode", json!("scheduled"))], "mode", "schedule.mode"),
        (vec![by_slots.clone(), ("/mode", json!("now"))], "mode", "schedule.mode"),
        (
            vec![("/publish_mode", json!("bestTime"))],
            "publish_mode",
            "schedule.mode",
        ),
        (
            vec![("/scheduledFor", json!("2026-12-01T18:00:00Z"))],
            "scheduledFor",
            "schedule.scheduledAt",
        ),
        (vec![("/dryRun", json!(true))], "dryRun", "?dryRun=true"),
        (
            vec![("/settings/dryrun", json!("yes"))],
            "settings.dryrun",
            "?dryRun=true",
        ),
        (
            vec![("/settings/schedule", later.clone())],
            "settings.schedule",
            "schedule",
        ),
        (
            vec![("/settings/netwrok", json!("instagram"))],
            "settings.netwrok",
            "network",
        ),
        (vec![("/network", json!("instagram"))], "network", "settings.network"),
        (
            vec![("/posts/1/scheduledAt", json!("2026-12-01T18:00:00Z"))],
            "posts[1].scheduledAt",
            "schedule.scheduledAt",
        ),
        (
            vec![by_slots.clone(), ("/schedule/intervalSecond", json!(300))],
            "schedule.intervalSecond",
            "intervalSeconds",
        ),
        (
            vec![by_slots.clone(), ("/schedule/Mode", json!("now"))],
            "schedule.Mode",
            "mode",
        ),
        (
            vec![by_slots, ("/intervalSeconds", json!(300))],
            "intervalSeconds",
            "schedule.intervalSeconds",
        ),
    ] {
        for query in ["?dryRun=true", ""] {
            let request = server.post(&format!("{PUBLISH}{query}")).json(&with(&members));
            let told = problem(request.send().await.unwrap(), 422, "UNKNOWN_FIELD").await;
            let message = format!(
                "is not known: {meant}? It may decide when, where or whether to publish, so it is not passed over"
            );
            assert_eq!(told["errors"], json!([{"field": field, "message": message}]));
        }
    }
    let no_mode = with(&[("/schedule", json!({"publishAt": "2026-12-01T18:00:00Z"}))]);
    let told = problem(server.publish(&no_mode).send().await.unwrap(), 422, "UNKNOWN_FIELD").await;
    let message = "is not known, and schedule.mode is missing beside it";
    assert_eq!(
        told["errors"],
        json!([{"field": "schedule.publishAt", "message": message}])
    );
    assert_eq!(server.rows().await, [0; 6]);
}

#[tokio::test]
async fn a_member_that_is_there_twice_is_refused() {
    let server = Server::start().await;
    let body = body_of(1)
        .to_string()
        .replacen("\"userId\"", "\"userId\":\"somebody\",\"userId\"", 1);
    let request = server
        .post(PUBLISH)
        .header("content-type", "application/json")
        .body(body);
    let told = problem(request.send().await.unwrap(), 400, "DUPLICATE_FIELD").await;
    assert_eq!(
        told["errors"],
        json!([{"field": "userId", "message": "must be in its object once"}])
    );
    assert_eq!(server.rows().await, [0; 6]);
}
