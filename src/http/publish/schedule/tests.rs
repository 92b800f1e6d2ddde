#![allow(clippy::unwrap_used)]

use axum::response::IntoResponse as _;
use serde_json::{Value, json};

use super::*;

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// What a schedule comes to: it and its warnings, or the code, the field and the message of its first error.
fn read_one(schedule: Value) -> Result<(Schedule, Vec<String>), (String, String)> {
    let body = json!({ "schedule": schedule });
    let (mut errors, mut warnings) = (Errors::default(), Vec::new());
    let read = read(
        &mut errors,
        &mut warnings,
        &Object::new("", body.as_object().unwrap()),
        now(),
    );
    match errors.finish() {
        Ok(()) => Ok((
            read,
            warnings
                .into_iter()
                .map(|warning| format!("{} {}", warning.field, warning.message))
                .collect(),
        )),
        Err(problem) => {
            let told = format!("{problem:?}");
            let code = told
                .split("code: \"")
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap()
                .to_owned();
            let text = told
                .split("error: \"")
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap()
                .to_owned();
            drop(problem.into_response());
            Err((code, text))
        }
    }
}

fn at(text: &str, zone: &str) -> Result<(Schedule, Vec<String>), (String, String)> {
    read_one(json!({"mode": "scheduled", "scheduledAt": text, "timezone": zone}))
}

fn instant_of(read: &Schedule) -> String {
    match read {
        Schedule::Scheduled { at, .. } => at.to_string(),
        Schedule::Now | Schedule::BestTime { .. } => panic!("{read:?}"),
    }
}

#[test]
fn local_times_are_read_on_both_sides_of_both_changes() {
    for (zone, local, utc) in [
        // Forward on 2026-03-29 at 02:00, back on 2026-10-25 at 03:00.
        ("Europe/Madrid", "2026-03-29T01:59:59", "2026-03-29T00:59:59.000Z"),
        ("Europe/Madrid", "2026-03-29T03:00:00", "2026-03-29T01:00:00.000Z"),
        ("Europe/Madrid", "2026-10-25T01:59:59", "2026-10-24T23:59:59.000Z"),
        ("Europe/Madrid", "2026-10-25T03:00:00", "2026-10-25T02:00:00.000Z"),
        // Forward on 2026-03-08 at 02:00, back on 2026-11-01 at 02:00.
        ("America/New_York", "2026-03-08T01:59:59", "2026-03-08T06:59:59.000Z"),
        ("America/New_York", "2026-03-08T03:00", "2026-03-08T07:00:00.000Z"),
        ("America/New_York", "2026-11-01T00:59:59", "2026-11-01T04:59:59.000Z"),
        ("America/New_York", "2026-11-01 02:00:00", "2026-11-01T07:00:00.000Z"),
        // Never.
        ("Asia/Kolkata", "2026-03-29T02:30:00", "2026-03-28T21:00:00.000Z"),
        ("Asia/Kolkata", "2026-10-25T02:30:00", "2026-10-24T21:00:00.000Z"),
        ("UTC", "2026-10-25T02:30:00.250", "2026-10-25T02:30:00.250Z"),
    ] {
        let (read, warnings) = at(local, zone).unwrap();
        assert_eq!((instant_of(&read).as_str(), warnings), (utc, vec![]), "{local} {zone}");
    }
}

#[test]
fn a_local_time_that_does_not_exist_is_an_error_that_names_the_next_one_that_does() {
    for (zone, local, next) in [
        ("Europe/Madrid", "2026-03-29T02:00:00", "2026-03-29T03:00:00+02:00"),
        ("Europe/Madrid", "2026-03-29T02:59:59", "2026-03-29T03:00:00+02:00"),
        ("America/New_York", "2026-03-08T02:30:00", "2026-03-08T03:00:00-04:00"),
        (
            "Australia/Lord_Howe",
            "2026-10-04T02:15:00",
            "2026-10-04T02:30:00+11:00",
        ),
    ] {
        let (code, text) = at(local, zone).unwrap_err();
        assert_eq!(code, "NONEXISTENT_LOCAL_TIME");
        assert!(text.starts_with("schedule.scheduledAt does not exist"), "{text}");
        assert!(text.ends_with(&format!("the next one that does is {next}")), "{text}");
    }
}

#[test]
fn a_local_time_that_comes_twice_is_the_first_one_and_says_so() {
    for (zone, local, first) in [
        ("Europe/Madrid", "2026-10-25T02:30:00", "2026-10-25T00:30:00.000Z"),
        ("America/New_York", "2026-11-01T01:00:00", "2026-11-01T05:00:00.000Z"),
    ] {
        let (read, warnings) = at(local, zone).unwrap();
        assert_eq!(instant_of(&read), first);
        assert_eq!(warnings.len(), 1);
        assert!(
            warnings[0].starts_with("schedule.scheduledAt comes twice") && warnings[0].ends_with(first),
            "{warnings:?}"
        );
    }
}

