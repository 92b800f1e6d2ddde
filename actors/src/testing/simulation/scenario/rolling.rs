//! How a seed's numbers become a scenario: what is rolled, and how likely each of it is.

use std::time::Duration;

use super::{Habits, Happening, MAX_SKEW, NetworkFaults, Spell, StoreFaults, Trouble};
use crate::{
    model::{OnFailure, Speed},
    testing::{NewBatch, simulation::dice::Dice},
};

const BATCHES: [&str; 4] = ["a", "b", "c", "d"];
const ACCOUNTS: [&str; 2] = ["77", "88"];

/// By how many milliseconds the clocks of the nodes are ahead.
pub(super) fn skews(dice: &mut Dice, nodes: usize) -> Vec<i64> {
    let most = if dice.chance(300) {
        MAX_SKEW.as_millis() as u64
    } else {
        0
    };
    (0..nodes)
        .map(|_| dice.within(0, 2 * most) as i64 - most as i64)
        .collect()
}

/// In a few runs nearly everything goes wrong.
pub(super) fn is_storm(dice: &mut Dice) -> bool {
    dice.chance(60)
}

/// Off in most runs; in the others up to `most` in a thousand.
fn sometimes(dice: &mut Dice, storm: bool, runs_per_mille: u32, most: u32) -> u32 {
    if dice.chance(if storm { 700 } else { runs_per_mille }) {
        dice.within(1, u64::from(most)) as u32
    } else {
        0
    }
}

pub(super) fn batches(dice: &mut Dice) -> Vec<NewBatch> {
    let count = dice.pick(&[1, 1, 2, 2, 3, 4]);
    let one_account = dice.chance(500);
    let one_media = dice.chance(250);
    let mut batches = Vec::new();
    for id in &BATCHES[..count] {
        let clips = dice.pick(&[1, 2, 2, 3, 3, 4, 5]);
        let mut batch = NewBatch::of(id, clips);
        if one_media {
            batch.urls = vec!["https://cdn.example/same.mp4".to_owned(); clips];
        }
        batch.account = if one_account { ACCOUNTS[0] } else { dice.pick(&ACCOUNTS) };
        batch.speed = dice.pick(Speed::ALL);
        batch.on_failure = dice.pick(&[OnFailure::Skip, OnFailure::Skip, OnFailure::Stop, OnFailure::Hold]);
        batch.max_retries = dice.pick(&[0, 1, 2, 2, 3]);
        batches.push(batch);
    }
    batches
}

/// In some runs some batches are ordered by slots. By dice of their own, so that the other histories stay as they were.
pub(super) fn give_slots(dice: &mut Dice, batches: &mut [NewBatch]) {
    if !dice.chance(350) {
        return;
    }
    for batch in batches {
        let (ahead, apart) = (dice.mostly_short(20 * 60), dice.pick(&[1, 20, 60, 60, 90, 600]));
        batch.scheduled = dice.chance(700).then_some((ahead, Duration::from_secs(apart)));
    }
}

pub(super) fn store_faults(dice: &mut Dice, storm: bool) -> StoreFaults {
    StoreFaults {
        slow: sometimes(dice, storm, 250, 60),
        unavailable: sometimes(dice, storm, 200, 60),
        lost_answer: sometimes(dice, storm, 200, 60),
        crash_before_answer: sometimes(dice, storm, 250, 25),
        crash_after_answer: sometimes(dice, storm, 200, 25),
        panic: sometimes(dice, storm, 200, 40),
    }
}

pub(super) fn network_faults(dice: &mut Dice, storm: bool) -> NetworkFaults {
    NetworkFaults {
        slow: sometimes(dice, storm, 300, 150),
        unreachable: sometimes(dice, storm, 200, 80),
        unavailable: sometimes(dice, storm, 200, 80),
        lost_before: sometimes(dice, storm, 250, 250),
        lost_after: sometimes(dice, storm, 300, 300),
        unreadable: sometimes(dice, storm, 150, 80),
        rejected: sometimes(dice, storm, 100, 60),
        throttled: sometimes(dice, storm, 150, 60),
        unauthorized: sometimes(dice, storm, 100, 30),
        forbidden: sometimes(dice, storm, 100, 30),
        crash_before_answer: sometimes(dice, storm, 250, 60),
        crash_after_answer: sometimes(dice, storm, 200, 60),
        panic: sometimes(dice, storm, 200, 80),
    }
}

