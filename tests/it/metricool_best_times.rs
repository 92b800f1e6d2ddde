//! The best times of an account, asked of the sandbox and of canned answers over real sockets.

#![allow(clippy::unwrap_used)]

use jiff::tz::TimeZone;
use serde_json::json;
use storyclip::{providers::metricool::Weekdays, sandbox::Route};
use storyclip_actors::{error::Verdict, model::Network, ports::Clock};

use crate::rehearsal::{Reply, Stage, Stub, brand};

#[tokio::test]
async fn hours_are_read_by_the_setting_of_the_weekdays() {
    let stage = Stage::set().await;
    let knob = json!({"best_times": [{"day": 1, "hour": 9, "value": 7.5}, {"day": 7, "hour": 20, "value": 3.0}]});
    stage.sandbox.faults().set(knob).unwrap();
    let zone = TimeZone::get("Europe/Madrid").unwrap();
    for (weekdays, first, seventh) in [(Weekdays::Iso, 0, 6), (Weekdays::SundayFirst, 6, 5)] {
        let metricool = stage.client(|options| options.weekdays = weekdays);
        let hours = metricool
            .best_hours(&brand(), Network::Facebook, stage.clock.now(), &zone)
            .await
            .unwrap();
        assert_eq!((hours.0[first][9], hours.0[seventh][20]), (7.5, 3.0), "{weekdays:?}");
        assert_eq!(hours.0.iter().flatten().filter(|value| **value > 0.0).count(), 2);
    }
    assert_eq!(stage.sandbox.requests()[&Route::BestTimes].count, 2);
}

#[tokio::test]
async fn an_answer_that_is_none_is_an_error_and_one_without_numbers_knows_nothing() {
    let answers = ["<html>", "[]", r#"{"data":{}}"#, r#"{"data":[]}"#];
    let stub = Stub::answering(answers.map(|body| Reply::Json(200, body))).await;
    let metricool = stub.metricool();
    for body in answers {
        let read = metricool
            .best_hours(&brand(), Network::Instagram, stub.clock.now(), &TimeZone::UTC)
            .await;
        match read {
            Ok(hours) => assert!(body.ends_with("[]}") && hours.0.iter().flatten().all(|value| *value == 0.0)),
            Err(error) => assert_eq!(error.verdict, Verdict::Unavailable, "{body}"),
        }
    }
}