#[test]
fn an_offset_needs_no_zone_and_counts_before_one() {
    let alone = json!({"mode": "scheduled", "scheduledAt": "2026-12-01T18:00:00+01:00", "intervalSeconds": 90});
    let (read, warnings) = read_one(alone).unwrap();
    let expected = Schedule::Scheduled {
        at: "2026-12-01T17:00:00Z".parse().unwrap(),
        interval: Duration::from_secs(90),
        timezone: None,
    };
    assert_eq!((read, warnings), (expected, vec![]));
    for (text, told) in [
        ("2026-12-01T18:00:00+01:00", 0),
        ("2026-12-01T17:00:00Z", 0),
        ("2026-12-01T19:00:00+02:00", 1),
    ] {
        let (read, warnings) = at(text, "Europe/Madrid").unwrap();
        assert_eq!(
            (instant_of(&read).as_str(), warnings.len()),
            ("2026-12-01T17:00:00.000Z", told),
            "{text}"
        );
    }
    // In the night of the change both instants can be named.
    for (text, utc) in [
        ("2026-10-25T02:30:00+02:00", "2026-10-25T00:30:00.000Z"),
        ("2026-10-25T02:30:00+01:00", "2026-10-25T01:30:00.000Z"),
    ] {
        let (read, warnings) = at(text, "Europe/Madrid").unwrap();
        assert_eq!((instant_of(&read).as_str(), warnings), (utc, vec![]));
    }
}

#[test]
fn what_is_wrong_is_named() {
    let mode = |fields: Value| {
        let mut schedule = json!({"mode": "scheduled"});
        schedule
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        schedule
    };
    for (schedule, code, field) in [
        (mode(json!({})), "MISSING_SCHEDULED_AT", "scheduledAt"),
        (
            mode(json!({"scheduledAt": "2026-12-01T18:00:00"})),
            "MISSING_TIMEZONE",
            "timezone",
        ),
        (
            mode(json!({"scheduledAt": "2026-12-01"})),
            "INVALID_SCHEDULED_AT",
            "scheduledAt",
        ),
        (
            mode(json!({"scheduledAt": "18:00"})),
            "INVALID_SCHEDULED_AT",
            "scheduledAt",
        ),
        (
            mode(json!({"scheduledAt": "1764612000"})),
            "INVALID_SCHEDULED_AT",
            "scheduledAt",
        ),
        (
            mode(json!({"scheduledAt": "2026-12-01T18:00:00+25:00"})),
            "INVALID_SCHEDULED_AT",
            "scheduledAt",
        ),
        (
            mode(json!({"scheduledAt": "2026-02-30T18:00:00Z"})),
            "INVALID_SCHEDULED_AT",
            "scheduledAt",
        ),
        (
            mode(json!({"scheduledAt": "2026-12-01T18:00[Europe/Madrid]"})),
            "INVALID_SCHEDULED_AT",
            "scheduledAt",
        ),
        (
            mode(json!({"scheduledAt": "9999-12-31T23:59:59Z"})),
            "INVALID_SCHEDULED_AT",
            "scheduledAt",
        ),
        (
            mode(json!({"scheduledAt": "-009999-01-02T01:59:59Z"})),
            "SCHEDULED_AT_IN_THE_PAST",
            "scheduledAt",
        ),
        (
            mode(json!({"scheduledAt": "2026-01-01T00:00:00Z"})),
            "SCHEDULED_AT_IN_THE_PAST",
            "scheduledAt",
        ),
        (
            mode(json!({"scheduledAt": "2025-12-31T23:59:59Z"})),
            "SCHEDULED_AT_IN_THE_PAST",
            "scheduledAt",
        ),
        (
            mode(json!({"scheduledAt": "2026-01-01T00:59:00", "timezone": "Europe/Madrid"})),
            "SCHEDULED_AT_IN_THE_PAST",
            "scheduledAt",
        ),
        (mode(json!({"scheduledAt": 0})), "INVALID_SCHEDULE", "scheduledAt"),
        (
            mode(json!({"scheduledAt": "2026-12-01T18:00:00", "timezone": "Europe/Atlantis"})),
            "UNKNOWN_TIMEZONE",
            "timezone",
        ),
        (
            mode(json!({"scheduledAt": "2026-12-01T18:00:00Z", "timezone": "+01:00"})),
            "UNKNOWN_TIMEZONE",
            "timezone",
        ),
        (
            mode(json!({"scheduledAt": "2026-12-01T18:00:00Z", "intervalSeconds": 0})),
            "INVALID_INTERVAL",
            "intervalSeconds",
        ),
        (
            mode(json!({"scheduledAt": "2026-12-01T18:00:00Z", "intervalSeconds": 1.5})),
            "INVALID_INTERVAL",
            "intervalSeconds",
        ),
        (
            json!({"mode": "bestTime", "minGapMinutes": 0}),
            "INVALID_MIN_GAP",
            "minGapMinutes",
        ),
        (
            json!({"mode": "bestTime", "timezone": "nowhere"}),
            "UNKNOWN_TIMEZONE",
            "timezone",
        ),
        (json!({"mode": "later"}), "INVALID_SCHEDULE", "mode"),
        (
            json!({"scheduledAt": "2026-12-01T18:00:00Z"}),
            "INVALID_SCHEDULE",
            "mode",
        ),
    ] {
        let (told, text) = read_one(schedule.clone()).unwrap_err();
        assert_eq!(told, code, "{schedule}: {text}");
        assert!(text.starts_with(&format!("schedule.{field} ")), "{schedule}: {text}");
    }
}

#[test]
fn what_is_not_used_is_told() {
    let (read, warnings) = read_one(json!({"mode": "bestTime", "scheduledAt": "x", "intervalSeconds": 3})).unwrap();
    let expected = Schedule::BestTime {
        min_gap: Duration::from_secs(3_600),
        timezone: None,
    };
    assert_eq!((read, warnings.len()), (expected, 2));
    let (read, warnings) = read_one(json!({"mode": "now", "scheduledAt": "2026-12-01T18:00:00Z"})).unwrap();
    assert_eq!((read, warnings.len()), (Schedule::Now, 1));
    assert_eq!(
        read_one(json!({"timezone": "Europe/Madrid"})).unwrap(),
        (Schedule::Now, vec![])
    );
}
