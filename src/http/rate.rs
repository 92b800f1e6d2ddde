//! How many requests a key may make: a bucket per key that holds a minute's worth and fills again evenly.
//!
//! Every request whose key was accepted takes from it. Each daemon counts for itself; a restart begins with full buckets.
//! The header fields are those of the IETF draft "RateLimit header fields for HTTP" (revision 10).

use std::{
    convert::Infallible,
    sync::{Arc, OnceLock},
};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, request::Parts},
};
use dashmap::DashMap;
use storyclip_actors::model::Timestamp;

use super::problem::Problem;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// A full bucket is empty after this long at twice the rate; milliseconds.
const WINDOW: i64 = 60_000;

/// Microseconds, so that the distance between two requests can be less than a millisecond.
const WINDOW_MICROS: i64 = WINDOW * 1_000;

/// The buckets. There are never more of them than keys.
pub struct RateLimit {
    per_minute: i64,
    /// Microsecond at which the bucket is full again.
    full_at: DashMap<Arc<str>, i64>,
}

/// What a request left in its bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Allowance {
    /// Requests in a full bucket.
    limit: i64,
    /// Requests that may follow at once.
    remaining: i64,
    /// Seconds until the bucket is full.
    full_in: i64,
}

/// Where a request's [`Allowance`] is put down for its answer.
#[derive(Clone, Default)]
pub struct Metered(Arc<OnceLock<Allowance>>);

impl RateLimit {
    /// So many requests per minute and key; 0 means no limit.
    pub fn new(per_minute: u32) -> Self {
        Self {
            per_minute: per_minute.into(),
            full_at: DashMap::new(),
        }
    }

    /// Takes a request from the key's bucket.
    ///
    /// # Errors
    /// 429 `RATE_LIMITED` with `Retry-After` if it is empty.
    pub fn take(&self, key: &Arc<str>, now: Timestamp, metered: &Metered) -> Result<(), Problem> {
        if self.per_minute == 0 {
            return Ok(());
        }
        let (allowance, wait) = self.count(key, now);
        // A request has one caller; who asked first is right.
        let _already: Result<(), _> = metered.0.set(allowance);
        match wait {
            None => Ok(()),
            Some(seconds) => Err(Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "RATE_LIMITED",
                "this key makes too many requests",
            )
            .detail(format!(
                "This key may make {} requests per minute; the next one in {seconds} s.",
                self.per_minute
            ))
            .retry_after(seconds)),
        }
    }

    /// What is left, and how many seconds an empty bucket must be waited for.
    fn count(&self, key: &Arc<str>, now: Timestamp) -> (Allowance, Option<i64>) {
        let now = now.as_millis().saturating_mul(1_000);
        let spacing = WINDOW_MICROS / self.per_minute;
        let mut full_at = self.full_at.entry(key.clone()).or_insert(now);
        // A clock that was set back must not leave a bucket empty for longer than it takes to fill.
        let before = (*full_at).clamp(now, now + WINDOW_MICROS);
        let after = before + spacing;
        let room = after - now <= WINDOW_MICROS;
        *full_at = if room { after } else { before };
        let used = *full_at - now;
        let allowance = Allowance {
            limit: self.per_minute,
            remaining: (WINDOW_MICROS - used) / spacing,
            full_in: seconds(used),
        };
        (allowance, (!room).then(|| seconds(after - now - WINDOW_MICROS).max(1)))
    }
}

impl Metered {
    /// Tells the client what is left, if its key was found.
    pub fn tell(&self, headers: &mut HeaderMap) {
        let Some(Allowance {
            limit,
            remaining,
            full_in,
        }) = self.0.get()
        else {
            return;
        };
        let policy = format!("\"key\";q={limit};w={}", WINDOW / 1_000);
        let left = format!("\"key\";r={remaining};t={full_in}");
        for (name, text) in [(POLICY, policy), (LIMIT, left)] {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(name, value);
            }
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Metered {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}

/// Whole seconds, rounded up.
fn seconds(micros: i64) -> i64 {
    (micros + 999_999) / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_767_225_600_000 + millis)
    }

    #[test]
    fn a_bucket_holds_a_minutes_worth_and_fills_evenly() {
        let (rate, key) = (RateLimit::new(60), Arc::from("key_1"));
        for left in (0..60).rev() {
            let (allowance, wait) = rate.count(&key, at(0));
            assert_eq!((allowance.remaining, wait), (left, None));
        }
        let (empty, wait) = rate.count(&key, at(0));
        assert_eq!((empty.remaining, empty.full_in, wait), (0, 60, Some(1)));
        assert_eq!(rate.count(&key, at(999)).1, Some(1), "a second has not passed");
        assert_eq!(rate.count(&key, at(1_000)).1, None);
        assert_eq!(rate.count(&key, at(1_000)).1, Some(1));
        assert_eq!(
            rate.count(&key, at(3_600_000)).0.remaining,
            59,
            "it holds no more than that"
        );
        assert_eq!(
            rate.count(&Arc::from("key_2"), at(0)).0.remaining,
            59,
            "each has its own"
        );
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out() {
        let (rate, key) = (RateLimit::new(60), Arc::from("key_1"));
        assert_eq!(rate.count(&key, at(86_400_000)).1, None);
        assert!(rate.count(&key, at(0)).1.is_some());
        assert_eq!(rate.count(&key, at(2_000)).1, None, "it fills as always");
    }

    #[test]
    fn zero_is_no_limit() {
        let (rate, key) = (RateLimit::new(0), Arc::from("key_1"));
        let metered = Metered::default();
        assert!((0..1_000).all(|_| rate.take(&key, at(0), &metered).is_ok()));
        let mut headers = HeaderMap::new();
        metered.tell(&mut headers);
        assert!(headers.is_empty());
    }
}
