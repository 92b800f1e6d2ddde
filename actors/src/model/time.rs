//! Instants in whole milliseconds, written as RFC 3339 UTC of fixed width so that text sorts as time does.
//!
//! Used by rows, events and schedules alike.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

#[cfg(feature = "schema")]
impl utoipa::PartialSchema for Timestamp {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("UTC with milliseconds"))
            .examples(["2026-12-01T17:00:00.000Z"])
            .into()
    }
}

#[cfg(feature = "schema")]
impl utoipa::ToSchema for Timestamp {}

impl Timestamp {
    /// The instant this many milliseconds after the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// How long from `earlier` to this instant; zero if it lies before.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The first instant at or after this one that is a whole multiple of `step`; a zero step changes nothing.
    pub fn round_up(self, step: Duration) -> Self {
        match step.as_millis() as i64 {
            0 => self,
            step => Self((self.0 + step - 1).div_euclid(step) * step),
        }
    }

    /// The last instant at or before this one that is a whole multiple of `step`; a zero step changes nothing.
    pub fn round_down(self, step: Duration) -> Self {
        match step.as_millis() as i64 {
            0 => self,
            step => Self(self.0.div_euclid(step) * step),
        }
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by.as_millis() as i64))
    }
}

impl std::ops::Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(by.as_millis() as i64))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(instant) => write!(f, "{instant:.3}"),
            Err(_) => f.write_str("9999-12-31T23:59:59.999Z"),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.parse::<jiff::Timestamp>()?.as_millisecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_fixed_width_and_round_trips() {
        for millis in [0, 1, 999, 1_761_725_644_409, 4_102_444_800_000] {
            let instant = Timestamp::from_millis(millis);
            let text = instant.to_string();
            assert_eq!(text.len(), "2026-01-01T00:00:00.000Z".len(), "{text}");
            assert!(text.ends_with('Z'));
            assert_eq!(text.parse::<Timestamp>().unwrap(), instant);
        }
    }

    #[test]
    fn rounding_goes_up_to_the_minute_and_stays_on_it() {
        let minute = Duration::from_secs(60);
        assert_eq!(Timestamp::from_millis(60_001).round_up(minute).as_millis(), 120_000);
        assert_eq!(Timestamp::from_millis(60_000).round_up(minute).as_millis(), 60_000);
        assert_eq!(Timestamp::from_millis(119_999).round_down(minute).as_millis(), 60_000);
        assert_eq!(
            Timestamp::from_millis(61_234).round_up(Duration::ZERO).as_millis(),
            61_234
        );
    }
}
