//! Mode `bestTime`: the account's best hours of the next seven days, as Metricool counts them.
//!
//! The plan asks for them before the batch exists; a death leaves nothing. Which hours are taken is a pure choice.

use std::time::Duration;

use axum::http::StatusCode;
use jiff::{ToSpan, Zoned, tz::TimeZone};
use storyclip_actors::model::Timestamp;

use super::request::PublishRequest;
use crate::{
    http::{
        AppState,
        problem::{FieldError, Problem},
    },
    providers::BestHours,
};

/// How far ahead hours are looked at.
const HOURS: i64 = 7 * 24;

/// The best hours for the clips of this request, in order of time.
pub async fn of(
    app: &AppState,
    request: &PublishRequest,
    min_gap: Duration,
    timezone: Option<&str>,
    now: Timestamp,
) -> Result<Vec<Timestamp>, Problem> {
    // A name that was read from the body has been looked up before.
    let zone = timezone
        .and_then(|name| TimeZone::get(name).ok())
        .unwrap_or(TimeZone::UTC);
    let settings = &request.settings;
    let hours = app
        .ahead
        .best_hours(&settings.account, settings.network, now, &zone)
        .await?;
    let earliest = app.rules.slots.slot(now);
    let candidates = candidates(&hours, now, earliest, &zone);
    if candidates.is_empty() {
        let why = "Metricool knows no best times of this account yet: choose a time yourself, with mode scheduled";
        return Err(refused("NO_BEST_TIMES", "schedule.mode", why.into()));
    }
    let count = request.clips.len();
    let chosen = choose(candidates, count, min_gap);
    if chosen.len() < count {
        let why = format!(
            "leaves {} hours of the next seven days for {count} posts; make it smaller or send fewer posts",
            chosen.len()
        );
        return Err(refused("NOT_ENOUGH_BEST_TIMES", "schedule.minGapMinutes", why));
    }
    Ok(chosen)
}

fn refused(code: &'static str, field: &str, message: String) -> Problem {
    let error = format!("{field} {message}");
    let field = field.into();
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, error).errors(vec![FieldError { field, message }])
}

/// The beginnings of the hours of the next seven days that are worth something, and how much.
fn candidates(hours: &BestHours, now: Timestamp, earliest: Timestamp, zone: &TimeZone) -> Vec<(Timestamp, f64)> {
    let Ok(now) = jiff::Timestamp::from_millisecond(now.as_millis()) else {
        return Vec::new();
    };
    let worth = |start: Zoned| {
        let day = start.weekday().to_monday_zero_offset() as usize;
        let value = hours.0[day][start.hour() as usize];
        let at = Timestamp::from_millis(start.timestamp().as_millisecond());
        (value > 0.0 && at >= earliest).then_some((at, value))
    };
    let this_hour = now.to_zoned(zone.clone());
    let Ok(this_hour) = this_hour.with().minute(0).second(0).subsec_nanosecond(0).build() else {
        return Vec::new();
    };
    let starts = (1..=HOURS).filter_map(|hour| this_hour.checked_add(hour.hours()).ok());
    starts.filter_map(worth).collect()
}

/// The best first; of equal ones the earliest; none nearer to another than the gap. In order of time.
fn choose(mut candidates: Vec<(Timestamp, f64)>, count: usize, gap: Duration) -> Vec<Timestamp> {
    candidates.sort_by(|(at, value), (other_at, other)| other.total_cmp(value).then(at.cmp(other_at)));
    let mut chosen: Vec<Timestamp> = Vec::with_capacity(count);
    for (at, _) in candidates {
        if chosen.len() == count {
            break;
        }
        if chosen.iter().all(|other| at.since(*other).max(other.since(at)) >= gap) {
            chosen.push(at);
        }
    }
    chosen.sort();
    chosen
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn hours(worth: &[(usize, usize, f64)]) -> BestHours {
        let mut hours = BestHours::default();
        for (day, hour, value) in worth {
            hours.0[*day][*hour] = *value;
        }
        hours
    }

    fn chosen(hours: &BestHours, now: &str, zone: &str, count: usize, gap: Duration) -> Vec<String> {
        let zone = TimeZone::get(zone).unwrap();
        let candidates = candidates(hours, at(now), at(now) + Duration::from_secs(60), &zone);
        choose(candidates, count, gap)
            .iter()
            .map(Timestamp::to_string)
            .collect()
    }

    #[test]
    fn the_best_hours_of_the_next_seven_days_are_taken_in_order_of_time() {
        // 2026-01-01 is a Thursday.
        let hours = hours(&[(0, 9, 5.0), (3, 18, 9.0), (3, 10, 8.0), (6, 20, 7.0), (6, 21, 6.0)]);
        let now = "2026-01-01T10:30:00Z";
        assert_eq!(
            chosen(&hours, now, "UTC", 3, HOUR),
            [
                "2026-01-01T18:00:00.000Z",
                "2026-01-04T20:00:00.000Z",
                "2026-01-08T10:00:00.000Z"
            ],
            "today's ten o'clock has passed: it is next week's"
        );
        assert_eq!(
            chosen(&hours, now, "UTC", 9, HOUR).len(),
            5,
            "an hour comes once in seven days"
        );
        assert_eq!(
            chosen(&hours, now, "UTC", 4, 2 * HOUR),
            [
                "2026-01-01T18:00:00.000Z",
                "2026-01-04T20:00:00.000Z",
                "2026-01-05T09:00:00.000Z",
                "2026-01-08T10:00:00.000Z"
            ],
            "two hours that touch are too near"
        );
    }

    #[test]
    fn an_hour_is_that_of_the_zone_on_both_sides_of_a_change() {
        let hours = hours(&[(5, 10, 1.0), (0, 10, 1.0)]);
        assert_eq!(
            chosen(&hours, "2026-03-27T12:00:00Z", "Europe/Madrid", 2, HOUR),
            ["2026-03-28T09:00:00.000Z", "2026-03-30T08:00:00.000Z"]
        );
        assert_eq!(
            chosen(&hours, "2026-10-30T12:00:00Z", "America/New_York", 2, HOUR),
            ["2026-10-31T14:00:00.000Z", "2026-11-02T15:00:00.000Z"]
        );
        assert_eq!(
            chosen(&hours, "2026-03-27T12:00:00Z", "Asia/Kolkata", 2, HOUR),
            ["2026-03-28T04:30:00.000Z", "2026-03-30T04:30:00.000Z"]
        );
    }

    #[test]
    fn an_hour_that_is_too_near_and_one_that_is_worth_nothing_are_not_taken() {
        let hours = hours(&[(3, 11, 9.0)]);
        assert_eq!(
            chosen(&hours, "2026-01-01T10:59:30Z", "UTC", 1, HOUR),
            Vec::<String>::new()
        );
        assert_eq!(
            chosen(&hours, "2026-01-01T10:58:59Z", "UTC", 1, HOUR),
            ["2026-01-01T11:00:00.000Z"]
        );
        assert!(chosen(&BestHours::default(), "2026-01-01T10:00:00Z", "UTC", 1, HOUR).is_empty());
    }
}
