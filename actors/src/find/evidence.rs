//! What the looks of a search showed, for the person who must decide when it cannot: it stands in the attempt's row.
//!
//! The batch actor adds each look and makes it durable with it. A search that begins anew after a restart begins its
//! evidence anew, too: what was seen before counts for nothing.

use std::fmt;

use super::{Candidate, free, is_candidate, perhaps_moved, same_media, shown};
use crate::{
    error::ProviderError,
    model::{Clip, Request, Timestamp},
    ports::{Listing, Owned},
    schedule::SlotRule,
};

/// How many looks are told; of more the first of them go.
const TOLD: usize = 20;

/// The looks of one search, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    seen: Vec<Seen>,
    forgotten: u32,
}

/// Looks in a row that showed the same.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    first: Timestamp,
    last: Timestamp,
    times: u32,
    what: String,
}

impl Evidence {
    /// Adds a look.
    pub fn add(&mut self, at: Timestamp, what: String) {
        match self.seen.last_mut() {
            Some(seen) if seen.what == what => {
                seen.last = at;
                seen.times += 1;
            }
            Some(_) | None => self.seen.push(Seen {
                first: at,
                last: at,
                times: 1,
                what,
            }),
        }
        if self.seen.len() > TOLD {
            self.forgotten += self.seen.remove(0).times;
        }
    }
}

impl fmt::Display for Evidence {
    /// `looked at 2026-11-26T15:54:35.530Z: 3 posts listed, none of this slot; …`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.forgotten > 0 {
            write!(f, "{} looks before; ", self.forgotten)?;
        }
        for (place, seen) in self.seen.iter().enumerate() {
            let separator = if place == 0 { "" } else { "; " };
            write!(f, "{separator}looked at {}", seen.first)?;
            if seen.times > 1 {
                write!(f, " and {} times more until {}", seen.times - 1, seen.last)?;
            }
            write!(f, ": {}", seen.what)?;
        }
        Ok(())
    }
}

/// What a listing shows of a clip.
pub fn listed(clip: &Clip, request: &Request, listing: &Listing, owned: &Owned, rule: &SlotRule) -> String {
    let mut text = format!("{} posts listed", listing.posts.len());
    let candidates: Vec<&Candidate> = free(listing, owned)
        .filter(|post| is_candidate(post, clip, request, rule))
        .collect();
    if candidates.is_empty() {
        text += ", none of this slot that belongs to no other clip";
    }
    for post in candidates.iter().take(super::SHOWN) {
        let media = if same_media(post, request) { "this" } else { "another" };
        text += &format!(", {} of this slot with {media} media", post.post.id);
    }
    if candidates.len() > super::SHOWN {
        text += &format!(", {} more of this slot", candidates.len() - super::SHOWN);
    }
    let moved = perhaps_moved(clip, request, listing, owned, rule);
    if !moved.is_empty() {
        text += &format!(", of another slot with this media: {}", shown(&moved));
    }
    if !listing.complete {
        text += ", the list is not complete";
    }
    if !listing.shows_published {
        text += ", it was never seen to show published posts";
    }
    text
}

/// What a look that nobody answered shows.
pub fn unanswered(error: &ProviderError) -> String {
    format!("no usable answer ({})", error.code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_that_show_the_same_are_told_once_and_old_ones_give_way() {
        let at = |second: i64| Timestamp::from_millis(second * 1_000);
        let mut evidence = Evidence::default();
        evidence.add(at(0), "nothing".into());
        evidence.add(at(30), "nothing".into());
        evidence.add(at(60), "something".into());
        assert_eq!(
            evidence.to_string(),
            "looked at 1970-01-01T00:00:00.000Z and 1 times more until 1970-01-01T00:00:30.000Z: nothing; \
             looked at 1970-01-01T00:01:00.000Z: something"
        );
        for second in 0..20 {
            evidence.add(at(100 + second), format!("{second}"));
        }
        let text = evidence.to_string();
        assert!(
            text.starts_with("3 looks before; looked at 1970-01-01T00:01:40.000Z: 0; "),
            "{text}"
        );
    }
}
