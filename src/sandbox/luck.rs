//! The luck of one create call: how long it takes, how it ends for its client, and what becomes of its post.
//!
//! `faults` draws it from the settings in force as the call arrives; it is kept with the post. Pure but for the generator.

use std::time::Duration;

use rand::{Rng, rngs::SmallRng};

use super::{fault::strikes, faults::Settings, route::Route};

/// How a create call ends for its client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Answered,
    WithoutId,
    Page,
    Error { status: u16, committed: bool },
    Cut { committed: bool },
}

impl End {
    pub(super) fn commits(&self) -> bool {
        match self {
            Self::Answered | Self::WithoutId | Self::Page => true,
            Self::Error { committed, .. } | Self::Cut { committed } => *committed,
        }
    }
}

/// What becomes of a post after its slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Live(Duration),
    Failed(Duration, String),
    Stuck,
}

/// The luck of one create call.
#[derive(Clone, Debug)]
pub(super) struct Luck {
    pub(super) delay: Duration,
    pub(super) commit_after: Duration,
    pub(super) end: End,
    pub(super) uuid: i64,
    pub(super) fate: Fate,
    pub(super) invisible: Duration,
    pub(super) unlisted: Duration,
    pub(super) without_url: bool,
    pub(super) word: Option<String>,
}

impl Luck {
    pub(super) fn draw(settings: &mut Settings, rng: &mut SmallRng, route: Route, media: Option<&str>) -> Self {
        let delay = settings.create_delay_ms.draw(rng);
        Self {
            delay,
            commit_after: if delay.is_zero() {
                delay
            } else {
                delay.mul_f64(rng.random())
            },
            end: end(settings, rng, route, media),
            uuid: rng.random(),
            fate: fate(settings, rng, route, media),
            invisible: Duration::from_millis(settings.not_visible_ms),
            unlisted: Duration::from_millis(settings.list_lag_ms),
            without_url: strikes(&mut settings.published_without_url, rng, route, media).is_some(),
            word: strikes(&mut settings.unknown_status, rng, route, media).map(|word| word.word.clone()),
        }
    }
}

fn end(settings: &mut Settings, rng: &mut SmallRng, route: Route, media: Option<&str>) -> End {
    if let Some(error) = strikes(&mut settings.error_before_commit, rng, route, media) {
        return End::Error {
            status: error.status,
            committed: false,
        };
    }
    if strikes(&mut settings.cut_before_commit, rng, route, media).is_some() {
        return End::Cut { committed: false };
    }
    if let Some(error) = strikes(&mut settings.error_after_commit, rng, route, media) {
        return End::Error {
            status: error.status,
            committed: true,
        };
    }
    if strikes(&mut settings.cut_after_commit, rng, route, media).is_some() {
        return End::Cut { committed: true };
    }
    if strikes(&mut settings.answer_without_id, rng, route, media).is_some() {
        return End::WithoutId;
    }
    if strikes(&mut settings.html_body, rng, route, media).is_some() {
        return End::Page;
    }
    End::Answered
}

fn fate(settings: &mut Settings, rng: &mut SmallRng, route: Route, media: Option<&str>) -> Fate {
    if strikes(&mut settings.stuck, rng, route, media).is_some() {
        return Fate::Stuck;
    }
    let confirm = settings.confirm_ms.draw(rng);
    if let Some(failure) = strikes(&mut settings.failed, rng, route, media) {
        return Fate::Failed(confirm, failure.detail.clone());
    }
    match strikes(&mut settings.publish_at_ms, rng, route, media) {
        Some(at) => Fate::Live(Duration::from_millis(at.ms)),
        None => Fate::Live(confirm),
    }
}
