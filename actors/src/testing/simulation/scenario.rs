//! What a seed decides before anything happens: the rules, the batches, the network's habits, which faults there are and
//! how often, and what happens when. What happens inside calls is rolled while they are made.
//!
//! Each kind of fault is on in some runs and off in the others: a run in which everything fails shows less than many in
//! which a few things do.

mod rolling;

use std::{fmt, time::Duration};

use self::rolling::{
    batches, give_slots, habits, happenings, is_storm, lag_behind, network_faults, skews, spells, store_faults,
};
use super::dice::Dice;
use crate::{context::Rules, model::AccountId, schedule::SlotRule, testing::NewBatch};

/// By how much a node's clock differs from the true time at most: two of them by less than what a lease must have left.
pub const MAX_SKEW: Duration = Duration::from_secs(2);

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
    /// And at least.
    pub list_lag_least: Duration,
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
    /// Calls are taken and not answered; nothing comes of them.
    Silent,
    TokenRefused,
    BrandRefused(AccountId),
    Throttled,
    StoreDown,
}

impl Trouble {
    /// Every way in which the network cannot be used for a while.
    pub fn outages() -> [Self; 6] {
        [
            Self::Unreachable,
            Self::Unavailable,
            Self::Silent,
            Self::TokenRefused,
            Self::BrandRefused("77".into()),
            Self::Throttled,
        ]
    }

    /// How it is called on a command line.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Unavailable => "unavailable",
            Self::Silent => "silent",
            Self::TokenRefused => "token-refused",
            Self::BrandRefused(_) => "brand-refused",
            Self::Throttled => "throttled",
            Self::StoreDown => "store-down",
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable => f.write_str("nobody can connect"),
            Self::Unavailable => f.write_str("503 to everything"),
            Self::Silent => f.write_str("no call is answered"),
            Self::TokenRefused => f.write_str("the token is refused"),
            Self::BrandRefused(brand) => write!(f, "brand {brand} is refused"),
            Self::Throttled => f.write_str("429 to everything"),
            Self::StoreDown => f.write_str("the database is away"),
        }
    }
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
    /// By how many milliseconds their clocks are ahead.
    pub skews: Vec<i64>,
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
        let mut batches = batches(dice);
        give_slots(&mut Dice::new(!seed), &mut batches);
        let nodes = dice.pick(&[1, 2, 2]);
        let calm_after = dice.millis(20_000, if granularity == 0 { 150_000 } else { 400_000 });
        let happenings = happenings(dice, batches.len(), nodes, calm_after);
        let storm = is_storm(dice);
        let mut habits = habits(dice, storm);
        // Of a slot that still lies ahead then, absence would be believed.
        let soon = rules.slots.lead + rules.slots.granularity < rules.find_settle;
        if dice.chance(120) && soon && batches.iter().all(|batch| batch.scheduled.is_none()) {
            lag_behind(&mut habits, dice, rules.find_settle);
        }
        Self {
            seed,
            max_in_flight: dice.pick(&[1, 2, 5, 5]),
            skews: skews(dice, nodes),
            nodes,
            store: store_faults(dice, storm),
            network: network_faults(dice, storm),
            habits,
            spells: spells(dice, calm_after),
            happenings,
            batches,
            rules,
            calm_after,
        }
    }

    /// A network whose list lags behind for longer than absence takes to be believed, and that loses many answers. Nothing
    /// but a person can tell what became of a post.
    pub fn lagging_list(seed: u64) -> Self {
        let dice = &mut Dice::new(seed);
        let mut any = Self::of(seed);
        any.rules.slots = SlotRule {
            lead: Duration::from_secs(dice.pick(&[0, 0, 5, 40])),
            granularity: Duration::ZERO,
        };
        any.batches.iter_mut().for_each(|batch| batch.scheduled = None);
        lag_behind(&mut any.habits, dice, any.rules.find_settle);
        any.network.lost_after = 300;
        any
    }

    /// Whether the list lags behind for longer than absence takes to be believed.
    pub fn list_lags(&self) -> bool {
        self.habits.list_lag_least > self.rules.find_settle
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
                list_lag: Duration::from_secs(15),
                list_lag_least: Duration::ZERO,
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
