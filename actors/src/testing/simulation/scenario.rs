//! What a seed decides before anything happens: the rules, the batches, the network's habits, which faults there are and
//! how often, and what happens when. What happens inside calls is rolled while they are made.
//!
//! Each kind of fault is on in some runs and off in the others: a run in which everything fails shows less than many in
//! which a few things do.

use std::time::Duration;

use super::dice::Dice;
use crate::{
    context::Rules,
    model::{AccountId, OnFailure, Speed},
    schedule::SlotRule,
    testing::NewBatch,
};

const BATCHES: [&str; 4] = ["a", "b", "c", "d"];
const ACCOUNTS: [&str; 2] = ["77", "88"];

/// How often a call goes wrong, in a thousand calls.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "the names say it; `lost` is an answer that never comes")]
pub struct StoreFaults {
    pub slow: u32,
    pub unavailable: u32,
    pub lost_answer: u32,
    pub crash_before_answer: u32,
    pub crash_after_answer: u32,
    pub panic: u32,
}

/// The same for the network's calls.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "the names say it")]
pub struct NetworkFaults {
    pub slow: u32,
    pub unreachable: u32,
    pub unavailable: u32,
    pub lost_before: u32,
    pub lost_after: u32,
    pub unreadable: u32,
    pub rejected: u32,
    pub throttled: u32,
    pub unauthorized: u32,
    pub forbidden: u32,
    pub crash_before_answer: u32,
    pub crash_after_answer: u32,
    pub panic: u32,
}

/// What the network is like in this run.
#[derive(Clone, Debug)]
pub struct Habits {
    /// How long after its creation a post is listed, at most.
    pub list_lag: Duration,
    /// How long after its creation a post is known by its id, usually at most.
    pub visible_lag: Duration,
    /// Chance that a post stays unknown for longer than the minute in which that is nothing.
    pub hidden: u32,
    /// Whether the list shows published posts.
    pub lists_published: bool,
    /// Whether the operator said so; else it is learned.
    pub configured: bool,
    /// Whether posts have a uuid.
    pub has_uuid: bool,
    /// Whether prepared media is a copy with a name of its own.
    pub copies_media: bool,
    /// Chance that the host renames a post's media.
    pub renames_media: u32,
    /// Chance that a listing says that it is not all.
    pub incomplete: u32,
    /// Chance that a post fails at publish time.
    pub fails: u32,
    /// Chance that it goes live about when its time is up.
    pub at_the_timeout: u32,
    /// Chance that it goes live later than that.
    pub late: u32,
    /// Chance that it never does.
    pub stuck: u32,
}

/// What is wrong for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Trouble {
    Unreachable,
    Unavailable,
    TokenRefused,
    BrandRefused(AccountId),
    Throttled,
    StoreDown,
}

/// A while in which something is wrong, counted from the beginning of the run.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Spell {
    pub from: Duration,
    pub to: Duration,
    pub trouble: Trouble,
}

/// What happens at a certain instant.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Happening {
    Submit(usize),
    /// The node's process is killed.
    Crash(usize),
    /// The node stands still for this long.
    StandStill(usize, Duration),
    /// The node is stopped in an orderly way and started anew.
    Restart(usize),
    /// Somebody asks what the network says.
    Reconcile(usize),
    /// A person cancels the batch.
    Cancel(usize),
    /// A person pauses it.
    Pause(usize),
    /// A person resumes it.
    Resume(usize),
    /// A person wants failed clips tried again.
    RetryFailed(usize),
    /// A person decides about a held clip, if there is one.
    Resolve(usize),
    /// A person edits some post in the planner.
    Edit,
    /// A person deletes some post from the planner.
    Delete,
    /// A person makes a post of their own.
    PostByHand,
}

/// See the file's first paragraph.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the types say it")]
pub struct Scenario {
    pub seed: u64,
    pub rules: Rules,
    pub max_in_flight: usize,
    /// How many daemons share the store.
    pub nodes: usize,
    pub batches: Vec<NewBatch>,
    pub store: StoreFaults,
    pub network: NetworkFaults,
    pub habits: Habits,
    pub spells: Vec<Spell>,
    pub happenings: Vec<(Duration, Happening)>,
    /// From when nothing goes wrong any more.
    pub calm_after: Duration,
}

