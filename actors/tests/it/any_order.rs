//! Commands of every kind in any order at any instant, with crashes and an unkind network in between: in the end every clip
//! is settled, and what is said to be published is live once.

use std::time::Duration;

use storyclip_actors::{
    error::Verdict,
    model::{BatchId, BatchStatus, Clip, ClipStatus as S, OnFailure, PostId, Resolution, Wish},
    ports::{FailureKind, PublishFailure},
    testing::{Fault, NewBatch, World},
};

use super::{assert_ledger, tally::Tally, world};

const SEEDS: u64 = 150;

/// The same numbers for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize].clone()
    }

    fn millis(&mut self, bound: u64) -> Duration {
        Duration::from_millis(self.below(bound))
    }
}

fn unkind(world: &World, dice: &mut Dice) {
    let mut script = world.network.script();
    script.list_shows_published = dice.below(3) > 0;
    for _ in 0..8 {
        script.faults.push_back(dice.pick(&[
            Fault::None,
            Fault::None,
            Fault::None,
            Fault::LostBefore,
            Fault::LostAfter,
            Fault::Refuse(Verdict::Rejected),
            Fault::Refuse(Verdict::Unavailable),
        ]));
        let kind = dice.pick(&[FailureKind::Permanent, FailureKind::Passing]);
        let failure = PublishFailure {
            kind,
            detail: "no".into(),
        };
        script.failures.push_back((dice.below(5) == 0).then_some(failure));
        script.confirms_next.push_back(dice.pick(&[
            Some(Duration::ZERO),
            Some(Duration::from_millis(900)),
            Some(Duration::from_secs(30)),
            Some(Duration::from_secs(200)),
            None,
        ]));
    }
}

/// What a person who can see the network says about a held clip.
fn by_the_truth(world: &World, clip: &Clip, dice: &mut Dice) -> Resolution {
    let posts = world.network.posts();
    let mut own = posts
        .iter()
        .filter(|post| post.request.media == clip.url && !post.deleted);
    match own.find(|post| post.live_at.is_some()) {
        Some(post) => Resolution::Adopt(post.id.as_str().into()),
        None => dice.pick(&[Resolution::Retry, Resolution::Drop]),
    }
}

fn wish(world: &World, batch: &BatchId, dice: &mut Dice) -> Wish {
    let clips = world.store.read(batch).1;
    let owned: Vec<PostId> = clips
        .iter()
        .filter_map(|clip| Some(clip.post.as_ref()?.id.clone()))
        .collect();
    let held: Vec<Clip> = clips.into_iter().filter(|clip| clip.status == S::Held).collect();
    match dice.below(12) {
        0..=2 => Wish::Pause,
        3..=5 => Wish::Resume,
        6 => Wish::RetryFailed {
            clips: vec![dice.below(6) as u32],
        },
        7 | 8 => Wish::RetryFailed { clips: vec![] },
        9 => {
            // One that does not exist, or that another clip owns.
            let post = owned.first().cloned().filter(|_| dice.below(2) == 0);
            let how = Resolution::Adopt(post.unwrap_or("4711".into()));
            Wish::Resolve {
                clip: dice.below(6) as u32,
                attempt: None,
                how,
            }
        }
        _ if held.is_empty() => Wish::Resume,
        _ => {
            let clip = dice.pick(&held);
            Wish::Resolve {
                clip: clip.index,
                attempt: Some(clip.attempt),
                how: by_the_truth(world, &clip, dice),
            }
        }
    }
}

/// The network ends what it left pending: a policy may wait for that.
fn give_up_what_is_stuck(world: &World) {
    for (place, post) in world.network.posts().iter().enumerate() {
        if post.live_at.is_none() && post.failure.is_none() {
            let kind = FailureKind::Permanent;
            world.network.gives_up(
                place,
                PublishFailure {
                    kind,
                    detail: "stuck".into(),
                },
            );
        }
    }
}

/// Says what a person says who wants the batch to come to its end, until it does.
async fn bring_to_an_end(world: &World, batch: &BatchId, dice: &mut Dice) {
    for _ in 0..60 {
        tokio::time::sleep(Duration::from_secs(900)).await;
        give_up_what_is_stuck(world);
        let (row, clips) = world.store.read(batch);
        let held = clips.iter().find(|clip| clip.status == S::Held);
        let wish = match (row.status, held) {
            (BatchStatus::Completed, _) => return,
            (BatchStatus::Cancelled, None) => return,
            (_, Some(clip)) => {
                let how = match (by_the_truth(world, clip, dice), row.status) {
                    (Resolution::Retry, BatchStatus::Cancelled) => Resolution::Drop,
                    (how, _) => how,
                };
                Wish::Resolve {
                    clip: clip.index,
                    attempt: Some(clip.attempt),
                    how,
                }
            }
            (BatchStatus::Failed, None) => Wish::RetryFailed { clips: vec![] },
            (_, None) => Wish::Resume,
        };
        world.command(batch, wish).await;
    }
    panic!("it does not come to an end: {:#?}", world.store.read(batch));
}

#[tokio::test(start_paused = true)]
async fn whatever_is_wished_every_clip_is_settled_and_live_at_most_once() {
    let (mut tally, mut crashes) = (Tally::default(), 0);
    for seed in 0..SEEDS {
        let dice = &mut Dice(seed);
        println!("seed {seed}");
        let mut world = world().await;
        unkind(&world, dice);
        let batch = world.submit(NewBatch {
            on_failure: dice.pick(OnFailure::ALL),
            ..NewBatch::of("b", 5)
        });
        for _ in 0..12 {
            let pause = dice.pick(&[300, 3_000, 100_000]);
            tokio::time::sleep(dice.millis(pause)).await;
            let wish = if dice.below(60) == 0 {
                Wish::Cancel
            } else {
                wish(&world, &batch, dice)
            };
            match dice.below(3) {
                0 => world.store.insert_command(&batch, wish, world.now()),
                _ => drop(world.command(&batch, wish).await),
            }
            if dice.below(4) == 0 {
                crashes += 1;
                world.crash(dice.millis(700)).await;
            }
        }
        bring_to_an_end(&world, &batch, dice).await;
        let (row, clips) = world.store.read(&batch);
        assert!(
            clips.iter().all(|clip| clip.status.is_terminal()),
            "seed {seed}: {clips:#?}"
        );
        assert_eq!(
            (row.restarts, world.store.commands_waiting(&batch)),
            (0, 0),
            "seed {seed}"
        );
        assert!(
            world.directory.is_empty() || clips.iter().any(Clip::timed_out),
            "seed {seed}"
        );
        // A post that failed or is stuck may have been given up; none that is live is.
        for clip in &clips {
            let live = world.network.live().iter().filter(|url| **url == *clip.url).count();
            assert!(live <= 1, "seed {seed}: clip {} is live {live} times", clip.index);
        }
        assert_ledger(&world, &batch);
        tally.count(&world, &batch);
    }
    tally.tell(&format!("commands in any order, {SEEDS} seeds, {crashes} crashes"));
}
