//! Cancel: nothing more is sent, what is live stays live, what is not yet on its way comes back, and no crash forgets it.

use std::time::{Duration, Instant};

use rand::{SeedableRng, rngs::SmallRng};
use reqwest::StatusCode;
use serde_json::json;
use storyclip::{
    clock::SystemClock,
    sandbox::{Options, Route},
};
use storyclip_actors::ports::Clock;

use super::{
    database::Database,
    kills::{seed, some_of},
    ledger,
    stage::{ACCOUNT, Stage, clips, stories},
};

/// Within this a cancel stops the loop.
const AT_ONCE: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_cancel_during_a_confirmation_stops_the_loop_at_once_and_follows_the_clip_to_its_end() {
    let stage = Stage::new(json!({"confirm_ms": 400})).await;
    let daemon = stage.start().await;
    let mut times = Vec::new();
    for round in 0..7 {
        let account = (round + 1).to_string();
        let id = daemon.api.publish(&stories(&account, &clips(3), json!({}))).await;
        daemon.api.clip_is(&id, 1, "waiting_confirmation").await;
        let asked = Instant::now();
        let (status, answer) = daemon.api.cancel(&id).await;
        times.push(asked.elapsed());
        assert_eq!(
            (status, &answer["status"]),
            (StatusCode::OK, &json!("cancelled")),
            "{answer}"
        );

        let batch = daemon.api.finished(&id).await;
        assert_eq!(batch["status"], "cancelled");
        let statuses: Vec<_> = (0..3).map(|clip| &batch["clips"][clip]["status"]).collect();
        assert_eq!(statuses, ["published", "cancelled", "cancelled"]);
        ledger::live_once_in_order(&stage.sandbox, &batch, [1]);
        let (status, again) = daemon.api.cancel(&id).await;
        assert_eq!((status, &again["status"]), (StatusCode::OK, &json!("cancelled")));
    }
    assert_eq!(
        stage.creates(),
        times.len(),
        "no clip was sent after its batch was cancelled"
    );
    assert_eq!(
        stage
            .sandbox
            .requests()
            .get(&Route::Delete)
            .map_or(0, |asked| asked.count),
        0
    );
    // A busy machine can only make it slower: the quicker half shows what the daemon itself takes.
    times.sort();
    println!("cancels took {times:?}");
    assert!(times[times.len() / 2] < AT_ONCE, "{times:?}");
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
