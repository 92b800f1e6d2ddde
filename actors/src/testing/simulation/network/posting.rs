//! What a create call makes of a request, and what becomes of the post.

use std::time::Duration;

use super::{GRACE, SimulatedNetwork, course::error};
use crate::{
    error::{ProviderError, Verdict},
    model::{AccountId, PostRef, Request, Timestamp},
    ports::{FailureKind, PublishFailure},
    testing::simulation::{
        dice::Dice,
        ledger::{Attempt, Fate, Post},
        scenario::Habits,
    },
};

impl SimulatedNetwork {
    /// Makes the post of a create call; refused if its slot has passed.
    pub(super) fn make(
        &self,
        account: &AccountId,
        request: &Request,
        of: Attempt,
        at: Timestamp,
    ) -> Result<PostRef, ProviderError> {
        let granularity = self.stage.scenario.rules.slots.granularity;
        if at > request.slot + GRACE + granularity {
            return Err(error(Verdict::Unavailable, false, "PAST_SLOT"));
        }
        let (mut dice, mut ledger) = (self.stage.dice(), self.stage.ledger());
        let habits = &self.stage.scenario.habits;
        let timeout = self.stage.timeout_of(&of.batch);
        let calm = self.stage.is_calm();
        let hidden = !calm && dice.chance(habits.hidden);
        let visible_after = if hidden {
            dice.millis(61_000, 400_000)
        } else {
            dice.millis(0, habits.visible_lag.as_millis() as u64)
        };
        let listed_after = {
            let [least, most] = [habits.list_lag_least, habits.list_lag].map(|lag| lag.as_millis() as u64);
            dice.millis(least, most)
        };
        let renamed = !calm && dice.chance(habits.renames_media);
        let id = ledger.new_id();
        let post = Post {
            uuid: habits.has_uuid.then(|| format!("-{id}7")),
            ids: vec![id],
            account: account.clone(),
            of: Some(of),
            request: request.clone(),
            slot: request.slot,
            media: if renamed {
                format!("{}?renamed", request.media)
            } else {
                request.media.to_string()
            },
            created_at: at,
            visible_at: at + visible_after,
            listed_at: at + listed_after,
            fate: if calm {
                Fate::GoesLive(dice.millis(100, 5_000))
            } else {
                fate(&mut dice, habits, timeout)
            },
            gone_at: None,
        };
        let made = post.reference();
        ledger.posts.push(post);
        Ok(made)
    }
}

fn fate(dice: &mut Dice, habits: &Habits, timeout: Duration) -> Fate {
    if dice.chance(habits.fails) {
        let kind = dice.pick(&[
            FailureKind::Permanent,
            FailureKind::Passing,
            FailureKind::Passing,
            FailureKind::Connection,
        ]);
        let detail = format!("{kind:?}");
        return Fate::Fails(dice.millis(0, 20_000), PublishFailure { kind, detail });
    }
    if dice.chance(habits.at_the_timeout) {
        let near = dice.pick(&[0, 0, 1, 2, 20, 400, 1_500, 3_100]);
        return Fate::GoesLive(match dice.chance(300) {
            true => timeout + Duration::from_millis(near),
            false => timeout - Duration::from_millis(near),
        });
    }
    if dice.chance(habits.late) {
        return Fate::GoesLive(timeout + dice.mostly_short(80 * 60));
    }
    if dice.chance(habits.stuck) {
        return Fate::Stuck;
    }
    Fate::GoesLive(dice.millis(100, 100) + dice.mostly_short(25))
}
