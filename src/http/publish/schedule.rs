//! The `schedule` of a publish request: now, at slots that begin at an instant, or in the account's best hours.
//!
//! Pure. An instant is ISO 8601 with an offset, or a local time beside the name of its zone; one that does not exist or has
//! passed is an error that says what would be right, and what had to be chosen is a warning.

use std::time::Duration;

use jiff::{
    civil::DateTime,
    fmt::temporal::{Pieces, PiecesOffset},
    tz::{AmbiguousOffset, TimeZone},
};
use storyclip_actors::model::{PublishMode, Timestamp};

use crate::http::{
    fields::{Errors, Object},
    limits,
    problem::FieldError,
};

/// Between two slots when the request does not say.
const INTERVAL: Duration = Duration::from_secs(60);

/// The longest that two slots may be apart: a week.
const INTERVAL_MAX: u64 = 7 * 86_400;

/// Between two best hours when the request does not say.
const MIN_GAP: Duration = Duration::from_secs(3_600);

/// How far ahead a first slot may lie: ten years. Metricool's own horizon is not known.
const HORIZON: Duration = Duration::from_secs(10 * 366 * 86_400);

/// What it may have.
pub const MEMBERS: &[&str] = &["mode", INSTANT, ZONE, INTERVAL_FIELD, MIN_GAP_FIELD];

const INSTANT: &str = "scheduledAt";
const ZONE: &str = "timezone";
const INTERVAL_FIELD: &str = "intervalSeconds";
const MIN_GAP_FIELD: &str = "minGapMinutes";

/// When the clips are to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the fields of the body")]
pub enum Schedule {
    /// One after the other, beginning at once.
    Now,
    /// From an instant on.
    Scheduled {
        at: Timestamp,
        interval: Duration,
        timezone: Option<String>,
    },
    /// In the best hours of the next seven days.
    BestTime {
        min_gap: Duration,
        timezone: Option<String>,
    },
}

impl Schedule {
    /// The word of the row.
    pub const fn mode(&self) -> PublishMode {
        match self {
            Self::Now => PublishMode::Now,
            Self::Scheduled { .. } => PublishMode::Scheduled,
            Self::BestTime { .. } => PublishMode::BestTime,
        }
    }
}

/// Reads the schedule; what is wrong is noted, and so is what had to be chosen.
pub fn read(errors: &mut Errors, warnings: &mut Vec<FieldError>, body: &Object<'_>, now: Timestamp) -> Schedule {
    let Ok(Some(schedule)) = body.object(errors, "INVALID_SCHEDULE", "schedule") else {
        return Schedule::Now;
    };
    let mut reading = Reading {
        errors,
        warnings,
        schedule,
        now,
    };
    match reading.mode() {
        Some(PublishMode::Scheduled) => reading.scheduled(),
        Some(PublishMode::BestTime) => reading.best_time(),
        Some(PublishMode::Now) => {
            reading.text(INSTANT);
            reading.text(ZONE);
            reading.unused(INSTANT, "now");
            reading.unused_number(INTERVAL_FIELD, "INVALID_INTERVAL", "now");
            reading.unused_number(MIN_GAP_FIELD, "INVALID_MIN_GAP", "now");
            Schedule::Now
        }
        None => Schedule::Now,
    }
}

struct Reading<'e, 'b> {
    errors: &'e mut Errors,
    warnings: &'e mut Vec<FieldError>,
    schedule: Object<'b>,
    now: Timestamp,
}

