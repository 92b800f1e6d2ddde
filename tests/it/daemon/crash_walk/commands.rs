//! The course of a person's commands, on a network whose list cannot tell: a batch is paused, resumed and has a failed clip
//! tried again, its lost answers become held clips that are resolved in each way; another batch is cancelled with a clip in
//! flight. The network says nothing of the end of one clip of each until the pause, or the cancel, was answered, so that
//! whoever comes after a death finds both batches still under way.
//!
//! A death while a create call is under way makes one more held clip. The person decides by what the network shows.

use serde_json::{Value, json};
use storyclip::sandbox::State;

use super::{
    Course, Leases, Walk,
    client::{Client, nothing, statuses},
};
use crate::daemon::{
    ledger,
    stage::{Stage, clips, stories},
};

/// The brands of the two batches.
const KEPT: &str = "5372118";
const CANCELLED: &str = "5372119";

/// The clip whose first create leaves nothing and which is dropped then.
const DROPPED: usize = 4;

/// What becomes of the clips of the batch that is kept, whoever died.
const END: [&str; 5] = ["published", "published", "published", "failed", "published"];

/// Which clips the network says nothing of once the first batch was paused. A batch that is to be cancelled may be there
/// already, left by one who died, while the first is gone through again.
fn unconfirmed_until_cancelled(client: &Client) -> Value {
    if client.was_answered("cancel") {
        Value::Null
    } else {
        json!({"media": "last_"})
    }
}

#[derive(Clone, Copy)]
struct Commands;

impl Course for Commands {
    fn name(self) -> String {
        "facebook, commands".to_owned()
    }

    /// The second clip's post is made, those of the next two are not, and no list tells.
    fn faults(self) -> Value {
        json!({
            "confirm_ms": [0, 40], "list_lag_ms": 3_600_000, "list_hides_published": true,
            "answer_without_id": {"media": "clip_2.", "next": 1},
            "cut_before_commit": {"media": "clip_3.", "next": 1},
            "error_before_commit": {"media": "clip_4.", "next": 1},
        })
    }

    fn set(self, stage: Stage) -> Stage {
        stage
            .set("STORYCLIP_METRICOOL_LIST_SHOWS_PUBLISHED", "no")
            .set("STORYCLIP_LOOK_WAITS_SECONDS", "0.15")
    }

    async fn play(self, stage: &Stage, client: &mut Client) -> Option<Vec<Value>> {
        let kept = self.keeps(stage, client).await?;
        let cancelled = self.cancels(stage, client).await?;
        Some(vec![kept, cancelled])
    }

    fn holds(self, stage: &Stage, client: &Client, batches: &[Value]) {
        let [kept, cancelled] = batches else {
            panic!("{batches:#?}");
        };
        assert_eq!(kept["status"], "completed", "{kept:#}");
        assert_eq!(statuses(kept), END, "{kept:#}");
        assert_eq!(cancelled["status"], "cancelled", "{cancelled:#}");
        let answered = client.answered_at("cancel").unwrap();
        let ledger = stage.sandbox.ledger();
        let late = (ledger.order.iter()).find(|create| create.blog_id == CANCELLED && create.at > answered);
        assert!(late.is_none(), "sent after the cancel was answered: {late:?}");
        for batch in batches {
            ledger::live_once_if_published(&stage.sandbox, batch);
            let posts = (ledger.posts.iter()).filter(|post| batch["accountId"] == *post.blog_id);
            let mut before = None;
            for post in posts {
                assert!(before <= Some(post.created), "made before the last was live: {post:?}");
                before = post.live.or(before);
            }
        }
    }
}

impl Commands {
    /// The batch that is paused, resumed, tried again and resolved.
    async fn keeps(self, stage: &Stage, client: &mut Client) -> Option<Value> {
        if !client.was_answered("pause") {
            let failed = json!({"media": "clip_1.", "detail": "Error validating MP4"});
            stage.faults(json!({"failed": failed, "unconfirmed": {"media": "clip_5."}}));
        }
        let body = || stories(KEPT, &clips(END.len()), json!({}));
        let id = client.publishes("kept", body).await?;
        let is_paused = |batch: &Value| batch["status"] == "paused";
        if !client.was_answered("pause") {
            let stands = |batch: &Value| statuses(batch)[0] == "failed" || is_paused(batch);
            self.resolves(stage, client, &id, stands).await?;
        }
        let command = |command: &str| format!("/api/metricool/batch/{id}/{command}");
        client.commands("pause", &command("pause"), &nothing()).await?;
        if !client.has_asked("resume") {
            let batch = client.batch(&id).await?;
            assert!(is_paused(&batch), "the pause was forgotten: {batch:#}");
        }
        stage.faults(json!({"failed": null, "unconfirmed": unconfirmed_until_cancelled(client)}));
        let first = json!({"clips": [1]});
        client.commands("retry", &command("retry-failed"), &first).await?;
        client.commands("resume", &command("resume"), &nothing()).await?;
        self.resolves(stage, client, &id, |batch| batch["status"] == "completed")
            .await
    }

