//! A provider that is away, cannot be reached, throttles or loses its answers: no clip is lost, none is sent twice, and
//! nobody hammers.

use std::time::Duration;

use serde_json::json;
use storyclip::sandbox::Route;

use super::{
    cable::Cable,
    ledger,
    stage::{ACCOUNT, Api, Daemon, Stage, clips, stories},
};

/// How long an outage lasts: the experiment itself.
async fn some_seconds() {
    tokio::time::sleep(Duration::from_millis(2_500)).await;
}

/// Requests that an outage of some seconds may see: those that find out, then one probe per interval.
const FEW: u64 = 8;

/// A confirmation must not time out while nobody can be asked.
async fn stage() -> Stage {
    let stage = Stage::new(json!({"confirm_ms": 1_000})).await;
    stage.set("STORYCLIP_TIMEOUT_ULTRA_SECONDS", "2")
}

fn three_clips() -> serde_json::Value {
    stories(ACCOUNT, &clips(3), json!({"publishSpeed": "ultra"}))
}

/// The provider is away for some seconds, from now on.
async fn away(stage: &Stage) {
    stage.faults(json!({"unavailable": true}));
    let before = stage.requests();
    some_seconds().await;
    let asked = stage.requests() - before;
    stage.faults(json!({"unavailable": false}));
    assert!(asked <= FEW, "{asked} requests during an outage");
}

/// The provider is away from the next create call on, for longer than its slot is ahead.
async fn away_from_the_next_create(stage: &Stage) {
    stage.faults(json!({"unavailable": {"route": "create"}}));
    let creates = || {
        let requests = stage.sandbox.requests();
        requests.get(&Route::Create).map_or(0, |asked| asked.count)
    };
    let before = creates();
    stage.until("a create request is refused", |_| creates() > before).await;
    away(stage).await;
}

/// The batch is published as if nothing had been, and no clip was held; printed.
async fn ends_well(after: &str, stage: Stage, daemon: Daemon, id: &str) {
    let batch = daemon.api.finished(id).await;
    daemon.stop().await;
    ledger::all_published(&stage.sandbox, &batch);
    let total = ledger::told(&stage, &format!("after {after}"), &[batch]).await;
    assert_eq!(total.held, 0, "{total}");
    stage.clear().await;
}

#[tokio::test]
async fn a_provider_that_answers_503_in_any_phase_costs_no_clip_and_gets_few_requests() {
    let stage = stage().await;
    stage.faults(json!({"unavailable": true}));
    let daemon = stage.start().await;
    let api: &Api = &daemon.api;

    // While the media is prepared.
    let id = api.publish(&three_clips()).await;
    stage
        .until("the first request is refused", |_| stage.requests() > 0)
        .await;
    away(&stage).await;

    // While a confirmation is waited for.
    api.clip_is(&id, 1, "waiting_confirmation").await;
    away(&stage).await;

    // When the create call of the second clip is made, and while it is looked for.
    away_from_the_next_create(&stage).await;

    ends_well("a provider that answers 503 in each phase", stage, daemon, &id).await;
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_in_any_phase_costs_no_clip() {
    let stage = stage().await;
    let mut cable = Cable::to(stage.sandbox.address()).await;
    let stage = stage.set("STORYCLIP_METRICOOL_URL", &cable.base_url());
    stage.faults(json!({"create_delay_ms": 400}));
    cable.unplug().await;
    let mut daemon = stage.start().await;

    // While the media is prepared.
    let id = daemon.api.publish(&three_clips()).await;
    daemon.process.logged("provider calls are held").await;
    some_seconds().await;
    cable.plug_in().await;

    // While a confirmation is waited for.
    daemon.api.clip_is(&id, 1, "waiting_confirmation").await;
    cable.unplug().await;
    some_seconds().await;
    cable.plug_in().await;

    // During a create call: it may be lost on its way or on its way back.
    for creates in [2, 3] {
        stage
            .until("the next create request begins", |_| stage.creates() == creates)
            .await;
        cable.unplug().await;
        some_seconds().await;
        cable.plug_in().await;
    }
    daemon.api.finished(&id).await;
    assert_eq!(stage.creates(), 3, "what was found is not sent again");
    ends_well("a provider out of reach in each phase", stage, daemon, &id).await;
}

#[tokio::test]
async fn a_429_is_waited_for_as_told() {
    let stage = stage().await;
    stage.faults(json!({"throttle": {"route": "create", "next": 1, "retry_after_s": 2}}));
    let daemon = stage.start().await;
    let id = daemon.api.publish(&three_clips()).await;
    daemon
        .api
        .hears(&id, |event| {
            event["status"] == "queued" && event["code"] == "RATE_LIMITED"
        })
        .await;
    daemon.api.finished(&id).await;
    let creates = &stage.sandbox.requests()[&Route::Create].last;
    assert_eq!(creates.len(), 4);
    let pause = creates[1].since(creates[0]);
    assert!(
        (2_000..4_000).contains(&pause.as_millis()),
        "the second create came after {pause:?}"
    );
    ends_well("a 429", stage, daemon, &id).await;
}

#[tokio::test]
async fn a_batch_whose_every_create_answer_is_lost_is_published_once() {
    let stage = Stage::new(json!({"create_delay_ms": 50, "confirm_ms": 100, "error_after_commit": true})).await;
    let daemon = stage.start().await;
    let id = daemon.api.publish(&stories(ACCOUNT, &clips(5), json!({}))).await;
    daemon.api.finished(&id).await;
    assert_eq!(stage.creates(), 5);
    let (_, attempts) = daemon.api.get(&format!("/api/metricool/batch/{id}/attempts")).await;
    for attempt in attempts["attempts"].as_array().unwrap() {
        assert_eq!(
            (&attempt["attempt"], &attempt["verdict"]),
            (&json!(1), &json!("published"))
        );
    }
    ends_well("answers that are lost, all of them", stage, daemon, &id).await;
}

#[tokio::test]
async fn a_list_that_was_seen_to_show_published_posts_proves_absence_without_a_setting() {
    let stage = stage().await.set("STORYCLIP_METRICOOL_LIST_SHOWS_PUBLISHED", "auto");
    let daemon = stage.start().await;
    let id = daemon.api.publish(&three_clips()).await;
    daemon.api.clip_is(&id, 1, "waiting_confirmation").await;
    // The next create call is answered 503 and makes nothing; the list shows the clip before it as published.
    stage.faults(json!({"error_before_commit": {"next": 1}}));
    daemon.api.finished(&id).await;
    assert_eq!(stage.creates(), 4);
    ends_well(
        "a create that made nothing, what the list shows being learned",
        stage,
        daemon,
        &id,
    )
    .await;
}

#[tokio::test]
async fn a_list_that_was_seen_once_keeps_an_outage_from_holding_a_clip() {
    let stage = stage().await.set("STORYCLIP_METRICOOL_LIST_SHOWS_PUBLISHED", "auto");
    let daemon = stage.start().await;
    let id = daemon.api.publish(&three_clips()).await;
    daemon.api.clip_is(&id, 1, "waiting_confirmation").await;
    stage.faults(json!({"error_before_commit": {"next": 1}}));
    // It was looked for, and the list showed the clip before it as published.
    daemon.api.clip_is(&id, 2, "waiting_confirmation").await;
    away_from_the_next_create(&stage).await;
    ends_well(
        "an outage, what the list shows being learned before",
        stage,
        daemon,
        &id,
    )
    .await;
}