impl<'b> Reading<'_, 'b> {
    fn mode(&mut self) -> Option<PublishMode> {
        let Some(word) = self.schedule.text(self.errors, "INVALID_SCHEDULE", "mode") else {
            if self.schedule.value("mode").is_none() && self.schedule.value(INSTANT).is_some() {
                self.wrong("INVALID_SCHEDULE", "mode", "is missing beside schedule.scheduledAt");
                return None;
            }
            return self.schedule.value("mode").is_none().then_some(PublishMode::Now);
        };
        let mode = word.parse().ok();
        if mode.is_none() {
            self.wrong("INVALID_SCHEDULE", "mode", "must be now, scheduled or bestTime");
        }
        mode
    }

    fn scheduled(&mut self) -> Schedule {
        let zone = self.zone();
        let at = self.instant(&zone);
        let interval = self.number(INTERVAL_FIELD, "INVALID_INTERVAL", INTERVAL_MAX);
        self.unused_number(MIN_GAP_FIELD, "INVALID_MIN_GAP", "scheduled");
        Schedule::Scheduled {
            at: at.unwrap_or(self.now),
            interval: interval.map_or(INTERVAL, Duration::from_secs),
            timezone: zone.name(),
        }
    }

    fn best_time(&mut self) -> Schedule {
        let zone = self.zone();
        let min_gap = self.number(MIN_GAP_FIELD, "INVALID_MIN_GAP", INTERVAL_MAX / 60);
        self.text(INSTANT);
        self.unused(INSTANT, "bestTime");
        self.unused_number(INTERVAL_FIELD, "INVALID_INTERVAL", "bestTime");
        Schedule::BestTime {
            min_gap: min_gap.map_or(MIN_GAP, |minutes| Duration::from_secs(minutes * 60)),
            timezone: zone.name(),
        }
    }

    /// The instant of `scheduledAt`, in the future.
    fn instant(&mut self, zone: &Zone) -> Option<Timestamp> {
        if self.schedule.value(INSTANT).is_none() {
            self.wrong("MISSING_SCHEDULED_AT", INSTANT, "is missing");
            return None;
        }
        let text = self.text(INSTANT)?;
        let Some((wall, offset)) = wall_clock(text) else {
            let shape = "must be ISO 8601 with date and time, as in 2026-12-01T18:00:00+01:00, or without the offset beside \
                         schedule.timezone";
            self.wrong("INVALID_SCHEDULED_AT", INSTANT, shape);
            return None;
        };
        let at = match (offset, zone) {
            (_, Zone::Wrong) if offset.is_none() => return None,
            (Some(offset), _) => {
                let at = offset.to_timestamp(wall).ok().map(millis);
                if let (Zone::Known(zone), Some(at)) = (zone, at) {
                    self.compare(at, offset, zone);
                }
                at
            }
            (None, Zone::Known(zone)) => self.local(wall, zone)?,
            (None, Zone::Absent | Zone::Wrong) => {
                self.wrong(
                    "MISSING_TIMEZONE",
                    ZONE,
                    "is missing: schedule.scheduledAt has no offset, so its zone must be named",
                );
                return None;
            }
        };
        match at {
            Some(at) if at <= self.now => {
                let message = format!("must lie in the future; it is {} now", self.now);
                self.wrong("SCHEDULED_AT_IN_THE_PAST", INSTANT, message);
                None
            }
            Some(at) if at <= self.now + HORIZON => Some(at),
            Some(_) | None => {
                self.wrong("INVALID_SCHEDULED_AT", INSTANT, "must lie within the next ten years");
                None
            }
        }
    }

    /// The instant of a wall clock in a zone: the first of two; `Some(None)` beyond the calendar.
    fn local(&mut self, wall: DateTime, zone: &TimeZone) -> Option<Option<Timestamp>> {
        let ambiguous = zone.to_ambiguous_timestamp(wall);
        let earlier = ambiguous.earlier().ok();
        match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } => {}
            AmbiguousOffset::Fold { .. } => {
                if let Some(first) = earlier {
                    let message = format!(
                        "comes twice in that zone, because clocks are set back; the first was taken: {}",
                        millis(first)
                    );
                    self.warn(INSTANT, message);
                }
            }
            AmbiguousOffset::Gap { .. } => {
                let next = earlier.and_then(|before| zone.following(before).next());
                let next = next.map(|change| change.timestamp().to_zoned(zone.clone()));
                let next = next.map_or_else(String::new, |next| {
                    format!("; the next one that does is {}", next.strftime("%Y-%m-%dT%H:%M:%S%:z"))
                });
                let message = format!("does not exist in that zone, because clocks are set forward{next}");
                self.wrong("NONEXISTENT_LOCAL_TIME", INSTANT, message);
                return None;
            }
        }
        Some(earlier.map(millis))
    }

    /// An offset and a zone that disagree: the offset counts, and somebody should know.
    fn compare(&mut self, at: Timestamp, offset: jiff::tz::Offset, zone: &TimeZone) {
        let Ok(instant) = jiff::Timestamp::from_millisecond(at.as_millis()) else {
            return;
        };
        let usual = zone.to_offset(instant);
        // "Z" names an instant and no zone.
        if usual != offset && offset != jiff::tz::Offset::UTC {
            let message = format!("has another offset than its zone then has ({usual}); the offset of the text counts");
            self.warn(INSTANT, message);
        }
    }

    fn zone(&mut self) -> Zone {
        if self.schedule.value(ZONE).is_none() {
            return Zone::Absent;
        }
        let Some(name) = self.text(ZONE) else {
            return Zone::Wrong;
        };
        match TimeZone::get(name) {
            Ok(zone) if zone.iana_name().is_some() => Zone::Known(zone),
            Ok(_) | Err(_) => {
                self.wrong(
                    "UNKNOWN_TIMEZONE",
                    ZONE,
                    "must be the name of a time zone of the IANA database, as in Europe/Madrid",
                );
                Zone::Wrong
            }
        }
    }

    fn number(&mut self, field: &str, code: &'static str, most: u64) -> Option<u64> {
        let value = self.schedule.value(field)?;
        let number = value.as_u64().filter(|number| (1..=most).contains(number));
        if number.is_none() {
            self.wrong(code, field, format!("must be an integer from 1 to {most}"));
        }
        number
    }

    fn text(&mut self, field: &str) -> Option<&'b str> {
        self.schedule
            .checked(self.errors, "INVALID_SCHEDULE", field, limits::name)
    }

    fn wrong(&mut self, code: &'static str, field: &str, message: impl Into<String>) {
        self.errors.add(code, self.schedule.name(field), message);
    }

    fn warn(&mut self, field: &str, message: impl Into<String>) {
        self.warnings.push(FieldError {
            field: self.schedule.name(field),
            message: message.into(),
        });
    }

    /// A number that its mode does not look at, and so within no bounds.
    fn unused_number(&mut self, field: &str, code: &'static str, mode: &str) {
        match self.schedule.value(field) {
            Some(value) if !value.is_number() => self.wrong(code, field, "must be a number"),
            Some(_) | None => self.unused(field, mode),
        }
    }

    fn unused(&mut self, field: &str, mode: &str) {
        if self.schedule.value(field).is_some() {
            self.warn(field, format!("is not used in mode {mode}"));
        }
    }
}