    /// The batch that is cancelled while its first clip, or one after a death, is in flight.
    async fn cancels(self, stage: &Stage, client: &mut Client) -> Option<Value> {
        let urls = [1, 2, 3].map(|clip| format!("https://cdn.example/last_{clip}.mp4"));
        let body = || stories(CANCELLED, &urls, json!({}));
        let id = client.publishes("cancelled", body).await?;
        let is_cancelled = |batch: &Value| batch["status"] == "cancelled";
        if !client.was_answered("cancel") {
            let is_in_flight = |batch: &Value| statuses(batch).contains(&"waiting_confirmation");
            let stands = |batch: &Value| is_in_flight(batch) || is_cancelled(batch);
            self.resolves(stage, client, &id, stands).await?;
        }
        let path = format!("/api/metricool/batch/{id}/cancel");
        client.commands("cancel", &path, &nothing()).await?;
        let batch = client.batch(&id).await?;
        assert!(is_cancelled(&batch), "the cancel was forgotten: {batch:#}");
        stage.faults(json!({"unconfirmed": null}));
        let is_over = |batch: &Value| {
            let mut statuses = statuses(batch).into_iter();
            statuses.all(|status| ["published", "failed", "cancelled"].contains(&status))
        };
        self.resolves(stage, client, &id, is_over).await
    }

    /// Resolves each clip that comes to be held until the batch stands as it is to stand.
    async fn resolves(
        self,
        stage: &Stage,
        client: &mut Client,
        id: &str,
        stands: impl Fn(&Value) -> bool,
    ) -> Option<Value> {
        loop {
            let is_held = |batch: &Value| statuses(batch).contains(&"held");
            let batch = client.waits(id, |batch| is_held(batch) || stands(batch)).await?;
            let Some(at) = statuses(&batch).iter().position(|status| *status == "held") else {
                return Some(batch);
            };
            let (clip, held) = (at + 1, &batch["clips"][at]);
            let made = (stage.sandbox.posts().into_iter()).find(|post| {
                batch["accountId"] == *post.blog_id && held["url"] == post.media[0] && post.state != State::Error
            });
            let is_given_up = batch["status"] == "cancelled" || (clip == DROPPED && batch["accountId"] == KEPT);
            let decision = match made {
                Some(post) => json!({"action": "adopt", "postId": post.id.to_string()}),
                None if is_given_up => json!({"action": "drop"}),
                None => json!({"action": "retry"}),
            };
            let attempt = &held["attempts"];
            let name = format!("resolve {id} {clip} {attempt}");
            let path = format!("/api/metricool/batch/{id}/clips/{clip}/resolve");
            client.commands(&name, &path, &decision).await?;
            // It is not done before the answer says so, and then it is not the same question.
            client
                .waits(id, |batch| {
                    let clip = &batch["clips"][at];
                    clip["status"] != "held" || clip["attempts"] != *attempt
                })
                .await?;
        }
    }
}

/// Eight creates, of which three are looked for three times, a preparation and what becomes of each: more than so many
/// commits and more than so many calls.
const LEAST: usize = 30;

async fn run(postgresql: Option<Leases>, kinds: &[&str]) {
    let walk = Walk {
        course: Commands,
        postgresql,
        at_once: 24,
    };
    if walk.is_possible().await {
        for kind in kinds {
            walk.by_number(kind, LEAST).await;
        }
    }
}

#[tokio::test]
async fn a_death_at_every_step_of_a_persons_commands_costs_no_clip() {
    run(None, &["commit", "call", "answer"]).await;
}

#[tokio::test]
async fn a_death_at_every_step_of_a_persons_commands_on_postgresql_costs_no_clip() {
    // What an answer finds is the same on both, and each step takes its time.
    run(Some(Leases::AreCutShort), &["commit", "call"]).await;
}
