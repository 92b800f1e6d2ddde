//! Cancel: nothing more is sent, what is live stays live, what is not yet on its way comes back, and no crash forgets it.

use std::time::Duration;

use rand::{SeedableRng, rngs::SmallRng};
use reqwest::StatusCode;
use serde_json::json;
use storyclip::{
    clock::SystemClock,
    sandbox::{Options, Route},
};
use storyclip_actors::ports::Clock;

use super::{
    crash_walk::statuses,
    database::Database,
    experiment::{seed, some_of},
    ledger,
    stage::{ACCOUNT, Daemon, Stage, clips, stories},
};

/// Within this a request that left before arrives.
const AT_ONCE: Duration = Duration::from_millis(100);

/// A batch whose first clip's first look is under way: the network has the request and keeps its answer back.
async fn looked_at(stage: &Stage, daemon: &Daemon, account: &str) -> String {
    stage.faults(json!({"unanswered": {"route": "get"}}));
    let asked = stage.asked(Route::Get);
    let id = daemon.api.publish(&stories(account, &clips(3), json!({}))).await;
    stage
        .until("the first clip is looked at", |_| stage.asked(Route::Get) == asked + 1)
        .await;
    id
}

/// The first clip was followed to its end and nothing else was sent.
async fn stopped_after_the_first(stage: &Stage, daemon: &Daemon, id: &str) {
    let batch = daemon.api.finished(id).await;
    assert_eq!(batch["status"], "cancelled");
    assert_eq!(statuses(&batch), ["published", "cancelled", "cancelled"]);
    ledger::live_once_in_order(&stage.sandbox, &batch, [1]);
    assert_eq!(stage.asked(Route::Delete), 0, "what may be live is not taken back");
}

#[tokio::test]
async fn a_cancel_while_a_look_is_under_way_is_answered_before_it_and_stops_the_loop() {
    const ROUNDS: usize = 7;
    let stage = Stage::new(json!({})).await;
    let daemon = stage.start().await;
    for round in 1..=ROUNDS {
        let id = looked_at(&stage, &daemon, &round.to_string()).await;
        let (status, answer) = daemon.api.cancel(&id).await;
        assert_eq!(
            (status, &answer["status"]),
            (StatusCode::OK, &json!("cancelled")),
            "{answer}"
        );
        assert_eq!(stage.asked(Route::Get), round as u64, "the look has no answer yet");
        let batch = daemon.api.batch(&id).await;
        assert_eq!(batch["status"], "cancelled");
        assert_eq!(statuses(&batch), ["waiting_confirmation", "cancelled", "cancelled"]);

        stage.faults(json!({"unanswered": null}));
        stopped_after_the_first(&stage, &daemon, &id).await;
        assert_eq!(stage.asked(Route::Get), round as u64, "that very look has told the end");
        assert_eq!(stage.creates(), round, "no clip was sent after its batch was cancelled");
        let (status, again) = daemon.api.cancel(&id).await;
        assert_eq!((status, &again["status"]), (StatusCode::OK, &json!("cancelled")));
    }
    daemon.stop().await;
    stage.clear().await;
}

#[tokio::test]
async fn a_cancel_while_a_look_is_under_way_survives_a_kill_right_after_its_answer() {
    let stage = Stage::new(json!({})).await;
    let daemon = stage.start().await;
    let id = looked_at(&stage, &daemon, ACCOUNT).await;
    let (status, answer) = daemon.api.cancel(&id).await;
    daemon.process.kill();
    assert_eq!((status, &answer["status"]), (StatusCode::OK, &json!("cancelled")));
    assert_eq!(stage.asked(Route::Get), 1, "the look had no answer");

    stage.faults(json!({"unanswered": null}));
    let daemon = stage.start().await;
    stopped_after_the_first(&stage, &daemon, &id).await;
    assert_eq!(stage.creates(), 1, "nothing more is sent");
    daemon.stop().await;
    stage.clear().await;
}

