//! What requests may be, as JSON Schema, made of the bounds by which they are checked.
//!
//! Bodies are read by hand, so that every error names its field; these schemas say the same to readers and to tools. What
//! JSON Schema cannot say (ids unique in a batch, an instant in the future) is said in words.

use serde_json::{Value, json};
use storyclip_actors::model::{BatchStatus, Network, OnFailure, Speed};

use crate::{
    http::{
        keys::Scope,
        limits::{NAME, POSTS, RETRIES, TEXT, TITLE, URL},
    },
    store::{DeliveryStatus, NoticeKind},
};

/// Letters, digits, dashes, underscores.
const PLAIN: &str = "^[A-Za-z0-9_-]{1,64}$";
/// Not blank, and without control characters.
const NAMED: &str = "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$";
/// Everything but U+0000.
const FREE: &str = "^[^\\x00]*$";

/// A value that may be null, which means absent.
fn or_null(mut schema: Value) -> Value {
    let kind = schema["type"].take();
    schema["type"] = json!([kind, "null"]);
    if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        words.push(Value::Null);
    }
    schema
}

fn words<W: Copy + std::fmt::Display>(all: &[W]) -> Value {
    let words: Vec<String> = all.iter().map(W::to_string).collect();
    json!({"type": "string", "enum": words})
}

/// An object that has none but these members.
fn closed(mut schema: Value) -> Value {
    schema["additionalProperties"] = json!(false);
    schema
}

fn with_default(mut schema: Value, default: Value) -> Value {
    schema["default"] = default;
    schema
}

/// The id of a batch, an account, a post or a key.
pub fn id(example: &str) -> Value {
    json!({"type": "string", "pattern": PLAIN, "examples": [example]})
}

/// A name that the client gives.
pub fn name(example: &str) -> Value {
    json!({"type": "string", "pattern": NAMED, "minLength": 1, "maxLength": NAME, "examples": [example]})
}

fn free(most: usize) -> Value {
    json!({"type": "string", "pattern": FREE, "maxLength": most})
}

fn url(about: &str) -> Value {
    json!({"type": "string", "format": "uri", "maxLength": URL, "description": about})
}

/// The status of a batch that has ended.
pub fn past_status() -> Value {
    let past: Vec<BatchStatus> = BatchStatus::ALL
        .iter()
        .copied()
        .filter(|status| status.is_finished())
        .collect();
    words(&past)
}

/// The status of a delivery.
pub fn delivery_status() -> Value {
    words(DeliveryStatus::ALL)
}

/// The body of `POST …/publish/stories`. What is not known is a warning, so it is open.
pub fn publish() -> Value {
    json!({
        "description": "What is not known is named in `warnings`; 422 if it may decide when, where or whether to publish",
        "type": "object",
        "required": ["userId", "posts", "settings"],
        "properties": {
            "jobId": or_null(name("job_123")),
            "userId": name("u1"),
            "posts": {"type": "array", "minItems": 1, "maxItems": POSTS, "items": post()},
            "schedule": schedule(),
            "settings": settings(),
        },
    })
}

fn post() -> Value {
    let mut id = or_null(name("clip_1"));
    id["description"] =
        json!("Unique in the batch; `clip_N` if it is absent, or `clip_N_2` where another post has that");
    let mut text = or_null(free(TEXT));
    text["description"] = json!("Stored and not sent: a story carries no text");
    json!({
        "type": "object",
        "required": ["url"],
        "properties": {
            "id": id,
            "url": url("Where the network finds the media: http or https, without credentials"),
            "title": or_null(free(TITLE)),
            "text": text,
        },
    })
}

fn schedule() -> Value {
    let mut zone = or_null(json!({"type": "string", "format": "time-zone", "examples": ["Europe/Madrid"]}));
    zone["description"] = json!("A name of the IANA database; needed if `scheduledAt` has no offset");
    let unused = json!({
        "type": ["string", "null"], "pattern": NAMED, "maxLength": NAME, "description": "Not used, which a warning says",
    });
    let unused_number = json!({"type": ["number", "null"], "description": "Not used, which a warning says"});
    let week = 7 * 86_400;
    let whole = |most: u64, default: u64, about: &str| {
        let schema = json!({"type": "integer", "minimum": 1, "maximum": most, "description": about});
        with_default(or_null(schema), default.into())
    };
    json!({
        "description": "When the clips are published; `null` or absent: now",
        "anyOf": [
            {"type": "null"},
            {
                "title": "now",
                "description": "One after the other, beginning at once",
                "type": "object",
                "required": ["mode"],
                "properties": {
                    "mode": {"type": "string", "const": "now"}, "scheduledAt": unused, "timezone": unused,
                    "intervalSeconds": unused_number, "minGapMinutes": unused_number,
                },
            },
            {
                "title": "no mode",
                "description": "The same; without a mode there is no `scheduledAt`, and nothing that is not known",
                "type": "object",
                "properties": {
                    "mode": {"type": "null"}, "scheduledAt": {"type": "null"}, "timezone": unused,
                    "intervalSeconds": unused_number, "minGapMinutes": unused_number,
                },
                "additionalProperties": {"type": "null"},
            },
            {
                "title": "scheduled",
                "description": "At slots from an instant on",
                "type": "object",
                "required": ["mode", "scheduledAt"],
                "properties": {
                    "mode": {"type": "string", "const": "scheduled"},
                    "scheduledAt": {
                        "type": "string", "format": "date-time",
                        "description": "In the future, within ten years. ISO 8601; the offset may be left away beside `timezone`",
                    },
                    "timezone": zone,
                    "intervalSeconds": whole(week, 60, "Between two slots"),
                    "minGapMinutes": unused_number,
                },
            },
            {
                "title": "bestTime",
                "description": "In the best hours of the account in the next seven days",
                "type": "object",
                "required": ["mode"],
                "properties": {
                    "mode": {"type": "string", "const": "bestTime"},
                    "timezone": zone,
                    "minGapMinutes": whole(week / 60, 60, "Between two hours at least"),
                    "scheduledAt": unused, "intervalSeconds": unused_number,
                },
            },
        ],
    })
}