/// What is known of the zone.
enum Zone {
    Absent,
    /// Given, and not to be used; that is noted already.
    Wrong,
    Known(TimeZone),
}

impl Zone {
    fn name(&self) -> Option<String> {
        match self {
            Self::Known(zone) => zone.iana_name().map(str::to_owned),
            Self::Absent | Self::Wrong => None,
        }
    }
}

/// Date, time and offset of a text that has at least the first two, and no zone in brackets.
fn wall_clock(text: &str) -> Option<(DateTime, Option<jiff::tz::Offset>)> {
    let pieces = Pieces::parse(text).ok()?;
    if pieces.time_zone_annotation().is_some() {
        return None;
    }
    let wall = pieces.date().to_datetime(pieces.time()?);
    let offset = pieces.offset().map(|offset| match offset {
        PiecesOffset::Zulu => Some(jiff::tz::Offset::UTC),
        // RFC 3339 knows no hour beyond 23 there.
        PiecesOffset::Numeric(numeric) => {
            Some(numeric.offset()).filter(|offset| offset.seconds().unsigned_abs() < 24 * 3_600)
        }
        _ => None,
    });
    match offset {
        Some(None) => None,
        Some(Some(offset)) => Some((wall, Some(offset))),
        None => Some((wall, None)),
    }
}

fn millis(instant: jiff::Timestamp) -> Timestamp {
    Timestamp::from_millis(instant.as_millisecond())
}

#[cfg(test)]
mod tests;
