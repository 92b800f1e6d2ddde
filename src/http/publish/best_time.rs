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

/// Those that are worth most together, so many as asked for and none nearer to another than the gap; of equal ones the
/// earlier. As many as fit, if so many do not. In order of time.
fn choose(mut candidates: Vec<(Timestamp, f64)>, count: usize, gap: Duration) -> Vec<Timestamp> {
    candidates.sort_by_key(|(at, _)| *at);
    // How many of the earlier ones go together with each.
    let earlier = |at: Timestamp| candidates.partition_point(|(other, _)| *other < at && *other + gap <= at);
    let earlier: Vec<usize> = candidates.iter().map(|(at, _)| earlier(*at)).collect();
    // What n of the first i are worth at most, in row n and column i; `None` where n do not fit.
    let mut most = vec![vec![Some(0.0); candidates.len() + 1]];
    while most.len() <= count
        && let Some(fewer) = most.last()
    {
        let mut row: Vec<Option<f64>> = vec![None];
        for (place, (_, value)) in candidates.iter().enumerate() {
            let with = fewer[earlier[place]].map(|others| others + value);
            let without = row[place];
            row.push(if with > without { with } else { without });
        }
        if row[candidates.len()].is_none() {
            break;
        }
        most.push(row);
    }
    let mut chosen = Vec::with_capacity(count);
    let mut end = candidates.len();
    for row in most.iter().skip(1).rev() {
        while row[end - 1] == row[end] {
            end -= 1;
        }
        chosen.push(candidates[end - 1].0);
        end = earlier[end - 1];
    }
    chosen.reverse();
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
    fn what_fits_is_found_though_the_best_hour_is_not_among_it() {
        let between = hours(&[(0, 10, 5.0), (0, 11, 9.0), (0, 12, 5.0)]);
        let now = "2026-01-01T10:30:00Z";
        let taken = |count| chosen(&between, now, "UTC", count, 2 * HOUR);
        assert_eq!(taken(1), ["2026-01-05T11:00:00.000Z"]);
        let both = ["2026-01-05T10:00:00.000Z", "2026-01-05T12:00:00.000Z"];
        assert_eq!(taken(2), both);
        assert_eq!(taken(3), both, "as many as fit");
        let equal = hours(&[(0, 10, 5.0), (0, 11, 5.0), (0, 12, 5.0)]);
        assert_eq!(chosen(&equal, now, "UTC", 1, HOUR), ["2026-01-05T10:00:00.000Z"]);
        assert!(chosen(&hours(&[]), now, "UTC", 1, HOUR).is_empty());
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
