//! The rule of the real Metricool, kept by both sides: posts are published on whole minutes.

use std::time::Duration;

use serde_json::json;
use storyclip::sandbox::Options;

use super::{
    database::Database,
    ledger,
    stage::{ACCOUNT, Stage, clips, stories},
};

#[tokio::test]
async fn two_clips_go_live_on_two_whole_minutes() {
    let minute = Duration::from_secs(60);
    let stage = Stage::with(Database::sqlite(), Options::default())
        .await
        .set("STORYCLIP_METRICOOL_LEAD_SECONDS", "1")
        .set("STORYCLIP_METRICOOL_GRANULARITY_SECONDS", "60")
        .set("STORYCLIP_LOOK_WAITS_SECONDS", "1,1.5,2,3");
    let daemon = stage.start().await;
    let id = daemon.api.publish(&stories(ACCOUNT, &clips(2), json!({}))).await;
    for clip in [1, 2] {
        // Longer than a minute without a message: the stream's own comments keep it alive.
        daemon.api.clip_is(&id, clip, "published").await;
    }
    let batch = daemon.api.finished(&id).await;
    ledger::all_published(&stage.sandbox, &batch);
    let posts = stage.sandbox.posts();
    for (post, clip) in posts.iter().zip(batch["clips"].as_array().unwrap()) {
        assert_eq!(post.slot, post.slot.round_up(minute));
        assert_eq!(clip["scheduledAt"], post.slot.to_string());
        assert!(post.created < post.slot && post.live.unwrap() >= post.slot, "{post:?}");
    }
    assert!(posts[1].slot >= posts[0].slot + minute);
    daemon.stop().await;
    stage.clear().await;
}
