//! When an account's people look, as Metricool counts it: a value per weekday and hour.
//!
//! Mode `bestTime` asks. What the numbers of the weekdays mean is disputed among those who use this route, so it is a
//! setting. Nothing is kept.

use std::time::Duration;

use jiff::tz::TimeZone;
use reqwest::{Method, header};
use serde::Deserialize;
use storyclip_actors::{
    error::ProviderError,
    model::{AccountId, Network, Timestamp},
};

use super::{Metricool, call::Call, date, loose::Loose};
use crate::providers::BestHours;

/// How far ahead is asked: as far as Metricool advises.
const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// What the numbers 1 to 7 mean in the route's `dayOfWeek`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weekdays {
    /// Monday to Sunday, as in ISO 8601; what most clients found.
    #[default]
    Iso,
    /// Sunday to Saturday, as Metricool's own MCP server says.
    SundayFirst,
}

impl Weekdays {
    /// The weekday from Monday (0) that a number means.
    fn day(self, number: usize) -> Option<usize> {
        let number = number.checked_sub(1).filter(|number| *number < 7)?;
        Some(match self {
            Self::Iso => number,
            Self::SundayFirst => (number + 6) % 7,
        })
    }
}

#[derive(Deserialize)]
struct Envelope {
    data: Vec<Day>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Day {
    day_of_week: Loose,
    best_times_by_hour: Vec<Hour>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Hour {
    hour_of_day: Loose,
    value: Loose,
}

impl Metricool {
    /// How good the hours of the week are for this account, in the hours of this zone.
    ///
    /// # Errors
    /// As every read: the verdict is never `Unknown`.
    pub async fn best_hours(
        &self,
        account: &AccountId,
        network: Network,
        now: Timestamp,
        zone: &TimeZone,
    ) -> Result<BestHours, ProviderError> {
        let name = zone.iana_name().unwrap_or("UTC");
        let wall = |at: Timestamp| date::wall_clock_in(at, zone);
        let path = ["v2", "scheduler", "besttimes", network.as_str()];
        let request = self
            .request(Method::GET, &path, Some(account))
            .query(&[
                ("start", wall(now)),
                ("end", wall(now + WEEK)),
                ("timezone", name.to_owned()),
            ])
            .header(header::ACCEPT, "application/json");
        let answer = self.send(Call::Brand, request).await?;
        let Ok(Envelope { data }) = serde_json::from_slice(&answer.body) else {
            return Err(answer.unreadable("list of best times"));
        };
        Ok(read(&data, self.weekdays))
    }
}

/// What cannot be read of it counts as unknown.
fn read(days: &[Day], weekdays: Weekdays) -> BestHours {
    let mut hours = BestHours::default();
    for day in days {
        let number = day.day_of_week.text().and_then(|day| day.parse().ok());
        let Some(weekday) = number.and_then(|number| weekdays.day(number)) else {
            continue;
        };
        for hour in &day.best_times_by_hour {
            let of_day = hour.hour_of_day.text().and_then(|hour| hour.parse::<usize>().ok());
            let value = hour.value.text().and_then(|value| value.parse::<f64>().ok());
            if let (Some(of_day), Some(value)) = (
                of_day.filter(|hour| *hour < 24),
                value.filter(|value| value.is_finite()),
            ) {
                hours.0[weekday][of_day] = value;
            }
        }
    }
    hours
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_setting_says_what_the_numbers_mean_and_odd_rows_count_for_nothing() {
        let body = r#"{"data":[
            {"dayOfWeek":7,"bestTimesByHour":[{"hourOfDay":0,"value":12.5},{"hourOfDay":"23","value":"3"}]},
            {"dayOfWeek":1,"bestTimesByHour":[{"hourOfDay":9,"value":7},{"hourOfDay":24,"value":1},{"hourOfDay":8}]},
            {"dayOfWeek":0,"bestTimesByHour":[{"hourOfDay":9,"value":9}]},
            {"bestTimesByHour":[]}],"page":{}}"#;
        let Envelope { data } = serde_json::from_str(body).unwrap();
        let iso = read(&data, Weekdays::Iso).0;
        assert_eq!(
            (iso[6][0], iso[6][23], iso[0][9]),
            (12.5, 3.0, 7.0),
            "Sunday and Monday"
        );
        let sunday_first = read(&data, Weekdays::SundayFirst).0;
        assert_eq!(
            (sunday_first[5][0], sunday_first[6][9]),
            (12.5, 7.0),
            "Saturday and Sunday"
        );
        for hours in [iso, sunday_first] {
            assert_eq!(hours.iter().flatten().filter(|value| **value != 0.0).count(), 3);
        }
    }
}
