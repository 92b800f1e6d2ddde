//! The course of a person's commands, on a network whose list cannot tell: a batch is paused, resumed and has a failed clip
//! tried again, its lost answers become held clips that are resolved in each way; another batch is cancelled with a clip in
//! flight.
//!
//! A death while a create call is under way makes one more held clip. The person decides by what the network shows.

use serde_json::{Value, json};

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

/// The clip that is dropped if its post was never made.
const DROPPED: usize = 4;

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
            "publish_at_ms": {"media": "last_", "ms": 300},
        })
    }

    fn set(self, stage: Stage) -> Stage {
        // Until the person tries it again.
        stage.faults(json!({"failed": {"media": "clip_1.", "detail": "Error validating MP4"}}));
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
        for (clip, status) in (1..).zip(statuses(kept)) {
            let dropped = clip == DROPPED && status == "failed";
            assert!(dropped || status == "published", "{kept:#}");
        }
        let answer = client.was_answered("cancel").unwrap();
        let was_done = answer["success"] == true || answer["currentStatus"] == "cancelled";
        assert!(was_done && cancelled["status"] == "cancelled", "{answer} {cancelled:#}");
        for batch in batches {
            ledger::live_once_if_published(&stage.sandbox, batch);
        }
    }
}

impl Commands {
    /// The batch that is paused, resumed, tried again and resolved.
    async fn keeps(self, stage: &Stage, client: &mut Client) -> Option<Value> {
        let body = || stories(KEPT, &clips(5), json!({}));
        let id = client.publishes("kept", body).await?;
        if !client.has_asked("pause") {
            self.resolves(stage, client, &id, |batch| statuses(batch)[0] == "failed")
                .await?;
        }
        let command = |command: &str| format!("/api/metricool/batch/{id}/{command}");
        client.commands("pause", &command("pause"), &nothing()).await?;
        stage.faults(json!({"failed": null}));
        let first = json!({"clips": [1]});
        client.commands("retry", &command("retry-failed"), &first).await?;
        client.commands("resume", &command("resume"), &nothing()).await?;
        self.resolves(stage, client, &id, |batch| batch["status"] == "completed")
            .await
    }

    /// The batch that is cancelled while its first clip, or one after a death, is in flight.
    async fn cancels(self, stage: &Stage, client: &mut Client) -> Option<Value> {
        let urls = [1, 2, 3, 4, 5, 6, 7, 8].map(|clip| format!("https://cdn.example/last_{clip}.mp4"));
        let body = || stories(CANCELLED, &urls, json!({}));
        let id = client.publishes("cancelled", body).await?;
        if !client.has_asked("cancel") {
            let is_in_flight = |batch: &Value| statuses(batch).contains(&"waiting_confirmation");
            self.resolves(stage, client, &id, is_in_flight).await?;
        }
        let path = format!("/api/metricool/batch/{id}/cancel");
        client.commands("cancel", &path, &nothing()).await?;
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
            let made = (stage.sandbox.posts().into_iter())
                .find(|post| post.blog_id == batch["accountId"] && held["url"] == post.media[0] && post.live.is_some());
            let decision = match made {
                Some(post) => json!({"action": "adopt", "postId": post.id.to_string()}),
                None if clip == DROPPED || batch["status"] == "cancelled" => json!({"action": "drop"}),
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

/// What every course has at least: of five and two clips each change, and of each a preparation, a create and a look.
const LEAST: usize = 16;

async fn run(postgresql: Option<Leases>) {
    let walk = Walk {
        course: Commands,
        postgresql,
        at_once: 12,
    };
    if walk.is_possible().await {
        for kind in ["commit", "call", "answer"] {
            walk.by_number(kind, LEAST).await;
        }
    }
}

#[tokio::test]
async fn a_death_at_every_step_of_a_persons_commands_costs_no_clip() {
    run(None).await;
}

#[tokio::test]
async fn a_death_at_every_step_of_a_persons_commands_on_postgresql_costs_no_clip() {
    run(Some(Leases::AreCutShort)).await;
}
