//! The JSON of Metricool's scheduler: what is sent, strictly, and what is read, leniently.
//!
//! The client builds and parses with it. A request has no field that Metricool does not know, since it answers those
//! with 400; an answer may lack anything and carry anything else. Pure: nothing is lost when a process dies with it.

use jiff::{civil::DateTime, tz::TimeZone};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use storyclip_actors::model::{Network, Request, Timestamp};

use super::loose::Loose;

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

/// The UTC wall clock as Metricool takes it: no offset, and milliseconds only where there are any.
pub(super) fn wall_clock(instant: Timestamp) -> String {
    let text = instant.to_string();
    text.strip_suffix(".000Z")
        .or(text.strip_suffix('Z'))
        .unwrap_or(&text)
        .to_owned()
}

/// A post as the provider answers it, reduced to what is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Post {
    pub(super) id: Loose,
    pub(super) uuid: Loose,
    pub(super) text: Loose,
    pub(super) publication_date: Option<Date>,
    pub(super) creation_date: Option<Date>,
    pub(super) providers: Option<Vec<ProviderStatus>>,
    pub(super) media: Option<Vec<Loose>>,
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

/// A wall clock and its zone; the zone may have been renamed by the provider.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Date {
    date_time: Loose,
    timezone: Loose,
}

impl Date {
    /// The instant meant; `None` when either half cannot be read.
    pub(super) fn instant(&self) -> Option<Timestamp> {
        let text = self.date_time.text()?;
        let zone = TimeZone::get(self.timezone.text()?).ok()?;
        // An offset, should there be one, is the instant's own; a wall clock would drop it.
        let instant = match text.parse::<jiff::Timestamp>() {
            Ok(instant) => instant,
            Err(_) => text.parse::<DateTime>().ok()?.to_zoned(zone).ok()?.timestamp(),
        };
        Some(Timestamp::from_millis(instant.as_millisecond()))
    }
}

/// The envelope of `/v2`.
#[derive(Deserialize)]
struct Envelope<T> {
    #[serde(default = "Option::default")]
    data: Option<T>,
    page: Option<Page>,
}

#[derive(Deserialize)]
struct Page {
    next: Option<IgnoredAny>,
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
    let envelope: Envelope<Vec<serde_json::Value>> = serde_json::from_slice(body).ok()?;
    let entries = envelope.data?;
    let listed = entries.len();
    let posts: Vec<Post> = entries
        .into_iter()
        .filter_map(|entry| serde_json::from_value(entry).ok())
        .collect();
    let last_page = envelope.page.is_none_or(|page| page.next.is_none());
    let complete = last_page && posts.len() == listed;
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

fn url_within(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) => text.starts_with("http").then(|| text.clone()),
        serde_json::Value::Array(items) => items.first().and_then(url_within),
        serde_json::Value::Object(fields) => fields.get("url").or(fields.get("data")).and_then(url_within),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => None,
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
            slot: Timestamp::from_millis(slot),
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
    fn milliseconds_are_written_only_where_there_are_any() {
        assert_eq!(
            wall_clock(Timestamp::from_millis(1_904_322_600_000)),
            "2030-05-06T18:30:00"
        );
        assert_eq!(
            wall_clock(Timestamp::from_millis(1_904_322_600_007)),
            "2030-05-06T18:30:00.007"
        );
    }

    #[test]
    fn dates_honour_their_own_zone() {
        let instant = |text: &str| {
            serde_json::from_str::<Date>(text)
                .unwrap()
                .instant()
                .map(|at| at.to_string())
        };
        let madrid = instant(r#"{"dateTime":"2030-05-06T20:30:00","timezone":"Europe/Madrid"}"#);
        assert_eq!(madrid.as_deref(), Some("2030-05-06T18:30:00.000Z"));
        let winter = instant(r#"{"dateTime":"2030-01-06T20:30","timezone":"Europe/Madrid"}"#);
        assert_eq!(winter.as_deref(), Some("2030-01-06T19:30:00.000Z"));
        let fraction = instant(r#"{"dateTime":"2030-01-06T20:30:00.250","timezone":"UTC"}"#);
        assert_eq!(fraction.as_deref(), Some("2030-01-06T20:30:00.250Z"));
        let offset = instant(r#"{"dateTime":"2030-01-06T20:30:00+01:00","timezone":"UTC"}"#);
        assert_eq!(offset.as_deref(), Some("2030-01-06T19:30:00.000Z"));
        assert_eq!(instant(r#"{"dateTime":"2030-01-06T20:30:00"}"#), None);
        assert_eq!(
            instant(r#"{"dateTime":"2030-01-06T20:30:00","timezone":"Mars/Base"}"#),
            None
        );
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