impl Scenario {
    /// What this seed decides.
    pub fn of(seed: u64) -> Self {
        let dice = &mut Dice::new(seed);
        let granularity = dice.pick(&[0, 0, 60]);
        let lead = match granularity {
            0 => dice.pick(&[0, 0, 0, 5, 40]),
            _ => dice.pick(&[60, 60, 90]),
        };
        let rules = Rules {
            slots: SlotRule {
                lead: Duration::from_secs(lead),
                granularity: Duration::from_secs(granularity),
            },
            max_batches: dice.pick(&[1, 2, 100, 100, 100]),
            ..Rules::default()
        };
        let batches = batches(dice);
        let nodes = dice.pick(&[1, 2, 2]);
        let calm_after = dice.millis(20_000, if granularity == 0 { 150_000 } else { 400_000 });
        let happenings = happenings(dice, batches.len(), nodes, calm_after);
        Self {
            seed,
            max_in_flight: dice.pick(&[1, 2, 5, 5]),
            nodes,
            store: store_faults(dice),
            network: network_faults(dice),
            habits: habits(dice),
            spells: spells(dice, calm_after),
            happenings,
            batches,
            rules,
            calm_after,
        }
    }

    /// A day without the network, and nothing else that goes wrong.
    pub fn day_of_outage(seed: u64, trouble: Trouble) -> Self {
        let dice = &mut Dice::new(seed);
        let from = dice.millis(0, 20_000);
        let spell = Spell {
            from,
            to: from + Duration::from_secs(24 * 3_600),
            trouble,
        };
        let calm = Self::of(seed);
        Self {
            store: StoreFaults::default(),
            network: NetworkFaults::default(),
            habits: Habits {
                fails: 0,
                late: 0,
                stuck: 0,
                hidden: 0,
                renames_media: 0,
                incomplete: 0,
                lists_published: true,
                configured: true,
                ..calm.habits
            },
            happenings: (0..calm.batches.len())
                .map(|batch| (Duration::ZERO, Happening::Submit(batch)))
                .collect(),
            calm_after: spell.to,
            spells: vec![spell],
            ..calm
        }
    }
}

/// Off in most runs; in the others up to `most` in a thousand.
fn sometimes(dice: &mut Dice, runs_per_mille: u32, most: u32) -> u32 {
    if dice.chance(runs_per_mille) {
        dice.within(1, u64::from(most)) as u32
    } else {
        0
    }
}

fn batches(dice: &mut Dice) -> Vec<NewBatch> {
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

fn store_faults(dice: &mut Dice) -> StoreFaults {
    StoreFaults {
        slow: sometimes(dice, 250, 60),
        unavailable: sometimes(dice, 200, 60),
        lost_answer: sometimes(dice, 200, 60),
        crash_before_answer: sometimes(dice, 250, 25),
        crash_after_answer: sometimes(dice, 200, 25),
        panic: sometimes(dice, 200, 40),
    }
}

fn network_faults(dice: &mut Dice) -> NetworkFaults {
    NetworkFaults {
        slow: sometimes(dice, 300, 150),
        unreachable: sometimes(dice, 200, 80),
        unavailable: sometimes(dice, 200, 80),
        lost_before: sometimes(dice, 250, 250),
        lost_after: sometimes(dice, 300, 300),
        unreadable: sometimes(dice, 150, 80),
        rejected: sometimes(dice, 100, 60),
        throttled: sometimes(dice, 150, 60),
        unauthorized: sometimes(dice, 100, 30),
        forbidden: sometimes(dice, 100, 30),
        crash_before_answer: sometimes(dice, 250, 60),
        crash_after_answer: sometimes(dice, 200, 60),
        panic: sometimes(dice, 200, 80),
    }
}

fn habits(dice: &mut Dice) -> Habits {
    Habits {
        list_lag: dice.mostly_short(15),
        visible_lag: dice.mostly_short(50),
        hidden: sometimes(dice, 80, 200),
        lists_published: !dice.chance(200),
        configured: dice.chance(500),
        has_uuid: !dice.chance(150),
        copies_media: dice.chance(300),
        renames_media: sometimes(dice, 80, 300),
        incomplete: sometimes(dice, 80, 300),
        fails: sometimes(dice, 300, 300),
        at_the_timeout: sometimes(dice, 250, 400),
        late: sometimes(dice, 150, 250),
        stuck: sometimes(dice, 100, 200),
    }
}

fn spells(dice: &mut Dice, calm_after: Duration) -> Vec<Spell> {
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

fn happenings(dice: &mut Dice, batches: usize, nodes: usize, calm_after: Duration) -> Vec<(Duration, Happening)> {
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
