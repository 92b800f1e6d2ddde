//! The pieces that fault settings are made of: a span of milliseconds, and a fault that strikes when its conditions hold.
//!
//! `faults` composes them; the JSON forms here are what a person writes to `/_sandbox/faults`.

use std::time::Duration;

use rand::{Rng, rngs::SmallRng};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned, de::Error as _};
use serde_json::{Map, Value};

use super::route::Route;

/// From so many milliseconds to so many, both included; written `[min, max]` or as one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(into = "[u64; 2]")]
pub struct Span {
    min: u64,
    max: u64,
}

impl Span {
    /// From `min` to `max`; a smaller `max` counts as `min`.
    pub fn new(min: Duration, max: Duration) -> Self {
        let min = min.as_millis() as u64;
        Self {
            min,
            max: min.max(max.as_millis() as u64),
        }
    }

    pub(super) fn draw(self, rng: &mut SmallRng) -> Duration {
        if self.min == self.max {
            return Duration::from_millis(self.min);
        }
        Duration::from_micros(rng.random_range(self.min * 1_000..=self.max * 1_000))
    }
}

impl From<Span> for [u64; 2] {
    fn from(span: Span) -> Self {
        [span.min, span.max]
    }
}

/// A day; keeps sums of instants and spans far from any overflow.
const LONGEST_MS: u64 = 86_400_000;

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected milliseconds as a number or as [min, max]")]
        enum Form {
            Fixed(u64),
            Between([u64; 2]),
        }
        let (min, max) = match Form::deserialize(deserializer)? {
            Form::Fixed(millis) => (millis, millis),
            Form::Between([min, max]) => (min, max),
        };
        if min > max || max > LONGEST_MS {
            return Err(D::Error::custom(format!(
                "[{min}, {max}] is no span of at most {LONGEST_MS} ms"
            )));
        }
        Ok(Self { min, max })
    }
}

/// A fault and when it strikes: every condition that is set must hold. Written as an object with the conditions and the
/// fault's own fields, as `true` (always), or as the value of its one main field.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fault<D> {
    /// Only so many times more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u32>,
    /// Only with this probability, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// Only where the media URL contains this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<String>,
    /// Only on this route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
    /// What the fault itself is about.
    #[serde(flatten)]
    pub detail: D,
}

/// What a fault itself is about.
pub trait Detail: DeserializeOwned {
    /// The field that a bare value stands for; empty where there is none.
    const MAIN: &'static str;
}

impl<'de, D: Detail> Deserialize<'de> for Fault<D> {
    fn deserialize<T: Deserializer<'de>>(deserializer: T) -> Result<Self, T::Error> {
        let mut fields = match Value::deserialize(deserializer)? {
            Value::Bool(true) => Map::new(),
            Value::Object(fields) => fields,
            value if !D::MAIN.is_empty() => Map::from_iter([(D::MAIN.to_owned(), value)]),
            _ => return Err(T::Error::custom("a fault is true or an object")),
        };
        let mut condition = |name: &str| fields.remove(name).unwrap_or_default();
        let fault = (
            serde_json::from_value(condition("next")).map_err(T::Error::custom)?,
            serde_json::from_value::<Option<f64>>(condition("probability")).map_err(T::Error::custom)?,
            serde_json::from_value(condition("media")).map_err(T::Error::custom)?,
            serde_json::from_value(condition("route")).map_err(T::Error::custom)?,
        );
        if fault.1.is_some_and(|probability| !(0.0..=1.0).contains(&probability)) {
            return Err(T::Error::custom("a probability lies between 0 and 1"));
        }
        let detail = serde_json::from_value(Value::Object(fields))
            .map_err(|error| T::Error::custom(format!("{error} besides next, probability, media, route")))?;
        Ok(Self {
            next: fault.0,
            probability: fault.1,
            media: fault.2,
            route: fault.3,
            detail,
        })
    }
}

