//! The slots that a batch is created with, as its answer shows them.
//!
//! The route makes one before anything is stored. Pure but for the best hours, which Metricool is asked for.

use std::{collections::HashSet, iter, time::Duration};

use jiff::tz::TimeZone;
use serde::Serialize;
use storyclip_actors::{
    model::{PublishMode, Timestamp},
    schedule::{SlotRule, planned_slots},
};
use utoipa::ToSchema;

use super::{best_time, request::PublishRequest, schedule::Schedule};
use crate::{
    http::{
        AppState,
        problem::{FieldError, Problem},
    },
    store::NewClip,
};

/// What a confirmation usually takes after its slot: the middle of the looks that the documents tell of.
const CONFIRMATION: Duration = Duration::from_secs(10);

/// When each clip is to be published.
pub struct Plan {
    /// One per clip; none in mode `now`, where each follows the confirmation of the one before it.
    pub slots: Vec<Timestamp>,
    /// What had to be chosen.
    pub warnings: Vec<FieldError>,
}

/// One clip's line of the answer.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the names are the fields of the answer")]
pub struct Planned<'a> {
    pub index: usize,
    pub id: &'a str,
    pub scheduled_at: Timestamp,
}

impl Plan {
    /// # Errors
    /// Best hours that cannot be had, or are too few.
    pub async fn of(app: &AppState, request: &PublishRequest, now: Timestamp) -> Result<Self, Problem> {
        let rule = &app.rules.slots;
        let count = request.clips.len();
        match &request.schedule {
            Schedule::Now => Ok(Self {
                slots: Vec::new(),
                warnings: Vec::new(),
            }),
            Schedule::Scheduled { at, interval, timezone } => {
                let slots = planned_slots(rule, wanted(*at, *interval, count), now);
                let mut warnings = moved(&slots, *at, *interval, rule.granularity);
                let (slots, taken) = free(app, request, slots).await?;
                warnings.extend(taken);
                warnings.extend(clocks_change(&slots, timezone.as_deref()));
                Ok(Self { slots, warnings })
            }
            Schedule::BestTime { min_gap, timezone } => {
                let wanted = best_time::of(app, request, *min_gap, timezone.as_deref(), now).await?;
                let (slots, taken) = free(app, request, planned_slots(rule, wanted, now)).await?;
                Ok(Self {
                    slots,
                    warnings: taken.into_iter().collect(),
                })
            }
        }
    }

    /// The lines of the answer; none in mode `now`.
    pub fn lines<'a>(clips: &'a [NewClip], mode: PublishMode) -> Option<Vec<Planned<'a>>> {
        let lines = clips.iter().zip(1..).filter_map(|(clip, index)| {
            Some(Planned {
                index,
                id: &clip.id,
                scheduled_at: clip.planned_for?,
            })
        });
        mode.is_by_slots().then(|| lines.collect())
    }
}

/// The slots that are expected in mode `now`, where each clip follows the confirmation of the one before it, if all goes
/// well.
pub fn one_by_one(rule: &SlotRule, from: Timestamp) -> impl Iterator<Item = Timestamp> {
    iter::successors(Some(rule.slot(from)), |slot| Some(rule.slot(*slot + CONFIRMATION)))
}

fn wanted(at: Timestamp, interval: Duration, count: usize) -> impl Iterator<Item = Timestamp> {
    (0..count as u32).map(move |n| at + interval * n)
}

/// The slots as they can be had beside those of the account's other batches, and what is told if that moved some.
async fn free(
    app: &AppState,
    request: &PublishRequest,
    slots: Vec<Timestamp>,
) -> Result<(Vec<Timestamp>, Option<FieldError>), Problem> {
    let Some(first) = slots.first() else {
        return Ok((slots, None));
    };
    let settings = &request.settings;
    let taken = app.store.planned(&settings.account, settings.network, *first).await?;
    let urls = request.clips.iter().map(|clip| clip.url.as_str());
    let free = beside(&app.rules.slots, urls.zip(slots.iter().copied()), &taken);
    let mut moved = free.iter().zip(&slots).filter(|(free, wanted)| free != wanted);
    let told = moved.next().map(|(slot, wanted)| FieldError {
        field: "posts".into(),
        message: format!(
            "have media that another batch of this account has at the same time: {} of the slots are later, the first of \
             them {slot} instead of {wanted}",
            moved.count() + 1
        ),
    });
    Ok((free, told))
}

/// These slots, but none where the same media stands, and in their order.
fn beside<'a>(
    rule: &SlotRule,
    wanted: impl Iterator<Item = (&'a str, Timestamp)>,
    taken: &HashSet<(String, Timestamp)>,
) -> Vec<Timestamp> {
    let mut slots: Vec<Timestamp> = Vec::new();
    for (url, wanted) in wanted {
        let earliest = slots.last().map(|before| rule.next(*before));
        let mut place = (url.to_owned(), earliest.map_or(wanted, |earliest| earliest.max(wanted)));
        while taken.contains(&place) {
            place.1 = rule.next(place.1);
        }
        slots.push(place.1);
    }
    slots
}

