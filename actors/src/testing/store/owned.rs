//! Whose the posts of a listing are, by the rows of attempts, as the real store tells it.
//!
//! The port calls it, and so does the simulation, which holds against it what is held.

use super::{MemoryStore, writing::held_place};
use crate::{
    error::Verdict,
    model::{AccountId, BatchId, Network, PostRef, Request, Timestamp},
    ports::{AttemptVerdict, AttemptWrite, Candidate, Owned},
};

impl MemoryStore {
    pub(in crate::testing) fn owned_now(
        &self,
        account: &AccountId,
        posts: &[Candidate],
        except: (&BatchId, u32, u32),
    ) -> Owned {
        let (batch, clip, attempt) = except;
        let rows = self.rows();
        let of_account = || rows.attempts.iter().filter(|(_, row)| row.account == account.as_str());
        let others = || of_account().filter(|((b, c, a), _)| (b, *c, *a) != (batch, clip, attempt));
        let of_other_clips = || of_account().filter(|((b, c, _), _)| (b, *c) != (batch, clip));
        let is_known = |listed: &&Candidate| {
            let is =
                |post: &PostRef| post.id == listed.post.id || (post.uuid.is_some() && post.uuid == listed.post.uuid);
            others().any(|(_, row)| row.write.post.as_ref().is_some_and(is))
        };
        let is_intended = |listed: &&Candidate| {
            let is = |request: &Request| {
                Some(request.network) == listed.network
                    && request.slot == listed.slot
                    && listed.media == [&*request.media]
            };
            of_other_clips().any(|(_, row)| is_open(&row.write) && row.write.request.as_ref().is_some_and(is))
        };
        let ids = |posts: &mut dyn Iterator<Item = &Candidate>| posts.map(|listed| listed.post.id.clone()).collect();
        Owned {
            known: ids(&mut posts.iter().filter(is_known)),
            intended: ids(&mut posts.iter().filter(is_intended)),
        }
    }
}

impl MemoryStore {
    pub(in crate::testing) fn taken_slots_now(
        &self,
        account: &AccountId,
        network: Network,
        media: &str,
        from: Timestamp,
    ) -> Vec<Timestamp> {
        let rows = self.rows();
        let of_account = rows.attempts.values().filter(|row| row.account == account.as_str());
        let places = of_account.filter_map(|row| held_place(&row.write));
        let same = places.filter(|place| place.network == network && *place.media == *media && place.slot >= from);
        let mut slots: Vec<Timestamp> = same.map(|place| place.slot).collect();
        slots.sort_unstable();
        slots
    }
}

/// Whether it is not known what the attempt made.
fn is_open(attempt: &AttemptWrite) -> bool {
    let unclear = match attempt.verdict {
        None | Some(AttemptVerdict::CannotTell | AttemptVerdict::Refused(Verdict::Unknown)) => true,
        Some(
            AttemptVerdict::Created
            | AttemptVerdict::Found
            | AttemptVerdict::Adopted
            | AttemptVerdict::Absent
            | AttemptVerdict::Published
            | AttemptVerdict::Errored
            | AttemptVerdict::TimedOut
            | AttemptVerdict::Withdrawn
            | AttemptVerdict::Refused(
                Verdict::Rejected | Verdict::Unavailable | Verdict::Throttled(_) | Verdict::Unauthorized(_),
            ),
        ) => false,
    };
    unclear && attempt.post.is_none()
}
