//! The plain course: a batch is posted and published, clip by clip. Also by name: each step of each clip, whatever its number.

use std::time::Instant;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{Course, Leases, Walk, client::Client};
use crate::daemon::{
    ledger::{self, Tally},
    stage::{ACCOUNT, Stage, clips, stories},
};

/// A batch of so many clips.
#[derive(Clone, Copy)]
pub struct Publishing {
    pub network: &'static str,
    pub clips: usize,
    /// Whether no create call is ever answered although its post is made.
    pub unanswered: bool,
}

impl Course for Publishing {
    fn name(self) -> String {
        let answers = if self.unanswered {
            "no create answered"
        } else {
            "all answered"
        };
        format!("{}, {answers}", self.network)
    }

    /// A create takes 10 to 30 ms and commits at a random point inside, a confirmation up to 40 ms.
    fn faults(self) -> Value {
        let mut faults = json!({"create_delay_ms": [10, 30], "confirm_ms": [0, 40]});
        if self.unanswered {
            faults["cut_after_commit"] = true.into();
        }
        faults
    }

    async fn play(self, _: &Stage, client: &mut Client) -> Option<Vec<Value>> {
        let body = || stories(ACCOUNT, &clips(self.clips), json!({"network": self.network}));
        let id = client.publishes("walk", body).await?;
        Some(vec![client.sees_the_end(&id).await?])
    }

    fn holds(self, stage: &Stage, _: &Client, batches: &[Value]) {
        ledger::all_published(&stage.sandbox, &batches[0]);
    }
}

impl Publishing {
    /// What becomes durable about each clip.
    fn changes(self) -> &'static [&'static str] {
        if self.unanswered {
            &["intended", "uncertain", "waiting_confirmation", "published"]
        } else {
            &["intended", "waiting_confirmation", "published"]
        }
    }

    /// What is asked of the network for each clip.
    fn calls(self) -> &'static [&'static str] {
        if self.unanswered {
            &["prepare", "create", "find", "status"]
        } else {
            &["prepare", "create", "status"]
        }
    }

    /// How many points of a kind every history has: the batch's creation, its beginning and the first intent, each change of
    /// a clip but its intent, which is durable with the end of the clip before; and every call.
    pub fn points(self, kind: &str) -> usize {
        match kind {
            "commit" => 3 + self.clips * (self.changes().len() - 1),
            "call" | "answer" => self.clips * self.calls().len(),
            _ => panic!("{kind} is walked through by name"),
        }
    }
}

impl Walk<Publishing> {
    fn of(network: &'static str, unanswered: bool, postgresql: Option<Leases>) -> Self {
        let course = Publishing {
            network,
            clips: 3,
            unanswered,
        };
        // On PostgreSQL nearly all of a step is waiting for a dead daemon's lease to lapse.
        let at_once = if postgresql.is_some() { 18 } else { 4 };
        Self {
            course,
            postgresql,
            at_once,
        }
    }

    /// Each step of each clip. All of them must come.
    async fn by_name(self) {
        let begun = Instant::now();
        let mut names = Vec::new();
        for (clip, url) in (1..).zip(clips(self.course.clips)) {
            let changes = self.course.changes().iter();
            names.extend(changes.map(|change| format!("batch:1~{clip} {change}")));
            for call in self.course.calls() {
                names.extend(["call", "answer"].map(|point| format!("{point}:1~{call} {url}")));
            }
        }
        let mut total = Tally::default();
        for names in names.chunks(self.at_once) {
            let steps = names.iter().map(|name| self.step(vec![format!("abort:{name}")]));
            for (name, step) in names.iter().zip(join_all(steps).await) {
                assert_eq!(step.died, 1, "nobody came by {name}");
                total += step.tally;
            }
        }
        self.tell(&format!("{} deaths by name", names.len()), total, begun);
    }

    async fn run(self) {
        if self.is_possible().await {
            for kind in ["commit", "call", "answer"] {
                self.by_number(kind, self.course.points(kind)).await;
            }
            self.by_name().await;
        }
    }
}

const POSTGRESQL: Option<Leases> = Some(Leases::Lapse);

#[tokio::test]
async fn a_death_at_every_step_leaves_one_live_post_per_clip() {
    Walk::of("facebook", false, None).run().await;
}

#[tokio::test]
async fn a_death_at_every_step_leaves_one_live_post_per_clip_when_every_answer_is_lost() {
    Walk::of("facebook", true, None).run().await;
}

#[tokio::test]
async fn a_death_at_every_step_to_instagram_leaves_one_live_post_per_clip() {
    Walk::of("instagram", false, None).run().await;
}

#[tokio::test]
async fn a_death_at_every_step_to_instagram_leaves_one_live_post_per_clip_when_every_answer_is_lost() {
    Walk::of("instagram", true, None).run().await;
}

#[tokio::test]
async fn a_death_at_every_step_on_postgresql_leaves_one_live_post_per_clip() {
    Walk::of("facebook", false, POSTGRESQL).run().await;
}

#[tokio::test]
async fn a_death_at_every_step_on_postgresql_leaves_one_live_post_per_clip_when_every_answer_is_lost() {
    Walk::of("facebook", true, POSTGRESQL).run().await;
}

#[tokio::test]
async fn a_death_at_every_step_on_postgresql_to_instagram_leaves_one_live_post_per_clip() {
    Walk::of("instagram", false, Some(Leases::AreCutShort)).run().await;
}

#[tokio::test]
async fn a_death_at_every_step_on_postgresql_to_instagram_leaves_one_live_post_per_clip_when_every_answer_is_lost() {
    Walk::of("instagram", true, Some(Leases::AreCutShort)).run().await;
}
