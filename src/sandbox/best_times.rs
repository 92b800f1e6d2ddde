//! The best times that the sandbox knows of an account: evenings are best, unless a knob says otherwise.
//!
//! The dispatcher answers with them. Made anew for each answer.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The networks that the route knows.
const NETWORKS: [&str; 6] = ["facebook", "instagram", "tiktok", "linkedin", "youtube", "twitter"];

/// One hour of the week and what it is worth, in the numbers of the route.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BestTime {
    /// 1 to 7; whether 1 is Monday or Sunday is for the reader to decide.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// Only to be compared with others.
    pub value: f64,
}

/// Whether the route knows this network.
pub(super) fn knows(network: &str) -> bool {
    NETWORKS.contains(&network)
}

/// The seven rows, the seventh day first as Metricool lists them; hours that a knob names are worth what it says, and then
/// all others nothing.
pub(super) fn rows(given: &[BestTime]) -> Value {
    let value = |day: u8, hour: u8| {
        if given.is_empty() {
            return evening(day, hour);
        }
        let named = given.iter().find(|time| (time.day, time.hour) == (day, hour));
        named.map_or(0.0, |time| time.value)
    };
    let row = |day: u8| {
        let hours = (0..24).map(|hour| json!({"hourOfDay": hour, "value": value(day, hour)}));
        json!({"dayOfWeek": day, "bestTimesByHour": hours.collect::<Vec<_>>()})
    };
    [7, 1, 2, 3, 4, 5, 6].map(row).into_iter().collect()
}

fn evening(day: u8, hour: u8) -> f64 {
    let from_eight = f64::from(hour.abs_diff(20));
    (100.0 - 6.0 * from_eight + f64::from(day)).max(1.0)
}