/// What is told when the slots are not those that were asked for.
fn moved(slots: &[Timestamp], at: Timestamp, interval: Duration, granularity: Duration) -> Vec<FieldError> {
    let step = granularity.as_secs_f64();
    let mut warnings = Vec::new();
    if let Some(first) = slots.first().filter(|first| **first != at) {
        let why = if *first == at.round_up(granularity) {
            format!("is no multiple of {step} s, on which the network publishes")
        } else {
            "is too near to hand the clip over before it".to_owned()
        };
        warnings.push(FieldError {
            field: "schedule.scheduledAt".into(),
            message: format!("{why}: the first slot is {first}"),
        });
    }
    let even = granularity.is_zero() || interval.as_millis().is_multiple_of(granularity.as_millis());
    if slots.len() > 1 && !even {
        warnings.push(FieldError {
            field: "schedule.intervalSeconds".into(),
            message: format!(
                "is no multiple of {step} s, on which the network publishes: each slot is the next that is"
            ),
        });
    }
    warnings
}

/// What is told when clocks are changed within the plan: who wants the same hour every day does not get it.
fn clocks_change(slots: &[Timestamp], timezone: Option<&str>) -> Option<FieldError> {
    let zone = TimeZone::get(timezone?).ok()?;
    let offset = |slot: &Timestamp| {
        let instant = jiff::Timestamp::from_millisecond(slot.as_millis()).ok()?;
        Some(zone.to_offset(instant))
    };
    let usual = offset(slots.first()?)?;
    let changed = slots
        .iter()
        .find(|slot| offset(slot).is_some_and(|other| other != usual))?;
    Some(FieldError {
        field: "schedule.intervalSeconds".into(),
        message: format!(
            "counts seconds and clocks there are changed within the plan: from {changed} on slots are at another local time"
        ),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn planned(at: i64, interval: u64, now: i64) -> (Vec<i64>, Vec<String>) {
        let (at, interval) = (Timestamp::from_millis(at * 1_000), Duration::from_secs(interval));
        let slots = planned_slots(
            &SlotRule::default(),
            wanted(at, interval, 3),
            Timestamp::from_millis(now * 1_000),
        );
        let warnings = moved(&slots, at, interval, MINUTE);
        (
            slots.iter().map(|slot| slot.as_millis() / 1_000).collect(),
            warnings.into_iter().map(|warning| warning.field).collect(),
        )
    }

    #[test]
    fn slots_are_whole_minutes_none_twice_and_none_too_near() {
        let (first, apart) = ("schedule.scheduledAt".to_owned(), "schedule.intervalSeconds".to_owned());
        assert_eq!(planned(600, 60, 0), (vec![600, 660, 720], vec![]));
        assert_eq!(planned(600, 3_600, 0), (vec![600, 4_200, 7_800], vec![]));
        assert_eq!(planned(601, 60, 0), (vec![660, 720, 780], vec![first.clone()]));
        assert_eq!(planned(600, 1, 0), (vec![600, 660, 720], vec![apart.clone()]));
        assert_eq!(planned(600, 90, 0), (vec![600, 720, 780], vec![apart]));
        assert_eq!(
            planned(120, 60, 100),
            (vec![180, 240, 300], vec![first]),
            "a minute of lead"
        );
    }

    #[test]
    fn an_interval_counts_seconds_and_says_so_where_clocks_are_changed() {
        let day = Duration::from_secs(86_400);
        // The clocks of Europe/Madrid are set forward on the 28th of March 2027 at 01:00 UTC, those of New York two weeks before.
        let evening: Timestamp = "2027-03-26T17:00:00Z".parse().unwrap();
        let slots: Vec<Timestamp> = wanted(evening, day, 4).collect();
        let local = |slot: &Timestamp, zone: &str| {
            let instant = jiff::Timestamp::from_millisecond(slot.as_millis()).unwrap();
            instant.in_tz(zone).unwrap().strftime("%d %H:%M").to_string()
        };
        let at: Vec<String> = slots.iter().map(|slot| local(slot, "Europe/Madrid")).collect();
        assert_eq!(at, ["26 18:00", "27 18:00", "28 19:00", "29 19:00"]);
        let told = clocks_change(&slots, Some("Europe/Madrid")).unwrap();
        assert_eq!(told.field, "schedule.intervalSeconds");
        assert!(
            told.message.contains("from 2027-03-28T17:00:00.000Z on"),
            "{}",
            told.message
        );
        let autumn: Timestamp = "2027-10-30T16:00:00Z".parse().unwrap();
        let slots_of_autumn: Vec<Timestamp> = wanted(autumn, day, 2).collect();
        assert!(clocks_change(&slots_of_autumn, Some("Europe/Madrid")).is_some());
        for same in [Some("America/New_York"), Some("Asia/Kolkata"), Some("UTC"), None] {
            assert_eq!(clocks_change(&slots, same).map(|told| told.message), None, "{same:?}");
        }
        assert!(clocks_change(&slots[..2], Some("Europe/Madrid")).is_none());
    }
}
