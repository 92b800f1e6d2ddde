//! Whether the network's API can be reached from here, and whether this machine's clock is right by the network's: slots
//! are computed from it.

use std::time::Duration;

use reqwest::header::DATE;
use storyclip_actors::{model::Timestamp, ports::Clock};

use crate::{
    cli::client::root_cause,
    clock::SystemClock,
    config::{Config, without_password},
    providers::http_client,
};

use super::finding::Finding;

/// A longer wait is as good as none.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The header has whole seconds, and the way takes its time.
const RIGHT: Duration = Duration::from_secs(2);

/// A post is withdrawn only where its slot is further away than 15 s, by this clock: near that nothing can be proved.
const BEARABLE: Duration = Duration::from_secs(10);

/// The findings, and whether Metricool answers at all. No token is sent.
pub(super) async fn check(config: &Config) -> (Vec<Finding>, bool) {
    let shown = without_password(&config.metricool_url);
    let client = match http_client(&config.metricool_url, 1) {
        Ok(client) => client,
        Err(error) => return (vec![Finding::failed("network", root_cause(&error))], false),
    };
    let begun = SystemClock.now();
    let answer = client.get(&config.metricool_url).timeout(TIMEOUT).send().await;
    let ended = SystemClock.now();
    let response = match answer {
        Ok(response) => response,
        Err(error) => {
            let text = format!("{shown} cannot be reached: {}", root_cause(&error));
            let todo = "look at DNS, firewall, proxy (HTTPS_PROXY) and the system's certificates (ca-certificates)";
            return (vec![Finding::failed("network", text).todo(todo)], false);
        }
    };
    let took = ended.since(begun).as_millis();
    let mut findings = vec![Finding::ok("network", format!("{shown} answers ({took} ms)"))];
    let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
    findings.push(match date.and_then(instant) {
        Some(date) => clock(begun, ended, date),
        None => Finding::skipped(
            "clock",
            "Metricool's answer has no date to compare this machine's clock with",
        ),
    });
    (findings, true)
}

fn instant(date: &str) -> Option<Timestamp> {
    let zoned = jiff::fmt::rfc2822::parse(date).ok()?;
    Some(Timestamp::from_millis(zoned.timestamp().as_millisecond()))
}

/// `theirs` was said between the two, and is cut off to a whole second.
fn clock(begun: Timestamp, ended: Timestamp, theirs: Timestamp) -> Finding {
    let latest = theirs + Duration::from_secs(1);
    let (off, way) = if begun > latest {
        (begun.since(latest), "fast")
    } else {
        (theirs.since(ended), "slow")
    };
    let text = format!(
        "this machine's clock is at least {} s {way} by Metricool's",
        off.as_secs()
    );
    if off <= RIGHT {
        Finding::ok("clock", "this machine's clock agrees with Metricool's")
    } else if off <= BEARABLE {
        Finding::warning("clock", text).todo("run an NTP client, or slots are missed")
    } else {
        Finding::failed("clock", text).todo("set the clock and run an NTP client: slots would be wrong")
    }
}

#[cfg(test)]
mod tests {
    use super::{super::finding::State, *};

    #[test]
    fn a_clock_is_judged_by_how_far_it_is_off_at_least() {
        let at = Timestamp::from_millis;
        let theirs = instant("Wed, 21 Oct 2015 07:28:00 GMT").unwrap();
        let state = |begun: i64, ended: i64| {
            let base = theirs.as_millis();
            clock(at(base + begun), at(base + ended), theirs)
        };
        assert_eq!(state(-300, 900).state, State::Ok);
        assert_eq!(state(3_000, 3_100).state, State::Ok, "two seconds and the one cut off");
        let fast = state(8_000, 8_100);
        assert_eq!(fast.state, State::Warning);
        assert!(fast.found.contains("7 s fast"), "{}", fast.found);
        let slow = state(-60_000, -59_000);
        assert_eq!(slow.state, State::Failed);
        assert!(slow.found.contains("59 s slow"), "{}", slow.found);
    }
}
