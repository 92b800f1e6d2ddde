//! The course of batches at slots: one is handed to the network and goes live at its slots; another, whose slots are far away,
//! is withdrawn by a pause, gets new slots by a resume and is withdrawn again by a cancel.
//!
//! A post that the network took back before a death, and whose row still knows it, cannot be told from one that a person moved:
//! its clip, and no other one, is held.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{Connection, Row};
use storyclip::clock::SystemClock;
use storyclip_actors::{ports::Clock, schedule::VISIBILITY};

use super::{
    Course, Leases, Walk,
    client::{Client, nothing, statuses},
};
use crate::daemon::{
    scheduling::{all_published_at_their_slots, scheduled},
    stage::Stage,
};

/// The brands of the two batches.
const SOON: &str = "5372118";
const FAR: &str = "5372119";

/// Clips of each.
const CLIPS: usize = 2;

#[derive(Clone, Copy)]
struct Slots;

impl Course for Slots {
    fn name(self) -> String {
        "facebook, at slots".to_owned()
    }

    fn faults(self) -> Value {
        json!({"create_delay_ms": [5, 20], "confirm_ms": [0, 20]})
    }

    /// More than a minute passes: a post that is not found so soon after its creation may only not be visible yet, and the
    /// daemon would wait for it. It is only the clock of that rule which is moved.
    async fn after_a_death(self, stage: &Stage, client: &mut Client) {
        let before = SystemClock.now() - VISIBILITY;
        let mut conn = stage.database.open().await;
        sqlx::query("UPDATE publish_batch_clips SET uploaded_at = $1 WHERE uploaded_at > $1")
            .bind(before.to_string())
            .execute(&mut conn)
            .await
            .unwrap();
        let rows =
            sqlx::query("SELECT metricool_post_id FROM publish_batch_clips WHERE status = 'waiting_confirmation'")
                .fetch_all(&mut conn)
                .await
                .unwrap();
        conn.close().await.unwrap();
        let known: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let gone = stage.sandbox.posts().into_iter().filter(|post| post.deleted);
        let gone = gone.map(|post| post.id.to_string());
        client.unrecorded.extend(gone.filter(|id| known.contains(id)));
    }

    async fn play(self, _: &Stage, client: &mut Client) -> Option<Vec<Value>> {
        let soon = client
            .publishes("soon", || scheduled(SOON, CLIPS, Duration::from_secs(2), 1))
            .await?;
        let far = client
            .publishes("far", || scheduled(FAR, CLIPS, Duration::from_secs(3_600), 60))
            .await?;
        for (command, stands) in [("pause", "scheduled"), ("resume", "pending"), ("cancel", "scheduled")] {
            if !client.has_asked(command) {
                let stands = |status: &str| status == stands || status == "held";
                client
                    .waits(&far, |batch| statuses(batch).into_iter().all(stands))
                    .await?;
            }
            let path = format!("/api/metricool/batch/{far}/{command}");
            client.commands(command, &path, &nothing()).await?;
        }
        Some(vec![
            client.sees_the_end(&soon).await?,
            client.sees_the_end(&far).await?,
        ])
    }

    fn holds(self, stage: &Stage, client: &Client, batches: &[Value]) {
        let [soon, far] = batches else {
            panic!("{batches:#?}");
        };
        all_published_at_their_slots(stage, soon);
        assert_eq!(far["status"], "cancelled", "{far:#}");
        let mut held = Vec::new();
        for clip in far["clips"].as_array().unwrap() {
            if clip["status"] == "held" {
                assert_eq!(clip["errorCode"], "POST_VANISHED", "{clip:#}");
                held.push(clip["metricoolPostId"].as_str().unwrap().to_owned());
            } else {
                assert_eq!(clip["status"], "cancelled", "{clip:#}");
            }
        }
        assert_eq!(held, client.unrecorded, "{far:#}");
        assert!(held.len() <= 1, "withdrawals are made one by one: {far:#}");
        let posts = stage.sandbox.posts().into_iter().filter(|post| post.blog_id == FAR);
        for post in posts {
            assert!(post.deleted && post.live.is_none(), "not withdrawn: {post:?}");
        }
    }
}

/// Of the clips of both batches a preparation and a create each, and a look at those that go live.
const LEAST: usize = 10;

async fn run(postgresql: Option<Leases>) {
    let walk = Walk {
        course: Slots,
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
async fn a_death_at_every_step_of_batches_at_slots_leaves_one_live_post_per_clip() {
    run(None).await;
}

#[tokio::test]
async fn a_death_at_every_step_of_batches_at_slots_on_postgresql_leaves_one_live_post_per_clip() {
    run(Some(Leases::AreCutShort)).await;
}
