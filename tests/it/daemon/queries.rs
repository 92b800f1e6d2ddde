//! The queries that the user's documents print, asked with `sqlite3` of the file of a daemon that is at work.

use std::process::Command;

use serde_json::json;

use super::stage::{ACCOUNT, Stage, clips, stories};

/// Seeds 001, "Ver batches recientes" and "Ver clips de un batch"; seeds 002, "Ver batches activos" and "Ver clips de un
/// batch": character by character.
const RECENT: &str = "SELECT batch_id, status, publish_mode, total_clips, published_clips, failed_clips
   FROM publish_batches
   ORDER BY created_at DESC
   LIMIT 10;";
const CLIPS: &str = "SELECT batch_id, clip_index, status, metricool_post_id, facebook_post_id
   FROM publish_batch_clips
   WHERE batch_id = 'BATCH_ID_AQUI';";
const ACTIVE: &str = "SELECT batch_id, status, published_clips, failed_clips, total_clips
   FROM publish_batches
   WHERE status = 'processing';";
const CLIPS_IN_ORDER: &str = "SELECT clip_index, status, metricool_post_id
   FROM publish_batch_clips
   WHERE batch_id = 'BATCH_ID_AQUI'
   ORDER BY clip_index;";

#[tokio::test]
async fn the_printed_queries_run_unchanged_while_the_daemon_works() {
    let stage = Stage::new(json!({"confirm_ms": 50, "stuck": {"media": "clip_2."}})).await;
    let daemon = stage.start().await;
    let id = daemon.api.publish(&stories(ACCOUNT, &clips(3), json!({}))).await;
    daemon.api.clip_is(&id, 2, "waiting_confirmation").await;
    let posts = stage.sandbox.posts();
    let (first, second) = (posts[0].id, posts[1].id);
    let network = first + 600_000_000;
    let ask = |query: &str| {
        let output = Command::new("sqlite3")
            .arg(stage.database.file())
            .arg(query.replace("BATCH_ID_AQUI", &id))
            .output()
            .expect("sqlite3 is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(ask(RECENT), format!("{id}|processing|now|3|1|0\n"));
    assert_eq!(
        ask(CLIPS),
        format!("{id}|1|published|{first}|{network}\n{id}|2|waiting_confirmation|{second}|\n{id}|3|pending||\n")
    );
    assert_eq!(ask(ACTIVE), format!("{id}|processing|1|0|3\n"));
    assert_eq!(
        ask(CLIPS_IN_ORDER),
        format!("1|published|{first}\n2|waiting_confirmation|{second}\n3|pending|\n")
    );
    daemon.stop().await;
    stage.clear().await;
}
