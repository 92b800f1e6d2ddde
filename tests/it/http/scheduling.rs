//! `POST …/publish/stories` at slots: what is stored, what is answered, and what is only rehearsed.

use std::{sync::atomic::Ordering, time::Duration};

use reqwest::StatusCode;
use serde_json::{Value, json};
use storyclip::{clock::SystemClock, providers::BestHours};
use storyclip_actors::{
    error::{ProviderError, Verdict},
    model::{BatchStatus, ClipStatus, PublishMode, Timestamp},
    ports::Clock,
};

use super::{
    runner::Runner,
    server::{PUBLISH, START, Server, body_of, problem, read},
};

/// A body of two clips with this schedule.
pub fn at(schedule: Value) -> Value {
    let mut body = body_of(2);
    body["schedule"] = schedule;
    body
}

pub fn error(verdict: Verdict, outage: bool) -> ProviderError {
    ProviderError {
        verdict,
        outage,
        code: "METRICOOL_X".into(),
        message: "it said no".into(),
        http_status: None,
        request_id: None,
    }
}

/// Thursday 18 h is best, Friday 9 h is next; the server's clock stands at midnight of a Thursday.
fn two_hours() -> BestHours {
    let mut hours = BestHours::default();
    (hours.0[3][18], hours.0[4][9]) = (9.0, 8.0);
    hours
}

