//! What the demo publishes, and how quickly its stand-in network confirms.

use std::time::Duration;

use serde_json::{Value, json};

use crate::sandbox::{Options, Settings, Span};

fn body(clips: &[Value]) -> String {
    json!({
        "jobId": "demo",
        "userId": "demo",
        "posts": clips,
        "settings": {"accountId": "5372118", "network": "facebook", "publishSpeed": "fast"},
    })
    .to_string()
}

fn clip(n: u32) -> Value {
    json!({"id": format!("clip_{n}"), "url": format!("https://cdn.example/clip_{n}.mp4")})
}

/// Five clips.
pub(super) fn batch() -> String {
    body(&(1..=5).map(clip).collect::<Vec<_>>())
}

/// Another one, to try the API with.
pub(super) fn one_clip() -> String {
    body(&[clip(6)])
}

/// A network that takes any slot and confirms within two seconds or so.
pub(super) fn sandbox() -> Options {
    Options {
        granularity: Duration::ZERO,
        faults: Settings {
            confirm_ms: Span::new(Duration::from_millis(500), Duration::from_millis(2_000)),
            ..Settings::default()
        },
        ..Options::default()
    }
}
