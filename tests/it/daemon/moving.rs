//! A person moves a post in the planner before the daemon knows its id: it is held, never sent again, and adopted by a person.

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use storyclip::sandbox::{Route, Sandbox};

use super::stage::{ACCOUNT, Stage, clips, stories};

/// The only post of the planner gets another slot, as its own page does it: a full replacement under a new id.
async fn moved(sandbox: &Sandbox, date_time: &str) -> i64 {
    let post = sandbox.posts().remove(0);
    let body = json!({"id": post.id, "uuid": post.uuid, "text": "", "providers": [{"network": "facebook"}],
        "facebookData": {"type": "STORY"}, "media": post.media, "autoPublish": true, "draft": false,
        "publicationDate": {"dateTime": date_time, "timezone": "UTC"}});
    let base = sandbox.base_url();
    let url = format!("{base}/v2/scheduler/posts/{}?userId=4000001&blogId={ACCOUNT}", post.id);
    let http = Client::builder().no_proxy().build().unwrap();
    let answer = http
        .put(url)
        .header("X-Mc-Auth", "token")
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let answer: Value = answer.json().await.unwrap();
    answer["data"]["id"].as_i64().unwrap()
}

#[tokio::test]
async fn a_post_that_is_moved_while_its_answer_is_lost_is_held_and_not_sent_again() {
    let stage = Stage::new(json!({"error_after_commit": {"next": 1}}))
        .await
        .set("STORYCLIP_METRICOOL_LEAD_SECONDS", "60");
    // Nobody sees the list before the post is in its other slot.
    stage.faults(json!({"unanswered": {"route": "list"}}));
    let daemon = stage.start().await;
    let id = daemon.api.publish(&stories(ACCOUNT, &clips(1), json!({}))).await;
    stage
        .until("the list is asked for", |sandbox| {
            sandbox.requests().contains_key(&Route::List)
        })
        .await;
    let slot = stage.sandbox.posts().remove(0).slot + std::time::Duration::from_secs(3 * 3_600);
    let post = moved(&stage.sandbox, slot.to_string().trim_end_matches('Z')).await;
    stage.faults(json!({"unanswered": null}));

    daemon.api.clip_is(&id, 1, "held").await;
    let batch = daemon.api.batch(&id).await;
    let clip = &batch["clips"][0];
    assert_eq!(clip["errorCode"], "AMBIGUOUS_POST", "{batch:#}");
    let why = clip["error"].as_str().unwrap();
    assert!(
        why.contains("moved by hand") && why.ends_with(&post.to_string()),
        "{why}"
    );
    assert_eq!(stage.creates(), 2, "one create, and the move");

    let how = json!({"action": "adopt", "postId": post.to_string()});
    let path = format!("/api/metricool/batch/{id}/clips/1/resolve");
    let (status, answer) = daemon.api.post(&path, &how).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    daemon.api.clip_is(&id, 1, "waiting_confirmation").await;
    assert_eq!(stage.creates(), 2);
    daemon.stop().await;
    stage.clear().await;
}
