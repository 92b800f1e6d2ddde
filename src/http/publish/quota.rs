//! Whether a network takes as many posts of one account in one day as a batch would give it.
//!
//! Metricool has no call that tells an account's quota, so a dry run counts what the ledger has, what other batches are
//! still to send and what the plan adds, and holds it against what the network's own pages say. Only Instagram publishes
//! numbers for what is sent there: its guide says 100 posts within 24 hours, its reference 50, and older accounts have 25
//! (`providers/networks.md`, limits). More than the largest is refused; more than the smallest may be.

use std::time::Duration;

use axum::http::StatusCode;
use storyclip_actors::{
    model::{Network, Timestamp},
    schedule::{SlotRule, planned_slots},
};

use super::{
    NewBatch,
    plan::{Planned, one_by_one},
};
use crate::{
    http::{
        AppState,
        problem::{FieldError, Problem},
    },
    store::Waiting,
};

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// What every account of this network may publish within a day, and what none may exceed.
fn quota(network: Network) -> Option<(usize, usize)> {
    match network {
        Network::Instagram => Some((25, 100)),
        Network::Facebook => None,
    }
}

/// Holds the plan against the network's quota: what may be too much is a warning.
///
/// # Errors
/// 422 `QUOTA_EXCEEDED` for what no account may publish.
pub(super) async fn check(
    app: &AppState,
    batch: &NewBatch,
    plan: &[Planned<'_>],
) -> Result<Option<FieldError>, Problem> {
    let plan: Vec<Timestamp> = plan.iter().map(|line| line.scheduled_at).collect();
    let (Some((least, most)), Some(first), Some(last)) = (quota(batch.network), plan.iter().min(), plan.iter().max())
    else {
        return Ok(None);
    };
    let around = (*first - DAY, *last + DAY);
    let taken = app.store.taken(&batch.account, batch.network, around).await?;
    let mut used = taken.posts;
    for waiting in &taken.waiting {
        used.extend(expected(&app.rules.slots, waiting, batch.created_at));
    }
    let within_a_day = busiest_day(&used, &plan);
    if within_a_day <= least {
        return Ok(None);
    }
    let told = FieldError {
        field: "posts".into(),
        message: format!(
            "make {within_a_day} of this account within 24 hours, with those that it has: {} takes {least} to {most}, by account",
            batch.network
        ),
    };
    if within_a_day <= most {
        return Ok(Some(told));
    }
    let text = format!("{} {}", told.field, told.message);
    Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "QUOTA_EXCEEDED", text).errors(vec![told]))
}

/// When another batch's clips will be published if it goes on now and all goes well: as a dry run of it would say, but what
/// is late takes the next free slots.
fn expected<'a>(rule: &'a SlotRule, waiting: &'a Waiting, now: Timestamp) -> impl Iterator<Item = Timestamp> + 'a {
    let planned = planned_slots(rule, waiting.planned.iter().copied(), now);
    planned
        .into_iter()
        .chain(one_by_one(rule, now).take(waiting.one_by_one))
}

/// The most posts within any 24 hours in which one of the plan lies.
fn busiest_day(used: &[Timestamp], plan: &[Timestamp]) -> usize {
    let mut all: Vec<(Timestamp, bool)> = used.iter().map(|at| (*at, false)).collect();
    all.extend(plan.iter().map(|at| (*at, true)));
    all.sort_unstable();
    let (mut most, mut end, mut planned) = (0, 0, 0);
    for (begin, (from, leaves)) in all.iter().enumerate() {
        while let Some((_, enters)) = all.get(end).filter(|(at, _)| *at < *from + DAY) {
            planned += usize::from(*enters);
            end += 1;
        }
        if planned > 0 {
            most = most.max(end - begin);
        }
        planned -= usize::from(*leaves);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(hours: &[i64]) -> Vec<Timestamp> {
        hours
            .iter()
            .map(|hour| Timestamp::from_millis(hour * 3_600_000))
            .collect()
    }

    #[test]
    fn a_day_moves_and_counts_only_where_the_plan_touches_it() {
        let busiest = |used: &[i64], plan: &[i64]| busiest_day(&hours(used), &hours(plan));
        assert_eq!(busiest(&[], &[1, 2, 3]), 3);
        assert_eq!(busiest(&[0, 1, 2], &[23]), 4);
        assert_eq!(
            busiest(&[0, 1, 2], &[25]),
            2,
            "after exactly a day the first counts no more"
        );
        assert_eq!(
            busiest(&[0, 0, 0, 0, 100], &[101]),
            2,
            "the day before is no matter of the plan"
        );
        assert_eq!(busiest(&[30, 31], &[10, 50]), 3);
    }

    #[test]
    fn what_waits_is_expected_at_its_slots_or_from_now_on() {
        let minutes = |minutes: &[i64]| -> Vec<Timestamp> {
            let at = |minute| Timestamp::from_millis(minute * 60_000);
            minutes.iter().copied().map(at).collect()
        };
        for (planned, one_by_one, slots) in [
            (&[1_000, 2_000][..], 0, &[1_000, 2_000][..]),
            (&[], 3, &[101, 103, 105]),
            // Paused, and its slots have passed.
            (&[10, 20, 200], 0, &[101, 102, 200]),
        ] {
            let waiting = Waiting {
                planned: minutes(planned),
                one_by_one,
            };
            let now = minutes(&[100])[0];
            let found: Vec<_> = expected(&SlotRule::default(), &waiting, now).collect();
            assert_eq!(found, minutes(slots), "{planned:?}");
        }
    }
}
