//! The posts around a slot: which of them are asked for, and what each of them is.
//!
//! The client asks and reads with it when it looks for a post whose answer was lost. Pure: a look can be repeated at will.

use std::time::Duration;

use storyclip_actors::{
    model::{Request, Timestamp},
    ports::Candidate,
};

use super::{
    date::{self, Date},
    post_ref, reading,
    wire::Post,
};

/// How far around a slot posts are listed: a post that a person moved by less is seen. Metricool's own client asks for a day
/// on each side, too.
const WINDOW: Duration = Duration::from_secs(24 * 3_600);

/// How near the slot a wall clock of no zone must be to be taken for UTC.
const ZONELESS: Duration = Duration::from_secs(30 * 60);

/// From when to when posts are listed, as wall clocks in UTC.
pub(super) fn window(slot: Timestamp) -> (String, String) {
    let second = Duration::from_secs(1);
    let start = date::wall_clock((slot - WINDOW).round_down(second));
    let end = date::wall_clock((slot + WINDOW).round_up(second));
    (start, end)
}

/// A listed post; `None` when it cannot be known which it is, or when it is due.
pub(super) fn candidate(post: &Post, request: &Request) -> Option<Candidate> {
    let media = post.media.read().into_iter().flatten();
    Some(Candidate {
        post: post_ref(post)?,
        network: reading::network(post, request.network),
        slot: slot(post.publication_date.read()?, request.slot)?,
        media: media.filter_map(|url| url.0.clone()).collect(),
        text: post.text.0.clone().unwrap_or_default(),
        created_at: post.creation_date.read().and_then(Date::instant),
    })
}

/// The slot of a post that was listed around `asked`. A wall clock of no zone is UTC, as was asked for, but only if that
/// puts it near: elsewhere it may be another zone's, and a slot misread would make the post seem absent.
fn slot(date: &Date, asked: Timestamp) -> Option<Timestamp> {
    let is_near = |slot: &Timestamp| (asked - ZONELESS..=asked + ZONELESS).contains(slot);
    date.instant().or_else(|| date.in_utc().filter(is_near))
}