#[tokio::test]
async fn a_cancel_at_any_instant_lets_no_clip_begin_after_its_answer() {
    let stage = Stage::new(json!({"create_delay_ms": [0, 20], "confirm_ms": [0, 30]}))
        .await
        .set("STORYCLIP_LOOK_WAITS_SECONDS", "0.01");
    let daemon = stage.start().await;
    let seed = seed("cancels");
    let mut rng = SmallRng::seed_from_u64(seed);
    for round in 0..20 {
        let account = (round + 1).to_string();
        let body = stories(&account, &clips(40), json!({}));
        let id = daemon.api.publish(&body).await;
        some_of(Duration::from_millis(400), &mut rng).await;
        let (status, answer) = daemon.api.cancel(&id).await;
        // A request that left before the cancel may still be on its way.
        let latest = SystemClock.now() + AT_ONCE;
        assert_eq!(
            (status, &answer["status"]),
            (StatusCode::OK, &json!("cancelled")),
            "{answer}"
        );

        let batch = daemon.api.finished(&id).await;
        let published = batch["published"].as_u64().unwrap() as usize;
        assert_eq!(batch["cancelled"], 40 - published, "{batch:#}");
        ledger::live_once_in_order(&stage.sandbox, &batch, 1..=published);
        let late: Vec<_> = (stage.sandbox.ledger().order.into_iter())
            .filter(|create| create.blog_id == account && create.at > latest)
            .collect();
        assert!(late.is_empty(), "sent after the cancel was answered: {late:?}");
    }
    daemon.stop().await;
    stage.clear().await;
}

#[tokio::test]
async fn a_cancel_survives_a_kill_right_after_its_answer() {
    let stage = Stage::new(json!({"confirm_ms": 300})).await;
    let daemon = stage.start().await;
    let id = daemon.api.publish(&stories(ACCOUNT, &clips(5), json!({}))).await;
    daemon.api.clip_is(&id, 1, "published").await;
    daemon.api.clip_is(&id, 2, "waiting_confirmation").await;
    let (status, answer) = daemon.api.cancel(&id).await;
    daemon.process.kill();
    assert_eq!((status, &answer["status"]), (StatusCode::OK, &json!("cancelled")));

    let daemon = stage.start().await;
    let batch = daemon.api.finished(&id).await;
    assert_eq!(batch["status"], "cancelled");
    assert_eq!(
        (&batch["published"], &batch["cancelled"], &batch["failed"]),
        (&json!(2), &json!(3), &json!(0))
    );
    assert_eq!(stage.creates(), 2, "nothing more is sent");
    ledger::live_once_in_order(&stage.sandbox, &batch, [1, 2]);
    daemon.stop().await;
    stage.clear().await;
}

#[tokio::test]
async fn a_cancel_takes_back_the_post_whose_slot_is_far_enough_away() {
    // Both sides as at the real Metricool: whole minutes, a minute ahead.
    let stage = Stage::with(Database::sqlite(), Options::default())
        .await
        .set("STORYCLIP_METRICOOL_LEAD_SECONDS", "60")
        .set("STORYCLIP_METRICOOL_GRANULARITY_SECONDS", "60");
    let daemon = stage.start().await;
    let id = daemon.api.publish(&stories(ACCOUNT, &clips(2), json!({}))).await;
    daemon.api.clip_is(&id, 1, "waiting_confirmation").await;
    let (status, answer) = daemon.api.cancel(&id).await;
    assert_eq!((status, &answer["status"]), (StatusCode::OK, &json!("cancelled")));
    let batch = daemon.api.finished(&id).await;
    assert_eq!(
        (&batch["status"], &batch["cancelled"]),
        (&json!("cancelled"), &json!(2)),
        "{batch:#}"
    );
    let posts = stage.sandbox.posts();
    assert_eq!(posts.len(), 1);
    assert!(posts[0].deleted && posts[0].live.is_none(), "{posts:?}");
    daemon.stop().await;
    stage.clear().await;
}