#[tokio::test]
async fn a_scheduled_batch_is_stored_with_a_slot_for_each_clip() {
    let server = Server::start().await;
    let body = at(
        json!({"mode": "scheduled", "scheduledAt": "2026-12-01T18:00:00", "timezone": "Europe/Madrid",
                         "intervalSeconds": 120}),
    );
    let (status, answer) = read(server.publish(&body).send().await.unwrap()).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    assert_eq!(answer["status"], "scheduled");
    let schedule = json!({"mode": "scheduled", "scheduledAt": "2026-12-01T17:00:00.000Z", "timezone": "Europe/Madrid",
                          "intervalSeconds": 120});
    assert_eq!(answer["schedule"], schedule);
    let plan = json!([
        {"index": 1, "id": "clip_1", "scheduledAt": "2026-12-01T17:00:00.000Z"},
        {"index": 2, "id": "clip_2", "scheduledAt": "2026-12-01T17:02:00.000Z"},
    ]);
    assert_eq!((&answer["plan"], &answer["warnings"]), (&plan, &json!([])));

    let id = answer["batchId"].as_str().unwrap();
    let stored = server
        .store
        .batch(&"stories".into(), &id.into())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (stored.status, stored.mode),
        (BatchStatus::Scheduled, PublishMode::Scheduled)
    );
    assert_eq!(
        stored.wake_at,
        Some(stored.created_at),
        "the clips are handed over at once"
    );
    let (_, shown) = read(server.get(&format!("/api/metricool/batch/{id}")).send().await.unwrap()).await;
    let shown = &shown["batch"];
    assert_eq!(shown["scheduledFor"], "2026-12-01T17:00:00.000Z");
    assert_eq!(
        (&shown["publishMode"], &shown["status"]),
        (&json!("scheduled"), &json!("scheduled"))
    );
    assert_eq!(shown["clips"][1]["scheduledAt"], "2026-12-01T17:02:00.000Z");
    assert_eq!(shown["clips"][1]["status"], "pending");
    let (_, active) = read(
        server
            .get("/api/metricool/batches/active?userId=u1")
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(active["count"], 1);
    assert_eq!(server.notes.created.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn the_plan_stands_beside_the_other_batches_of_the_account() {
    let server = Server::start().await;
    let body = at(json!({"mode": "scheduled", "scheduledAt": "2026-12-01T18:00:00Z"}));
    let planned = |answer: &Value| -> Vec<String> {
        let slots = answer["plan"].as_array().unwrap().iter();
        slots
            .map(|line| line["scheduledAt"].as_str().unwrap()[11..16].to_owned())
            .collect()
    };
    let (status, first) = read(server.publish(&body).send().await.unwrap()).await;
    assert_eq!(
        (status, planned(&first)),
        (StatusCode::ACCEPTED, vec!["18:00".into(), "18:01".into()])
    );
    assert_eq!(first["warnings"], json!([]));

    // The first clip's media is there at 18:00, so it goes at 18:01; the second follows it, where nothing stands.
    let url = format!("{PUBLISH}?dryRun=true");
    let rehearsed = read(server.post(&url).json(&body).send().await.unwrap()).await.1;
    let (status, second) = read(server.publish(&body).send().await.unwrap()).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{second}");
    for answer in [&rehearsed, &second] {
        assert_eq!(planned(answer), ["18:01", "18:02"], "{answer}");
        assert_eq!(answer["warnings"][0]["field"], "posts", "{answer}");
    }

    // Other media share a minute.
    let mut other = body.clone();
    for (n, post) in other["posts"].as_array_mut().unwrap().iter_mut().enumerate() {
        post["url"] = json!(format!("https://cdn.example/other/{n}.mp4"));
    }
    let (_, third) = read(server.publish(&other).send().await.unwrap()).await;
    assert_eq!(
        (planned(&third), &third["warnings"]),
        (vec!["18:00".into(), "18:01".into()], &json!([]))
    );
}

#[tokio::test]
async fn what_had_to_be_chosen_is_told() {
    let server = Server::start().await;
    let body = at(json!({"mode": "scheduled", "scheduledAt": "2026-01-01T00:00:30Z", "intervalSeconds": 30}));
    let (_, answer) = read(server.publish(&body).send().await.unwrap()).await;
    let fields: Vec<_> = answer["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|warning| &warning["field"])
        .collect();
    assert_eq!(fields, ["schedule.scheduledAt", "schedule.intervalSeconds"], "{answer}");
    assert_eq!(
        answer["plan"][0]["scheduledAt"], "2026-01-01T00:01:00.000Z",
        "a minute is the least"
    );
    assert_eq!(answer["plan"][1]["scheduledAt"], "2026-01-01T00:02:00.000Z");

    let twice = at(json!({"mode": "scheduled", "scheduledAt": "2026-10-25T02:30:00", "timezone": "Europe/Madrid"}));
    let (_, answer) = read(server.publish(&twice).send().await.unwrap()).await;
    assert_eq!(answer["schedule"]["scheduledAt"], "2026-10-25T00:30:00.000Z");
    assert_eq!(answer["warnings"][0]["field"], "schedule.scheduledAt");
}

#[tokio::test]
async fn a_schedule_that_cannot_be_kept_creates_nothing() {
    let server = Server::start().await;
    for (schedule, code, field) in [
        (
            json!({"mode": "scheduled"}),
            "MISSING_SCHEDULED_AT",
            "schedule.scheduledAt",
        ),
        (
            json!({"mode": "scheduled", "scheduledAt": "2026-12-01T18:00:00"}),
            "MISSING_TIMEZONE",
            "schedule.timezone",
        ),
        (
            json!({"mode": "scheduled", "scheduledAt": "2026-12-01T18:00:00", "timezone": "Europe/Atlantis"}),
            "UNKNOWN_TIMEZONE",
            "schedule.timezone",
        ),
        (
            json!({"mode": "scheduled", "scheduledAt": "2026-03-29T02:30:00", "timezone": "Europe/Madrid"}),
            "NONEXISTENT_LOCAL_TIME",
            "schedule.scheduledAt",
        ),
        (
            json!({"mode": "scheduled", "scheduledAt": "2025-12-01T18:00:00Z"}),
            "SCHEDULED_AT_IN_THE_PAST",
            "schedule.scheduledAt",
        ),
    ] {
        let told = problem(server.publish(&at(schedule)).send().await.unwrap(), 400, code).await;
        assert_eq!(told["errors"][0]["field"], field, "{told}");
    }
    assert_eq!(server.rows().await, [0; 6]);
}

#[tokio::test]
async fn a_repeat_of_a_scheduled_request_is_answered_also_when_its_time_has_passed() {
    let server = Server::start().await;
    // Keys are kept for so long by the machine's own clock.
    let now = SystemClock.now();
    let hours = |hours: u64| now + Duration::from_secs(hours * 3_600);
    server.clock.0.store(now.as_millis(), Ordering::Relaxed);
    let body = at(json!({"mode": "scheduled", "scheduledAt": hours(1).to_string()}));
    let send = || server.publish(&body).header("idempotency-key", "k1").send();
    let (_, first) = read(send().await.unwrap()).await;
    server.clock.0.store(hours(2).as_millis(), Ordering::Relaxed);
    let again = send().await.unwrap();
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    assert_eq!(read(again).await.1, first);
}

#[tokio::test]
async fn a_clip_that_the_network_has_is_shown_as_scheduled_until_its_slot() {
    let server = Server::start().await;
    let body = at(json!({"mode": "scheduled", "scheduledAt": "2026-01-01T12:00:00Z"}));
    let (_, answer) = read(server.publish(&body).send().await.unwrap()).await;
    let id = answer["batchId"].as_str().unwrap().to_owned();
    let mut runner = Runner::claim(&server, &id.as_str().into()).await;
    runner.clip(1, ClipStatus::Uploading).await;
    runner.clip(1, ClipStatus::WaitingConfirmation).await;
    let show = async || {
        let (_, shown) = read(
            server
                .get(&format!("/api/metricool/status?batchId={id}"))
                .send()
                .await
                .unwrap(),
        )
        .await;
        shown
    };
    let before = show().await;
    assert_eq!(before["clips"][0]["status"], "scheduled");
    assert_eq!(
        (&before["currentStatus"], &before["waitProgress"]),
        (&json!("waiting"), &Value::Null)
    );
    server.clock.0.store(START + 12 * 3_600_000 + 5_000, Ordering::Relaxed);
    let after = show().await;
    assert_eq!(after["clips"][0]["status"], "waiting_confirmation");
    assert_eq!(after["waitProgress"]["elapsed"], 5);
}

#[tokio::test]
async fn the_best_hours_of_the_account_become_the_slots() {
    let server = Server::start().await;
    *server.network.hours.lock().unwrap() = Ok(two_hours());
    let body = at(json!({"mode": "bestTime", "timezone": "America/New_York", "minGapMinutes": 90}));
    let (_, dry) = read(
        server
            .post(&format!("{PUBLISH}?dryRun=true"))
            .json(&body)
            .send()
            .await
            .unwrap(),
    )
    .await;
    let (status, answer) = read(server.publish(&body).send().await.unwrap()).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    // It is still Wednesday in New York.
    let plan = json!([
        {"index": 1, "id": "clip_1", "scheduledAt": "2026-01-01T23:00:00.000Z"},
        {"index": 2, "id": "clip_2", "scheduledAt": "2026-01-02T14:00:00.000Z"},
    ]);
    assert_eq!(answer["plan"], plan);
    let schedule = json!({"mode": "bestTime", "scheduledAt": "2026-01-01T23:00:00.000Z", "timezone": "America/New_York",
                          "minGapMinutes": 90});
    assert_eq!(answer["schedule"], schedule);
    let asked = server.network.asked.lock().unwrap().clone();
    assert_eq!(asked.iter().filter(|asked| *asked == "America/New_York").count(), 2);
    assert_eq!(dry["plan"], plan);
    assert_eq!(server.rows().await[0], 1);
}

#[tokio::test]
async fn best_hours_that_are_unknown_too_few_or_not_to_be_had_are_told() {
    let server = Server::start().await;
    let body = at(json!({"mode": "bestTime"}));
    let send = async |body: &Value| server.publish(body).send().await.unwrap();
    let told = problem(send(&body).await, 422, "NO_BEST_TIMES").await;
    assert_eq!(told["errors"][0]["field"], "schedule.mode");
    *server.network.hours.lock().unwrap() = Ok(two_hours());
    let mut three = body_of(3);
    three["schedule"] = body["schedule"].clone();
    let told = problem(send(&three).await, 422, "NOT_ENOUGH_BEST_TIMES").await;
    assert_eq!(told["errors"][0]["field"], "schedule.minGapMinutes");
    let far = at(json!({"mode": "bestTime", "minGapMinutes": 2_000}));
    problem(send(&far).await, 422, "NOT_ENOUGH_BEST_TIMES").await;
    for verdict in [Verdict::Unavailable, Verdict::Throttled(Timestamp::from_millis(START))] {
        *server.network.hours.lock().unwrap() = Err(error(verdict, true));
        let response = send(&body).await;
        assert_eq!(response.headers()["retry-after"], "30");
        problem(response, 503, "PROVIDER_UNAVAILABLE").await;
    }
    assert_eq!(server.rows().await, [0; 6]);
}
