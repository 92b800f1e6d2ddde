//! Instants as Metricool writes them: wall clocks, mostly with a zone beside them.
//!
//! The client sends and reads its dates with it. Pure: nothing is lost when a process dies with it.

use jiff::{civil::DateTime, tz::TimeZone};
use serde::Deserialize;
use storyclip_actors::model::Timestamp;

use super::loose::Loose;

/// The UTC wall clock as Metricool takes it: no offset, and milliseconds only where there are any.
pub(super) fn wall_clock(instant: Timestamp) -> String {
    let text = instant.to_string();
    text.strip_suffix(".000Z")
        .or(text.strip_suffix('Z'))
        .unwrap_or(&text)
        .to_owned()
}

/// The wall clock of an instant in a zone, in whole seconds.
pub(super) fn wall_clock_in(instant: Timestamp, zone: &TimeZone) -> String {
    match jiff::Timestamp::from_millisecond(instant.as_millis()) {
        Ok(instant) => format!("{:.0}", zone.to_datetime(instant)),
        Err(_) => wall_clock(instant),
    }
}

/// An instant as the provider writes it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Date {
    /// Not in Metricool's schema.
    Text(String),
    /// A wall clock and its zone; the zone may have been renamed by the provider.
    #[serde(rename_all = "camelCase")]
    Zoned {
        #[serde(default)]
        date_time: Loose,
        #[serde(default)]
        timezone: Loose,
    },
}

impl Date {
    /// The instant meant; `None` when it cannot be read, or when it is a wall clock of no zone.
    pub(super) fn instant(&self) -> Option<Timestamp> {
        match self {
            Self::Text(text) => instant(text),
            Self::Zoned { date_time, timezone } => {
                let text = date_time.text()?;
                let zone = TimeZone::get(timezone.text()?).ok()?;
                // An offset, should there be one, is the instant's own; a wall clock would drop it.
                instant(text).or_else(|| in_zone(text, zone))
            }
        }
    }

    /// The instant meant by a wall clock of no zone, if that is UTC.
    pub(super) fn in_utc(&self) -> Option<Timestamp> {
        match self {
            Self::Text(text) => in_zone(text, TimeZone::UTC),
            Self::Zoned { .. } => None,
        }
    }
}

fn instant(text: &str) -> Option<Timestamp> {
    let instant = text.parse::<jiff::Timestamp>().ok()?;
    Some(Timestamp::from_millis(instant.as_millisecond()))
}

/// A day alone is no wall clock.
fn in_zone(text: &str, zone: TimeZone) -> Option<Timestamp> {
    let wall_clock = text.contains(['T', 't', ' ']).then_some(text)?;
    let zoned = wall_clock.parse::<DateTime>().ok()?.to_zoned(zone).ok()?;
    Some(Timestamp::from_millis(zoned.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn milliseconds_are_written_only_where_there_are_any() {
        assert_eq!(
            wall_clock(Timestamp::from_millis(1_904_322_600_000)),
            "2030-05-06T18:30:00"
        );
        assert_eq!(
            wall_clock(Timestamp::from_millis(1_904_322_600_007)),
            "2030-05-06T18:30:00.007"
        );
    }

    #[test]
    fn dates_honour_their_own_zone() {
        let instant = |text: &str| {
            serde_json::from_str::<Date>(text)
                .unwrap()
                .instant()
                .map(|at| at.to_string())
        };
        let madrid = instant(r#"{"dateTime":"2030-05-06T20:30:00","timezone":"Europe/Madrid"}"#);
        assert_eq!(madrid.as_deref(), Some("2030-05-06T18:30:00.000Z"));
        let winter = instant(r#"{"dateTime":"2030-01-06T20:30","timezone":"Europe/Madrid"}"#);
        assert_eq!(winter.as_deref(), Some("2030-01-06T19:30:00.000Z"));
        let fraction = instant(r#"{"dateTime":"2030-01-06T20:30:00.250","timezone":"UTC"}"#);
        assert_eq!(fraction.as_deref(), Some("2030-01-06T20:30:00.250Z"));
        let offset = instant(r#"{"dateTime":"2030-01-06T20:30:00+01:00","timezone":"UTC"}"#);
        assert_eq!(offset.as_deref(), Some("2030-01-06T19:30:00.000Z"));
        assert_eq!(instant(r#"{"dateTime":"2030-01-06T20:30:00"}"#), None);
        assert_eq!(
            instant(r#"{"dateTime":"2030-01-06T20:30:00","timezone":"Mars/Base"}"#),
            None
        );
    }

    #[test]
    fn a_date_in_one_text_needs_an_offset_or_is_taken_for_utc() {
        let read = |text: &str| {
            let date = serde_json::from_str::<Date>(text).unwrap();
            (date.instant(), date.in_utc())
        };
        let at = Some(Timestamp::from_millis(1_904_322_600_000));
        assert_eq!(read(r#""2030-05-06T20:30:00+02:00""#).0, at);
        assert_eq!(read(r#""2030-05-06T18:30:00Z""#).0, at);
        assert_eq!(read(r#""2030-05-06T18:30:00""#), (None, at));
        assert_eq!(read(r#""2030-05-06 18:30""#), (None, at));
        for text in [
            r#""2030-05-06""#,
            r#""soon""#,
            r#""""#,
            "{}",
            r#"{"dateTime":"2030-05-06","timezone":"UTC"}"#,
        ] {
            assert_eq!(read(text), (None, None), "{text}");
        }
    }
}
