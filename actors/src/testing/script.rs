//! What a test wants to go wrong at the scripted network, and what that does when nothing is wanted.

use std::{collections::VecDeque, time::Duration};

use crate::{error::Verdict, model::Timestamp, ports::PublishFailure};

/// What happens to a create call.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Refused before anything happened.
    Refuse(Verdict),
    /// The answer is lost; nothing was created.
    LostBefore,
    /// The answer is lost; the post was created.
    LostAfter,
    /// The code that makes the call panics.
    Panic,
}

/// Everything a test may script.
#[derive(Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Script {
    pub create_takes: Duration,
    pub faults: VecDeque<Fault>,
    /// How long after its slot a post goes live, for the next posts and then for all others.
    pub confirms_next: VecDeque<Option<Duration>>,
    pub confirms: Option<Duration>,
    /// How long after its creation a post is not visible by its id.
    pub hidden: Duration,
    /// The code that makes the next looks of this account panics, or that which prepares its media.
    pub panicking_looks: u32,
    pub panicking_preparations: u32,
    pub panicking_account: &'static str,
    /// Every post gets the id of the first one.
    pub repeats_ids: bool,
    /// The next looks get an answer that nobody can read.
    pub unreadable_looks: u32,
    /// So does every credential check.
    pub unreadable_checks: bool,
    /// Credential checks are asked to wait until then.
    pub checks_throttled_until: Option<Timestamp>,
    pub failures: VecDeque<Option<PublishFailure>>,
    /// How long after its slot a post that fails says so.
    pub fails_after: Duration,
    /// Nobody can connect: certainly nothing happened.
    pub down: bool,
    /// Every call is answered 503: a create may have happened.
    pub unavailable: bool,
    pub token_refused: bool,
    pub brand_refused: bool,
    pub list_shows_published: bool,
    pub prepare_fails: bool,
    pub prepare_takes: Duration,
    pub withdraw_takes: Duration,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            create_takes: Duration::from_millis(100),
            faults: VecDeque::new(),
            confirms_next: VecDeque::new(),
            confirms: Some(Duration::from_millis(900)),
            hidden: Duration::ZERO,
            repeats_ids: false,
            panicking_looks: 0,
            panicking_preparations: 0,
            panicking_account: "77",
            unreadable_looks: 0,
            unreadable_checks: false,
            checks_throttled_until: None,
            failures: VecDeque::new(),
            fails_after: Duration::ZERO,
            down: false,
            unavailable: false,
            token_refused: false,
            brand_refused: false,
            list_shows_published: true,
            prepare_fails: false,
            prepare_takes: Duration::ZERO,
            withdraw_takes: Duration::ZERO,
        }
    }
}
