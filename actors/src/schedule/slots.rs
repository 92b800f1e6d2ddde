//! The slots of a batch that is ordered by them: those it is created with, and those its clips get.
//!
//! The publish route plans with it, the batch actor hands over with it. Pure: a clip's slot follows from its row and those of
//! its batch, so a death loses none.

use super::SlotRule;
use crate::model::{Clip, Timestamp};

/// The slots nearest to these wanted instants, in their order: none twice, none earlier than wanted, none too near to be
/// handed over.
pub fn planned_slots(rule: &SlotRule, wanted: impl IntoIterator<Item = Timestamp>, now: Timestamp) -> Vec<Timestamp> {
    let mut earliest = rule.slot(now);
    let mut slots = Vec::new();
    for wanted in wanted {
        let slot = wanted.round_up(rule.granularity).max(earliest);
        slots.push(slot);
        earliest = rule.next(slot);
    }
    slots
}

/// The slot of this clip, whose batch is ordered by slots: not before `earliest` nor before the one that was planned, after
/// those of the clips before it, and shared with no clip of the batch. The batch is at most a hundred clips long.
pub fn free_slot(rule: &SlotRule, clips: &[Clip], index: u32, earliest: Timestamp) -> Timestamp {
    let of_others = || {
        let others = clips.iter().filter(|clip| clip.index != index);
        others.filter_map(|clip| Some((clip.index, clip.slot()?)))
    };
    let planned = clips
        .iter()
        .find(|clip| clip.index == index)
        .and_then(|clip| clip.planned_for);
    let before = of_others()
        .filter(|(other, _)| *other < index)
        .map(|(_, slot)| rule.next(slot));
    let from = [planned]
        .into_iter()
        .flatten()
        .chain(before)
        .fold(earliest, Timestamp::max);
    let mut slot = from.round_up(rule.granularity);
    while of_others().any(|(_, taken)| rule.same(taken, slot)) {
        slot = rule.next(slot);
    }
    slot
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        lifecycle::{self, ClipEvent},
        model::{ClipStatus, Network, Request},
    };

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_millis(minutes * 60_000)
    }

    /// Clips planned for the minutes 10, 11, 12 …; those with a slot are with the network.
    fn clips(slots: &[Option<i64>]) -> Vec<Clip> {
        let clip = |(slot, index): (&Option<i64>, u32)| {
            let mut clip = crate::testing::fresh_clip(index, "https://m/1");
            clip.planned_for = Some(at(9 + i64::from(index)));
            if let Some(slot) = slot {
                let request = Request {
                    network: Network::Facebook,
                    media: "m".into(),
                    text: "".into(),
                    slot: at(*slot),
                };
                assert_eq!(lifecycle::apply(&mut clip, ClipEvent::Intend(request), at(0)), Ok(()));
                assert_eq!(clip.status, ClipStatus::Uploading);
            }
            clip
        };
        slots.iter().zip(1..).map(clip).collect()
    }

    #[test]
    fn a_clip_gets_the_slot_that_was_planned_unless_it_has_passed_or_is_taken() {
        let rule = SlotRule::default();
        for (slots, index, earliest, expected) in [
            (vec![None, None], 1, at(0), 10),
            (vec![Some(10), None], 2, at(0), 11),
            (vec![None, None], 1, at(15), 15),
            (vec![Some(15), None], 2, at(15), 16),
            // Taken back by a pause: its own old slot is not free, which only the store knows, so it is asked for anew.
            (vec![None, Some(11), Some(12)], 1, rule.next(at(10)), 13),
            // A clip before it has a late slot: it comes after that.
            (vec![Some(20), None, Some(12)], 2, at(0), 21),
            (vec![Some(20), None, Some(21)], 2, at(0), 22),
        ] {
            assert_eq!(
                free_slot(&rule, &clips(&slots), index, earliest),
                at(expected),
                "{slots:?}"
            );
        }
    }

    #[test]
    fn slots_are_planned_apart_from_each_other_and_from_now() {
        let rule = SlotRule::default();
        let second = Duration::from_secs(1);
        let wanted = [at(5), at(5) + second, at(5) + MINUTE * 3];
        assert_eq!(planned_slots(&rule, wanted, at(0)), [at(5), at(6), at(8)]);
        assert_eq!(planned_slots(&rule, wanted, at(5) + second), [at(7), at(8), at(9)]);
        let any = SlotRule {
            lead: Duration::ZERO,
            granularity: Duration::ZERO,
        };
        let millisecond = Duration::from_millis(1);
        assert_eq!(planned_slots(&any, [at(5), at(5)], at(0)), [at(5), at(5) + millisecond]);
    }
}
