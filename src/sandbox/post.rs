//! One post of the sandbox and its life, computed from the clock whenever it is read: no timer keeps it.
//!
//! `PENDING`, from its slot on `PUBLISHING`, then `PUBLISHED` or `ERROR`. A post that was deleted before its slot never
//! goes live; one that was deleted later does, since it was on its way.

use std::time::Duration;

use serde::Serialize;
use storyclip_actors::model::Timestamp;

use super::{
    luck::{Fate, Luck},
    scheduled_post::Wanted,
};

/// A post as it was made.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) id: i64,
    pub(super) uuid: i64,
    pub(super) brand: String,
    pub(super) wanted: Wanted,
    pub(super) created: Timestamp,
    /// `created` as a wall clock in the post's zone.
    pub(super) creation_date: String,
    pub(super) luck: Luck,
    pub(super) gone: Option<Gone>,
}

/// A post that is no longer in the planner.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gone {
    pub(super) at: Timestamp,
    /// By an update; else it was deleted.
    pub(super) replaced_by: Option<i64>,
}

/// Where a post is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// Its slot lies ahead, or it is a draft, or stuck.
    Pending,
    /// Its slot has come.
    Publishing,
    /// Live.
    Published,
    /// The network refused it.
    Error,
}

impl Post {
    /// When the network begins with it; `None` for a draft, a reminder, a stuck one, and one that was removed before.
    fn starts(&self) -> Option<Timestamp> {
        let starts = self.wanted.slot.max(self.created);
        let removed = self.gone.is_some_and(|gone| gone.at < starts);
        let runs = self.wanted.auto_publish && !self.wanted.draft && self.luck.fate != Fate::Stuck && !removed;
        runs.then_some(starts)
    }

    /// When it goes live, if it is to.
    pub(super) fn goes_live(&self) -> Option<Timestamp> {
        match &self.luck.fate {
            Fate::Live(after) => self.starts().map(|_| (self.wanted.slot + *after).max(self.created)),
            Fate::Failed(..) | Fate::Stuck => None,
        }
    }

    /// When it went live, if it has.
    pub(super) fn live(&self, now: Timestamp) -> Option<Timestamp> {
        self.goes_live().filter(|at| *at <= now)
    }

    pub(super) fn state(&self, now: Timestamp) -> State {
        let Some(starts) = self.starts().filter(|starts| *starts <= now) else {
            return State::Pending;
        };
        let ends = match &self.luck.fate {
            Fate::Live(_) => self.goes_live().unwrap_or(starts),
            Fate::Failed(after, _) => (self.wanted.slot + *after).max(self.created),
            Fate::Stuck => return State::Pending,
        };
        match &self.luck.fate {
            Fate::Live(_) if ends <= now => State::Published,
            Fate::Failed(..) if ends <= now => State::Error,
            Fate::Live(_) | Fate::Failed(..) | Fate::Stuck => State::Publishing,
        }
    }

    /// An instant at which the network had not begun with it.
    pub(super) fn before_anything(&self) -> Timestamp {
        self.created - Duration::from_millis(1)
    }

    pub(super) fn readable(&self, now: Timestamp) -> bool {
        self.gone.is_none() && self.created + self.luck.invisible <= now
    }

    pub(super) fn listed(&self, now: Timestamp, hides_published: bool) -> bool {
        self.gone.is_none()
            && self.created + self.luck.unlisted <= now
            && !(hides_published && self.state(now) == State::Published)
    }

    /// The post as the API answers it.
    pub(super) fn body(&self, now: Timestamp) -> Body<'_> {
        let wanted = &self.wanted;
        Body {
            id: self.id,
            uuid: self.uuid.to_string(),
            text: &wanted.text,
            publication_date: Date {
                date_time: &wanted.date_time,
                timezone: &wanted.zone,
            },
            creation_date: Date {
                date_time: &self.creation_date,
                timezone: &wanted.zone,
            },
            providers: wanted
                .networks
                .iter()
                .map(|network| self.provider(network, now))
                .collect(),
            media: &wanted.media,
            media_alt_text: vec![None; wanted.media.len()],
            auto_publish: wanted.auto_publish,
            draft: wanted.draft,
            facebook_data: Kind {
                r#type: &wanted.facebook_type,
            },
            instagram_data: Kind {
                r#type: &wanted.instagram_type,
            },
            twitter_data: Kind { r#type: "POST" },
            linkedin_data: Kind { r#type: "POST" },
            creator_user_mail: "sandbox@storyclip.example",
            creator_user_id: 4_000_001,
        }
    }

    fn provider<'a>(&'a self, network: &'a str, now: Timestamp) -> ProviderBody<'a> {
        let pending = |word: &'a str, detail: &'a str| ProviderBody {
            network,
            id: None,
            status: self.luck.word.as_deref().unwrap_or(word),
            detailed_status: detail,
            public_url: None,
        };
        match self.state(now) {
            State::Pending => pending("PENDING", "Pending"),
            State::Publishing => pending("PUBLISHING", "Publishing"),
            State::Published => ProviderBody {
                id: Some(self.network_post_id().to_string()),
                status: "PUBLISHED",
                detailed_status: "Published",
                public_url: (!self.luck.without_url).then(|| self.url(network)),
                network,
            },
            State::Error => ProviderBody {
                network,
                id: None,
                status: "ERROR",
                detailed_status: match &self.luck.fate {
                    Fate::Failed(_, detail) => detail,
                    Fate::Live(_) | Fate::Stuck => "",
                },
                public_url: None,
            },
        }
    }

    fn network_post_id(&self) -> i64 {
        self.id + 600_000_000
    }

    fn url(&self, network: &str) -> String {
        format!(
            "https://{network}.example/{}/posts/{}",
            self.brand,
            self.network_post_id()
        )
    }
}

/// A ScheduledPost in an answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body<'a> {
    id: i64,
    uuid: String,
    text: &'a str,
    publication_date: Date<'a>,
    creation_date: Date<'a>,
    providers: Vec<ProviderBody<'a>>,
    media: &'a [String],
    media_alt_text: Vec<Option<&'a str>>,
    auto_publish: bool,
    draft: bool,
    facebook_data: Kind<'a>,
    instagram_data: Kind<'a>,
    twitter_data: Kind<'a>,
    linkedin_data: Kind<'a>,
    creator_user_mail: &'static str,
    creator_user_id: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Date<'a> {
    date_time: &'a str,
    timezone: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProviderBody<'a> {
    network: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    status: &'a str,
    detailed_status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_url: Option<String>,
}

#[derive(Serialize)]
struct Kind<'a> {
    r#type: &'a str,
}
