//! Metricool's dates: a naive wall clock beside the name of its zone, never in the past.
//!
//! Bodies and listing windows are read with it, posts are written with it. Pure.

use std::time::Duration;

use jiff::{civil::DateTime, tz::TimeZone};
use storyclip_actors::model::Timestamp;

use super::answer::Problem;

/// How the sandbox takes dates.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dates {
    /// Slots are cut down to whole multiples of this; zero keeps milliseconds.
    pub(super) granularity: Duration,
    /// A slot so long past is still taken; with zero one that equals now is refused.
    pub(super) grace: Duration,
}

/// The instant a naive wall clock in a zone means, cut down to the granularity, and its wall clock.
pub(super) fn slot(
    date_time: &str,
    timezone: &str,
    dates: Dates,
    now: Timestamp,
) -> Result<(Timestamp, String), Problem> {
    let zone = zone("publicationDate", timezone)?;
    let with_millis = dates.granularity < Duration::from_secs(1);
    let given = instant("publicationDate", date_time, &zone, with_millis)?;
    let slot = given.round_down(dates.granularity);
    if slot + dates.grace <= now {
        let message = format!(
            "Invalid value 'DateTimeInfo(dateTime={date_time}, timezone={timezone})'. Given datetime cannot be in the past."
        );
        return Err(Problem::field("publicationDate", message));
    }
    Ok((slot, wall_clock(slot, &zone)))
}

pub(super) fn zone(field: &str, name: &str) -> Result<TimeZone, Problem> {
    if name == "UTC" {
        return Ok(TimeZone::UTC);
    }
    TimeZone::get(name).map_err(|_| Problem::field(field, format!("Unknown time-zone ID: {name}")))
}

/// A naive `YYYY-MM-DDTHH:mm:ss` in a zone; milliseconds only where they are allowed, offsets never.
pub(super) fn instant(field: &str, text: &str, zone: &TimeZone, with_millis: bool) -> Result<Timestamp, Problem> {
    let shaped = text.len() == 19 || with_millis && text.len() == 23 && text.as_bytes()[19] == b'.';
    let naive = shaped
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'T' | b':' | b'.'));
    let wall = text.parse::<DateTime>().ok().filter(|_| naive);
    let zoned = wall.and_then(|wall| wall.to_zoned(zone.clone()).ok());
    match zoned {
        Some(zoned) => Ok(Timestamp::from_millis(zoned.timestamp().as_millisecond())),
        None => Err(Problem::field(
            field,
            format!("'{text}' does not match the pattern yyyy-MM-dd'T'HH:mm:ss"),
        )),
    }
}

/// The wall clock of an instant in a zone; milliseconds only where there are any.
pub(super) fn wall_clock(instant: Timestamp, zone: &TimeZone) -> String {
    let millis = instant.as_millis();
    match jiff::Timestamp::from_millisecond(millis) {
        Ok(instant) => {
            let wall = zone.to_datetime(instant);
            if millis % 1_000 == 0 {
                format!("{wall:.0}")
            } else {
                format!("{wall:.3}")
            }
        }
        Err(_) => "9999-12-31T23:59:59".to_owned(),
    }
}
