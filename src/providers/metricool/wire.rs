//! The JSON of Metricool's scheduler: what is sent, strictly, and what is read, leniently.
//!
//! The client builds and parses with it. A request has no field that Metricool does not know, since it answers those
//! with 400; an answer may lack anything and carry anything else. Pure: nothing is lost when a process dies with it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use storyclip_actors::model::{Network, Request};

use super::{
    date::{Date, wall_clock},
    loose::{Field, Loose},
};

/// The body of a create call: a story, published by Metricool itself at its slot.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewPost<'a> {
    text: &'a str,
    providers: [Target; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    facebook_data: Option<Story>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instagram_data: Option<Story>,
    media: [&'a str; 1],
    auto_publish: bool,
    draft: bool,
    publication_date: NewDate,
}

#[derive(Serialize)]
struct Target {
    network: &'static str,
}

#[derive(Serialize)]
struct Story {
    r#type: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewDate {
    date_time: String,
    timezone: &'static str,
}

impl<'a> NewPost<'a> {
    pub(super) fn of(request: &'a Request) -> Self {
        let (facebook_data, instagram_data) = match request.network {
            Network::Facebook => (Some(Story { r#type: "STORY" }), None),
            Network::Instagram => (None, Some(Story { r#type: "STORY" })),
        };
        Self {
            text: &request.text,
            providers: [Target {
                network: request.network.as_str(),
            }],
            facebook_data,
            instagram_data,
            media: [&request.media],
            auto_publish: true,
            draft: false,
            publication_date: NewDate {
                date_time: wall_clock(request.slot),
                timezone: "UTC",
            },
        }
    }
}

/// A post as the provider answers it, reduced to what is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Post {
    pub(super) id: Loose,
    pub(super) uuid: Loose,
    pub(super) text: Loose,
    pub(super) publication_date: Field<Date>,
    pub(super) creation_date: Field<Date>,
    pub(super) providers: Field<Vec<ProviderStatus>>,
    pub(super) media: Field<Vec<Loose>>,
    /// Not in Metricool's schema; the user's documents read these three.
    pub(super) status: Loose,
    pub(super) lifecycle: Loose,
    pub(super) external_id: Loose,
    pub(super) public_url: Loose,
}

/// What one network says about a post.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ProviderStatus {
    pub(super) network: Loose,
    pub(super) id: Loose,
    pub(super) status: Loose,
    pub(super) detailed_status: Loose,
    pub(super) public_url: Loose,
}

/// The envelope of `/v2`.
#[derive(Deserialize)]
struct Envelope<T> {
    #[serde(default = "Option::default")]
    data: Option<T>,
    #[serde(default)]
    page: Value,
}

/// Whether nothing follows: an object without `next`, or nothing at all. Any other word may mean that something does.
fn is_last(page: &Value) -> bool {
    match page {
        Value::Null => true,
        Value::Object(fields) => fields.get("next").is_none_or(Value::is_null),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The one post of an answer, in the envelope or bare; `None` for anything that cannot be one.
pub(super) fn post(body: &[u8]) -> Option<Post> {
    match serde_json::from_slice::<Envelope<Post>>(body) {
        Ok(Envelope { data: Some(post), .. }) => Some(post),
        // Without an id it is an explanation rather than a post, whatever status it has.
        Ok(Envelope { data: None, .. }) => serde_json::from_slice(body)
            .ok()
            .filter(|post: &Post| post.id.text().is_some()),
        Err(_) => None,
    }
}

/// Whether a delete was carried out by its own word: `{"data": true}`, or no body at all.
pub(super) fn deleted(body: &[u8]) -> bool {
    body.is_empty() || matches!(serde_json::from_slice(body), Ok(Envelope { data: Some(true), .. }))
}

/// The posts of a listing, and whether that is all of it: no further page, and every entry readable.
pub(super) fn posts(body: &[u8]) -> Option<(Vec<Post>, bool)> {
    let envelope: Envelope<Vec<Value>> = serde_json::from_slice(body).ok()?;
    let entries = envelope.data?;
    let listed = entries.len();
    let posts: Vec<Post> = entries
        .into_iter()
        .filter_map(|entry| serde_json::from_value(entry).ok())
        .collect();
    let odd = |post: &Post| post.providers.is_odd() || post.media.is_odd();
    let complete = is_last(&envelope.page) && posts.len() == listed && !posts.iter().any(odd);
    Some((posts, complete))
}

/// The media URL of a normalise answer: plain text, a JSON string, `{"url"}`, `{"data"}` or a list of one of them.
pub(super) fn media_url(body: &str) -> Option<String> {
    let body = body.trim();
    if body.starts_with("http") {
        return Some(body.to_owned());
    }
    url_within(&serde_json::from_str(body).ok()?)
}

fn url_within(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => text.starts_with("http").then(|| text.clone()),
        Value::Array(items) => items.first().and_then(url_within),
        Value::Object(fields) => fields.get("url").or(fields.get("data")).and_then(url_within),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn story(slot: i64) -> Request {
        Request {
            network: Network::Instagram,
            media: "https://cdn.example/a.mp4".into(),
            text: "".into(),
            slot: storyclip_actors::model::Timestamp::from_millis(slot),
        }
    }

    #[test]
    fn a_story_has_only_fields_that_metricool_knows() {
        let body = serde_json::to_value(NewPost::of(&story(1_904_322_600_000))).unwrap();
        assert_eq!(
            body,
            serde_json::json!({
                "text": "", "providers": [{"network": "instagram"}], "instagramData": {"type": "STORY"},
                "media": ["https://cdn.example/a.mp4"], "autoPublish": true, "draft": false,
                "publicationDate": {"dateTime": "2030-05-06T18:30:00", "timezone": "UTC"},
            })
        );
    }

    #[test]
    fn no_odd_field_hides_the_id() {
        for odd in ["1", "true", "\"soon\"", "[1]", "{\"a\":[2]}", "null"] {
            for name in [
                "publicationDate",
                "creationDate",
                "providers",
                "media",
                "text",
                "status",
                "uuid",
            ] {
                for body in [
                    format!(r#"{{"page":{odd},"data":{{"id":7,"{name}":{odd}}}}}"#),
                    format!(r#"{{"page":{odd},"id":7,"{name}":{odd}}}"#),
                ] {
                    let read = post(body.as_bytes()).unwrap_or_else(|| panic!("{body}"));
                    assert_eq!(read.id.text(), Some("7"), "{body}");
                }
            }
        }
    }

    #[test]
    fn ids_come_as_numbers_or_text_and_keep_every_digit() {
        let read = post(br#"{"data":{"id":300000001,"uuid":-6123456789012345678}}"#).unwrap();
        assert_eq!(
            (read.id.text(), read.uuid.text()),
            (Some("300000001"), Some("-6123456789012345678"))
        );
        let bare = post(br#"{"id":"7","status":"PUBLISHED","data":null}"#).unwrap();
        assert_eq!(bare.id.text(), Some("7"));
        assert!(post(b"<html>").is_none());
        assert!(post(br#"{"data":true}"#).is_none());
        assert!(post(b"{}").is_none());
        assert!(post(br#"{"status":"error","message":"try again"}"#).is_none());
        assert!(post(br#"{"providers":[{"network":"facebook","status":"ERROR"}]}"#).is_none());
    }

    #[test]
    fn only_true_or_silence_is_a_delete() {
        assert!(deleted(b"") && deleted(br#"{"metadata":{},"data":true}"#));
        assert!(!deleted(br#"{"data":false}"#) && !deleted(b"<html>") && !deleted(b"{}"));
    }

    #[test]
    fn a_listing_is_complete_only_without_a_next_page_and_with_every_entry_read() {
        let complete = |text: &str| posts(text.as_bytes()).map(|(posts, complete)| (posts.len(), complete));
        assert_eq!(complete(r#"{"data":[{"id":1},{"id":2}],"page":{}}"#), Some((2, true)));
        assert_eq!(complete(r#"{"data":[],"page":{"next":null}}"#), Some((0, true)));
        assert_eq!(complete(r#"{"data":[{"id":1}],"page":{"next":"x"}}"#), Some((1, false)));
        assert_eq!(complete(r#"{"data":[{"id":1},"odd"]}"#), Some((1, false)));
        assert_eq!(complete(r#"{"data":{"id":1}}"#), None);
        for page in ["[]", "\"\"", "null"] {
            assert_eq!(
                complete(&format!(r#"{{"data":[],"page":{page}}}"#)),
                Some((0, true)),
                "{page}"
            );
        }
        for page in ["2", "\"next\"", "[1]", "true", r#"{"next":false}"#, r#"{"next":{}}"#] {
            let body = format!(r#"{{"data":[],"page":{page}}}"#);
            assert_eq!(complete(&body), Some((0, false)), "{page}");
        }
        for odd in [r#""providers":["facebook"]"#, r#""media":"https://m/a.mp4""#] {
            let body = format!(r#"{{"data":[{{"id":1,{odd}}}]}}"#);
            assert_eq!(complete(&body), Some((1, false)), "{odd}");
        }
    }

    #[test]
    fn every_known_shape_of_a_normalise_answer_is_read() {
        let url = Some("https://m.example/a.mp4".to_owned());
        for body in [
            "https://m.example/a.mp4\n",
            r#""https://m.example/a.mp4""#,
            r#"{"url":"https://m.example/a.mp4"}"#,
            r#"{"data":"https://m.example/a.mp4"}"#,
            r#"{"data":{"url":"https://m.example/a.mp4"}}"#,
            r#"["https://m.example/a.mp4"]"#,
        ] {
            assert_eq!(media_url(body), url, "{body}");
        }
        for body in ["", "  ", "<html>login</html>", "null", "[]", "{}", "\"\""] {
            assert_eq!(media_url(body), None, "{body}");
        }
    }
}
