//! The slots that a batch is created with, as its answer shows them.
//!
//! The route makes one before anything is stored. Pure but for the best hours, which Metricool is asked for.

use std::time::Duration;

use serde::Serialize;
use storyclip_actors::{
    model::{PublishMode, Timestamp},
    schedule::planned_slots,
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
            Schedule::Scheduled { at, interval, .. } => {
                let slots = planned_slots(rule, wanted(*at, *interval, count), now);
                let warnings = moved(&slots, *at, *interval, rule.granularity);
                Ok(Self { slots, warnings })
            }
            Schedule::BestTime { min_gap, timezone } => {
                let wanted = best_time::of(app, request, *min_gap, timezone.as_deref(), now).await?;
                Ok(Self {
                    slots: planned_slots(rule, wanted, now),
                    warnings: Vec::new(),
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

fn wanted(at: Timestamp, interval: Duration, count: usize) -> impl Iterator<Item = Timestamp> {
    (0..count as u32).map(move |n| at + interval * n)
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

#[cfg(test)]
mod tests {
    use storyclip_actors::schedule::SlotRule;

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
}