/// Asks the fault whether it strikes a request on this route with this media, and counts it if it does.
pub(super) fn strikes<'f, D>(
    fault: &'f mut Option<Fault<D>>,
    rng: &mut SmallRng,
    route: Route,
    media: Option<&str>,
) -> Option<&'f D> {
    let fault = fault.as_mut()?;
    if fault.next == Some(0) || fault.route.is_some_and(|only| only != route) {
        return None;
    }
    if let Some(part) = &fault.media
        && !media.is_some_and(|url| url.contains(part.as_str()))
    {
        return None;
    }
    if let Some(probability) = fault.probability
        && !rng.random_bool(probability)
    {
        return None;
    }
    if let Some(left) = &mut fault.next {
        *left -= 1;
    }
    Some(&fault.detail)
}

macro_rules! details {
    ($($(#[$doc:meta])* $name:ident ($main:literal) { $($(#[$fdoc:meta])* $field:ident: $type:ty = $default:expr,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name { $($(#[$fdoc])* pub $field: $type,)* }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl Detail for $name {
            const MAIN: &'static str = $main;
        }
    )*};
}

details! {
    /// It simply happens.
    Plain("") {}
    /// An error answer.
    Error("status") {
        /// The HTTP status.
        status: u16 = 500,
    }
    /// The whole provider is away.
    Away("status") {
        /// The HTTP status.
        status: u16 = 503,
    }
    /// Too many requests.
    Throttle("retry_after_s") {
        /// Seconds in `Retry-After`; none sends no such header.
        retry_after_s: Option<u64> = None,
    }
    /// The network refuses the post.
    Failure("detail") {
        /// `detailedStatus`.
        detail: String = "The media could not be processed".into(),
    }
    /// The post goes live at an exact instant.
    LiveAt("ms") {
        /// Milliseconds after the slot.
        ms: u64 = 0,
    }
    /// A status that nobody has documented.
    Word("word") {
        /// Shown until the post is final.
        word: String = "REVIEWING".into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rand::SeedableRng;

    use super::*;

    fn fault<D: Detail>(text: &str) -> Fault<D> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_counted_fault_strikes_so_often_and_only_where_its_conditions_hold() {
        let mut rng = SmallRng::seed_from_u64(1);
        let mut cut: Option<Fault<Plain>> = Some(fault(r#"{"next":2,"media":"clip_3"}"#));
        let mut hit = |media| strikes(&mut cut, &mut rng, Route::Create, media).is_some();
        assert!(!hit(Some("https://m/clip_1.mp4")) && !hit(None));
        assert!(hit(Some("https://m/clip_3.mp4")) && hit(Some("https://m/clip_3.mp4")));
        assert!(!hit(Some("https://m/clip_3.mp4")), "used up");
    }

    #[test]
    fn probabilities_and_routes_are_honoured() {
        let mut rng = SmallRng::seed_from_u64(1);
        let mut error: Option<Fault<Error>> = Some(fault(r#"{"probability":0.1,"status":502}"#));
        let hits = (0..10_000)
            .filter(|_| strikes(&mut error, &mut rng, Route::Create, None).is_some())
            .count();
        assert!((800..1_200).contains(&hits), "{hits}");
        let mut away: Option<Fault<Away>> = Some(fault(r#"{"route":"get"}"#));
        assert!(strikes(&mut away, &mut rng, Route::Create, None).is_none());
        assert_eq!(
            strikes(&mut away, &mut rng, Route::Get, None),
            Some(&Away { status: 503 })
        );
    }

    #[test]
    fn short_forms_stand_for_the_main_field_and_unknown_fields_are_refused() {
        assert_eq!(fault::<Failure>(r#""no""#).detail.detail, "no");
        assert_eq!(fault::<LiveAt>("90000").detail.ms, 90_000);
        assert_eq!(fault::<Plain>("true").next, None);
        for bad in [r#"{"nxt":1}"#, r#"{"probability":2}"#, "7", r#"{"route":"nowhere"}"#] {
            assert!(serde_json::from_str::<Fault<Plain>>(bad).is_err(), "{bad}");
        }
        for bad in ["[3,1]", "\"1\"", "[1,99999999999]"] {
            assert!(serde_json::from_str::<Span>(bad).is_err(), "{bad}");
        }
    }
}