fn settings() -> Value {
    let mut account = id("5372118");
    account["description"] = json!("The brand at Metricool (`blogId`)");
    let mut other = or_null(id("5372118"));
    other["description"] =
        json!("Another name of `accountId`; the same where both are given. An empty one counts as absent");
    other["pattern"] = json!(PLAIN.replace("{1,", "{0,"));
    other["deprecated"] = json!(true);
    let retries = json!({"type": "integer", "minimum": 0, "maximum": RETRIES, "description": "Tries after the first"});
    json!({
        "type": "object",
        "required": ["accountId"],
        "properties": {
            "accountId": account,
            "metricoolAccountId": other,
            "publishSpeed": with_default(or_null(words(Speed::ALL)), "fast".into()),
            "network": with_default(or_null(words(Network::ALL)), "facebook".into()),
            "onFailure": with_default(or_null(words(OnFailure::ALL)), "skip".into()),
            "maxRetries": with_default(or_null(retries), 2.into()),
            "webhookUrl": or_null(url("Told of this batch's end and clips; on the public internet")),
        },
    })
}

/// The body of `retry-failed`.
pub fn retry_failed() -> Value {
    let clips = json!({
        "type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 1, "maximum": POSTS},
        "description": "The clips by number, from 1; every failed one if it is absent",
    });
    closed(json!({"type": "object", "properties": {"clips": or_null(clips)}}))
}

/// The body of `resolve`.
pub fn resolve() -> Value {
    let attempt = or_null(json!({
        "type": "integer", "minimum": 1, "maximum": u32::MAX,
        "description": "The attempt that the decision is about; 409 if another one is held",
    }));
    json!({
        "oneOf": [
            {
                "title": "adopt",
                "description": "This post is the clip's; the network still has to say that it is live",
                "type": "object",
                "required": ["action", "postId"],
                "properties": {
                    "action": {"type": "string", "const": "adopt"},
                    "postId": id("190340514"),
                    "attempt": attempt,
                },
                "additionalProperties": false,
            },
            {
                "title": "retry or drop",
                "description": "It is not live: send it again, or leave it",
                "type": "object",
                "required": ["action"],
                "properties": {
                    "action": {"type": "string", "enum": ["retry", "drop"]},
                    "postId": {"type": "null"},
                    "attempt": attempt,
                },
                "additionalProperties": false,
            },
        ],
    })
}

/// The body that makes (`new`) or changes a webhook endpoint.
pub fn endpoint(new: bool) -> Value {
    let offered: Vec<NoticeKind> = NoticeKind::ALL
        .iter()
        .copied()
        .filter(|kind| kind.is_offered())
        .collect();
    let events = json!({
        "type": "array", "minItems": 1, "maxItems": offered.len(), "items": words(&offered),
        "description": "What is told; everything if it is absent from a new endpoint",
    });
    let url = url("Called with POST; on the public internet");
    let mut schema = json!({
        "type": "object",
        "properties": {
            "url": if new { url } else { or_null(url) },
            "description": or_null(free(TITLE)),
            "events": or_null(events),
            "enabled": {"type": ["boolean", "null"], "description": "Of a change: whether messages are sent to it"},
        },
    });
    if new {
        schema["required"] = json!(["url"]);
    }
    closed(schema)
}

/// The body that has a secret changed.
pub fn rotation(usual: u64, longest: u64) -> Value {
    let overlap = json!({
        "type": "integer", "minimum": 0, "maximum": longest, "default": usual,
        "description": "How long what signed before signs, too, in seconds; 0 ends it at once, also for earlier secrets",
    });
    closed(json!({"type": "object", "properties": {"overlapSeconds": or_null(overlap)}}))
}

/// The body of a browser's subscription.
pub fn subscription(key: usize) -> Value {
    let text =
        |about: &str, format: &str| json!({"type": "string", "format": format, "maxLength": key, "description": about});
    closed(json!({
        "type": "object",
        "required": ["userId", "subscription"],
        "properties": {
            "userId": name("u1"),
            "subscription": {
                "description": "What `PushManager.subscribe` gave",
                "type": "object",
                "required": ["endpoint", "keys"],
                "properties": {
                    "endpoint": {"type": "string", "format": "push-endpoint", "description": "https", "maxLength": URL},
                    "keys": {
                        "type": "object",
                        "required": ["p256dh", "auth"],
                        "properties": {
                            "p256dh": text("A point of P-256, uncompressed, in base64url", "p256dh"),
                            "auth": text("16 bytes in base64url", "push-auth"),
                        },
                    },
                },
            },
        },
    }))
}

/// The body that makes a key.
pub fn key() -> Value {
    closed(json!({
        "type": "object",
        "required": ["scopes"],
        "properties": {
            "name": or_null(name("frontend")),
            "scopes": {
                "type": "array", "minItems": 1,
                "items": {"type": "string", "enum": Scope::ALL.map(Scope::as_str)},
            },
        },
    }))
}