pub(super) fn habits(dice: &mut Dice, storm: bool) -> Habits {
    Habits {
        list_lag: dice.mostly_short(15),
        list_lag_least: Duration::ZERO,
        visible_lag: dice.mostly_short(50),
        hidden: sometimes(dice, storm, 80, 200),
        lists_published: !dice.chance(200),
        configured: dice.chance(500),
        has_uuid: !dice.chance(150),
        copies_media: dice.chance(300),
        renames_media: sometimes(dice, storm, 80, 300),
        incomplete: sometimes(dice, storm, 80, 300),
        fails: sometimes(dice, storm, 300, 300),
        at_the_timeout: sometimes(dice, storm, 250, 400),
        late: sometimes(dice, storm, 150, 250),
        stuck: sometimes(dice, storm, 100, 200),
    }
}

/// A list that shows a post only when absence would have been believed, had it not been known to say nothing of posts that
/// are live.
pub(super) fn lag_behind(habits: &mut Habits, dice: &mut Dice, settle: Duration) {
    habits.list_lag_least = settle + dice.millis(1, 60_000);
    habits.list_lag = habits.list_lag_least + dice.mostly_short(600);
    habits.lists_published = false;
}

pub(super) fn spells(dice: &mut Dice, calm_after: Duration) -> Vec<Spell> {
    let count = dice.pick(&[0, 0, 0, 1, 1, 2, 3]);
    let until = calm_after.as_millis() as u64;
    let spells = (0..count).map(|_| {
        let from = dice.millis(0, until);
        let lasts = dice.mostly_short(300);
        Spell {
            from,
            to: (from + lasts).min(calm_after),
            trouble: dice.pick(&[
                Trouble::Unreachable,
                Trouble::Unavailable,
                Trouble::TokenRefused,
                Trouble::BrandRefused(ACCOUNTS[0].into()),
                Trouble::BrandRefused(ACCOUNTS[1].into()),
                Trouble::Throttled,
                Trouble::StoreDown,
            ]),
        }
    });
    spells.collect()
}

pub(super) fn happenings(
    dice: &mut Dice,
    batches: usize,
    nodes: usize,
    calm_after: Duration,
) -> Vec<(Duration, Happening)> {
    // Things go wrong inside calls for some time after the last of these.
    let until = calm_after.as_millis() as u64 * 2 / 3;
    let mut happenings = Vec::new();
    for batch in 0..batches {
        let at = if dice.chance(600) {
            Duration::ZERO
        } else {
            dice.millis(0, until / 3)
        };
        happenings.push((at, Happening::Submit(batch)));
    }
    let mut some = |runs: u32, most: u64, make: &dyn Fn(&mut Dice) -> Happening| {
        if dice.chance(runs) {
            for _ in 0..dice.within(1, most) {
                let what = make(dice);
                happenings.push((dice.millis(0, until), what));
            }
        }
    };
    some(250, 6, &|dice| {
        Happening::Crash(dice.within(0, nodes as u64 - 1) as usize)
    });
    some(400, 3, &|dice| {
        let lasts = if dice.chance(500) {
            dice.mostly_short(30)
        } else {
            dice.millis(10_000, 60_000)
        };
        Happening::StandStill(dice.within(0, nodes as u64 - 1) as usize, lasts)
    });
    some(150, 3, &|dice| {
        Happening::Restart(dice.within(0, nodes as u64 - 1) as usize)
    });
    some(200, 6, &|dice| {
        Happening::Reconcile(dice.within(0, batches as u64 - 1) as usize)
    });
    some(250, 2, &|dice| {
        Happening::Cancel(dice.within(0, batches as u64 - 1) as usize)
    });
    some(300, 10, &|dice| {
        let batch = dice.within(0, batches as u64 - 1) as usize;
        dice.pick(&[
            Happening::Pause(batch),
            Happening::Resume(batch),
            Happening::Resume(batch),
            Happening::RetryFailed(batch),
            Happening::Resolve(batch),
        ])
    });
    some(120, 3, &|_| Happening::Edit);
    some(80, 2, &|_| Happening::Delete);
    some(60, 2, &|_| Happening::PostByHand);
    happenings.sort_by_key(|(at, _)| *at);
    happenings
}
