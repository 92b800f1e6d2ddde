//! What a collector of traces gets: the client's trace, gone on with through every clip, also over a death; and no secret.

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value as Any},
    trace::v1::{Span, status::StatusCode},
};
use prost::Message;
use reqwest::Method;
use serde_json::json;

use super::{
    receiver::{Call, Receiver, Say},
    stage::{ACCOUNT, Daemon, KEY, Stage, clips, stories},
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
const PASSWORD: &str = "collector-password-77b0";
const HEADER: &str = "collector-key-31d9";
const SIGNATURE: &str = "signature-of-media-5e21";
const PUBLISH: &str = "POST /api/metricool/publish/stories";

/// A daemon's world whose spans go to this collector, soon.
async fn stage(collector: &Receiver) -> Stage {
    let endpoint = collector.url.replace("http://", &format!("http://me:{PASSWORD}@"));
    Stage::new(json!({"confirm_ms": 20}))
        .await
        .set("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)
        .set("OTEL_EXPORTER_OTLP_HEADERS", &format!("x-collector-key={HEADER}"))
        .set("OTEL_SERVICE_NAME", "stories-eu")
        .set("OTEL_BSP_SCHEDULE_DELAY", "20")
}

async fn publish(daemon: &Daemon, urls: &[String]) -> String {
    let request = daemon.api.request(Method::POST, "/api/metricool/publish/stories");
    let request = request.header("traceparent", format!("00-{TRACE}-{PARENT}-01"));
    let answer = request.json(&stories(ACCOUNT, urls, json!({}))).send().await.unwrap();
    let answer: serde_json::Value = answer.json().await.unwrap();
    answer["batchId"].as_str().unwrap().to_owned()
}

fn spans(calls: &[Call]) -> Vec<Span> {
    let bodies = calls.iter().filter(|call| call.path == "/v1/traces");
    let exports = bodies.map(|call| ExportTraceServiceRequest::decode(&*call.body).unwrap());
    exports
        .flat_map(|export| export.resource_spans)
        .flat_map(|resource| resource.scope_spans)
        .flat_map(|scope| scope.spans)
        .collect()
}

fn named<'s>(spans: &'s [Span], name: &str) -> Vec<&'s Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn attribute<'s>(attributes: &'s [KeyValue], name: &str) -> Option<&'s Any> {
    let found = attributes.iter().find(|attribute| attribute.key == name)?;
    found.value.as_ref()?.value.as_ref()
}

#[tokio::test]
async fn a_client_s_trace_goes_on_through_every_clip_and_shows_no_secret() {
    let collector = Receiver::start().await;
    let stage = stage(&collector).await;
    let daemon = stage.start().await;
    let urls: Vec<String> = clips(2).iter().map(|url| format!("{url}?sig={SIGNATURE}")).collect();
    let id = publish(&daemon, &urls).await;
    let stream = format!("/api/metricool/stream?batchId={id}&apiKey={KEY}");
    assert_eq!(daemon.api.get(&stream).await.0, 200, "read to its end");
    let log = daemon.process.log();
    daemon.stop().await;

    let calls = collector.calls();
    let spans = spans(&calls);
    let ours: Vec<Span> = spans
        .iter()
        .filter(|span| hex(&span.trace_id) == TRACE)
        .cloned()
        .collect();
    let [request] = named(&ours, PUBLISH)[..] else {
        panic!("{ours:#?}");
    };
    assert_eq!(hex(&request.parent_span_id), PARENT);
    let status = attribute(&request.attributes, "http.response.status_code");
    assert_eq!(status, Some(&Any::IntValue(202)));
    let attempts = named(&ours, "clip.attempt");
    assert_eq!(attempts.len(), 2);
    for attempt in attempts {
        assert_eq!(attempt.parent_span_id, request.span_id);
        let verdict = attribute(&attempt.attributes, "storyclip.verdict");
        assert_eq!(verdict, Some(&Any::StringValue("published".into())));
        let within: Vec<&Span> = ours
            .iter()
            .filter(|span| span.parent_span_id == attempt.span_id)
            .collect();
        for step in ["clip.create", "clip.confirm"] {
            let [step] = within.iter().filter(|span| span.name == step).collect::<Vec<_>>()[..] else {
                panic!("{step}: {within:#?}");
            };
            let inside = attempt.start_time_unix_nano <= step.start_time_unix_nano
                && step.end_time_unix_nano <= attempt.end_time_unix_nano;
            assert!(
                inside && step.start_time_unix_nano <= step.end_time_unix_nano,
                "{step:#?}"
            );
        }
        assert!(within.iter().any(|span| span.name == "batch.commit"), "{within:#?}");
    }
    let streamed = named(&spans, "GET /api/metricool/stream");
    assert!(!streamed.is_empty() && streamed.iter().all(|span| hex(&span.trace_id) != TRACE));

    let sent: Vec<u8> = calls.iter().flat_map(|call| call.body.to_vec()).collect();
    let sent = String::from_utf8_lossy(&sent).into_owned();
    assert!(sent.contains("stories-eu"), "the service's name");
    for secret in [KEY, PASSWORD, HEADER, SIGNATURE, "apiKey"] {
        assert!(!sent.contains(secret), "{secret} was exported");
    }
    assert!(calls.iter().all(|call| call.headers["x-collector-key"] == HEADER));
    assert!(calls.iter().all(|call| call.headers.contains_key("authorization")));
    assert!(log.contains("traces are exported"), "{log}");
    stage.clear().await;
}

#[tokio::test]
async fn a_trace_goes_on_after_a_kill() {
    const CLIPS: usize = 20;
    let collector = Receiver::start().await;
    let stage = stage(&collector).await;
    let mut daemon = stage.start().await;
    let id = publish(&daemon, &clips(CLIPS)).await;
    daemon.api.clip_is(&id, 1, "published").await;
    let request = |calls: &[Call]| named(&spans(calls), PUBLISH).first().map(|span| (*span).clone());
    let calls = collector.until("the request", |calls| request(calls).is_some()).await;
    let request = request(&calls).unwrap();
    daemon.process.kill();
    daemon = stage.start().await;
    daemon.api.finished(&id).await;
    let log = daemon.process.log();
    assert!(log.contains("taking over"), "nothing was left to do: {log}");
    daemon.stop().await;
    let spans = spans(&collector.calls());
    let last = named(&spans, "clip.attempt")
        .into_iter()
        .filter(|span| attribute(&span.attributes, "storyclip.clip.index") == Some(&Any::IntValue(CLIPS as i64)));
    let last: Vec<&Span> = last.collect();
    assert_eq!(last.len(), 1, "{spans:#?}");
    assert_eq!(
        (&last[0].trace_id, &last[0].parent_span_id),
        (&request.trace_id, &request.span_id)
    );
    stage.clear().await;
}

#[tokio::test]
async fn a_clip_that_fails_is_a_span_that_failed_by_its_code_and_without_the_network_s_text() {
    let collector = Receiver::start().await;
    let stage = stage(&collector).await;
    stage.faults(json!({"failed": {"probability": 1.0}}));
    let daemon = stage.start().await;
    let body = stories(ACCOUNT, &clips(1), json!({"maxRetries": 0}));
    let id = daemon.api.publish(&body).await;
    let batch = daemon.api.finished(&id).await;
    let (code, text) = (&batch["clips"][0]["errorCode"], &batch["clips"][0]["error"]);
    daemon.stop().await;
    let calls = collector.calls();
    let spans = spans(&calls);
    let [attempt] = named(&spans, "clip.attempt")[..] else {
        panic!("{spans:#?}");
    };
    let told = |name: &str| attribute(&attempt.attributes, name).cloned();
    assert_eq!(told("storyclip.verdict"), Some(Any::StringValue("errored".into())));
    assert_eq!(
        told("error.type"),
        Some(Any::StringValue(code.as_str().unwrap().into()))
    );
    assert_eq!(attempt.status.as_ref().unwrap().code, StatusCode::Error as i32);
    let sent: Vec<u8> = calls.iter().flat_map(|call| call.body.to_vec()).collect();
    assert!(!String::from_utf8_lossy(&sent).contains(text.as_str().unwrap()));
    stage.clear().await;
}

#[tokio::test]
async fn a_collector_that_refuses_is_said_once_and_harms_nothing() {
    let collector = Receiver::start().await;
    collector.says([Say::Status(400); 3]);
    let stage = stage(&collector).await;
    let mut daemon = stage.start().await;
    for refused in 1..=3 {
        daemon.api.get("/api/metricool/brands").await;
        collector
            .until("a refused export", |calls| calls.len() >= refused)
            .await;
    }
    let id = publish(&daemon, &clips(1)).await;
    assert_eq!(daemon.api.finished(&id).await["status"], "completed");
    daemon.process.logged("traces are exported again").await;
    let log = daemon.process.log();
    assert_eq!(log.matches("traces cannot be exported").count(), 1, "{log}");
    daemon.stop().await;
    assert!(!log.contains(PASSWORD) && !log.contains(HEADER));
    stage.clear().await;
}

#[tokio::test]
async fn a_collector_that_never_answers_does_not_hold_up_the_stop() {
    let collector = Receiver::start().await;
    collector.says([Say::Nothing; 8]);
    let stage = stage(&collector).await.set("OTEL_EXPORTER_OTLP_TIMEOUT", "600000");
    let daemon = stage.start().await;
    let id = publish(&daemon, &clips(2)).await;
    assert_eq!(daemon.api.finished(&id).await["status"], "completed");
    collector.until("an export", |calls| !calls.is_empty()).await;
    daemon.stop().await;
    stage.clear().await;
}

#[tokio::test]
async fn without_an_endpoint_or_with_the_switch_off_nothing_is_exported() {
    let collector = Receiver::start().await;
    for (name, value) in [("OTEL_EXPORTER_OTLP_ENDPOINT", ""), ("OTEL_SDK_DISABLED", "true")] {
        let stage = stage(&collector).await.set(name, value);
        let daemon = stage.start().await;
        let id = publish(&daemon, &clips(1)).await;
        assert_eq!(daemon.api.finished(&id).await["status"], "completed");
        let log = daemon.process.log();
        daemon.stop().await;
        assert!(!log.contains("traces"), "{log}");
        assert!(collector.calls().is_empty());
        stage.clear().await;
    }
}

#[tokio::test]
async fn an_endpoint_that_is_none_is_refused_without_being_shown() {
    for (name, value, said) in [
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            format!("ftp://me:{PASSWORD}@there"),
            "must be an http or https URL",
        ),
        (
            "OTEL_EXPORTER_OTLP_TIMEOUT",
            "soon".to_owned(),
            "must be a number of milliseconds",
        ),
    ] {
        let collector = Receiver::start().await;
        let stage = stage(&collector).await.set(name, &value);
        let mut process = stage.spawn();
        assert_eq!(process.ended().await.code(), Some(1));
        let log = process.log();
        assert!(
            log.contains(&format!("traces: {name} {said}")) && !log.contains(PASSWORD),
            "{log}"
        );
        stage.clear().await;
    }
}
