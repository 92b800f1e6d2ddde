//! `Retry-After`: how long a server asks to be left alone, in seconds or until an HTTP date.
//!
//! Who calls Metricool and who calls webhooks read it alike. Pure.

use std::time::Duration;

use storyclip_actors::model::Timestamp;

/// The wait from `now` on; `None` for what is neither.
pub fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(text.trim())
        .ok()?;
    Some(Timestamp::from_millis(until.as_millisecond()).since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        // 07:26:40 of the day below.
        let now = Timestamp::from_millis(1_445_412_400_000);
        let wait = |text| retry_after(text, now);
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::from_secs(80)));
        assert_eq!(wait("Wed, 21 Oct 2015 07:00:00 GMT"), Some(Duration::ZERO), "long over");
        assert_eq!(wait("soon"), None);
    }
}
