//! The body of a create or update, read as strictly as Metricool reads it.
//!
//! The handlers parse every body here; what it gives is valid and has a slot. Pure.

use storyclip_actors::model::Timestamp;

use super::{
    answer::Problem,
    dates::{Dates, slot},
    fields::{Object, ScheduledPost, Target},
};

const NETWORKS: [&str; 11] = [
    "facebook",
    "instagram",
    "twitter",
    "linkedin",
    "tiktok",
    "youtube",
    "threads",
    "pinterest",
    "bluesky",
    "gmb",
    "twitch",
];

/// A valid post as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) slot: Timestamp,
    /// The slot's wall clock in `zone`, as it is echoed.
    pub(super) date_time: String,
    pub(super) zone: String,
    pub(super) text: String,
    pub(super) networks: Vec<String>,
    pub(super) media: Vec<String>,
    pub(super) facebook_type: String,
    pub(super) instagram_type: String,
    pub(super) auto_publish: bool,
    pub(super) draft: bool,
    /// Only an update has one.
    pub(super) id: Option<i64>,
}

/// Reads and checks a body.
pub(super) fn parse(body: &[u8], dates: Dates, now: Timestamp) -> Result<Wanted, Problem> {
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Problem::new(
            400,
            "Cannot deserialize value of type `ScheduledPost`: the body is no JSON object",
        ));
    }
    let post: ScheduledPost =
        serde_json::from_slice(body).map_err(|error| Problem::new(400, jackson(&error.to_string())))?;
    let text = post.text.ok_or_else(|| Problem::field("text", "must not be null"))?;
    let date = post
        .publication_date
        .ok_or_else(|| Problem::field("publicationDate", "must not be null"))?
        .0;
    let networks = networks(post.providers.unwrap_or_default())?;
    let media = post.media.unwrap_or_default();
    let facebook_type = kind(
        "facebookData",
        post.facebook_data.and_then(|data| data.0.r#type),
        &["POST", "REEL", "STORY"],
    )?;
    let instagram_type = kind(
        "instagramData",
        post.instagram_data.and_then(|data| data.0.r#type),
        &["POST", "REEL", "STORY", "TRIAL_REEL"],
    )?;
    let goes_to = |name: &str| networks.iter().any(|network| network == name);
    let story = goes_to("facebook") && facebook_type == "STORY" || goes_to("instagram") && instagram_type == "STORY";
    if story && !text.is_empty() {
        return Err(Problem::field(
            "text",
            "The text of a story must have at most 0 characters",
        ));
    }
    if media.is_empty() && (story || goes_to("instagram")) {
        return Err(Problem::field("media", "must not be empty"));
    }
    if let Some(url) = media.iter().find(|url| !url.starts_with("http")) {
        return Err(Problem::field("media", format!("Invalid value '{url}'")));
    }
    let (slot, date_time) = slot(&date.date_time, &date.timezone, dates, now)?;
    Ok(Wanted {
        slot,
        date_time,
        zone: date.timezone,
        text,
        networks,
        media,
        facebook_type,
        instagram_type,
        auto_publish: post.auto_publish.unwrap_or(true),
        draft: post.draft.unwrap_or(false),
        id: post.id,
    })
}

/// An unknown field as Jackson words it, with the known ones; other errors as they are.
fn jackson(error: &str) -> String {
    match error
        .strip_prefix("unknown field ")
        .and_then(|rest| rest.split_once(", expected "))
    {
        Some((name, known)) => {
            let name = name.trim_matches('`');
            let known = known.trim_start_matches("one of ").replace('`', "\"");
            format!("Unrecognized field \"{name}\", not marked as ignorable (known properties: {known})")
        }
        None => error.to_owned(),
    }
}

fn networks(providers: Vec<Object<Target>>) -> Result<Vec<String>, Problem> {
    if providers.is_empty() {
        return Err(Problem::field("providers", "must not be empty"));
    }
    let networks: Vec<String> = providers.into_iter().map(|provider| provider.0.network).collect();
    match networks.iter().find(|network| !NETWORKS.contains(&network.as_str())) {
        Some(unknown) => {
            let valid = NETWORKS.join(", ");
            Err(Problem::field(
                "providers",
                format!("Invalid field '{unknown}'. Valid values are: [{valid}]"),
            ))
        }
        None => Ok(networks),
    }
}

fn kind(field: &str, given: Option<String>, valid: &[&str]) -> Result<String, Problem> {
    let given = given.unwrap_or_else(|| "POST".into());
    if valid.contains(&given.as_str()) {
        return Ok(given);
    }
    Err(Problem::field(
        field,
        format!("Invalid field '{given}'. Valid values are: [{}]", valid.join(", ")),
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;

    const MINUTES: Dates = Dates {
        granularity: Duration::from_secs(60),
        grace: Duration::ZERO,
    };

    fn now() -> Timestamp {
        "2030-05-06T16:30:20Z".parse().unwrap()
    }

    fn story(changes: Value) -> Vec<u8> {
        let mut body = json!({"text": "", "providers": [{"network": "facebook"}], "facebookData": {"type": "STORY"},
            "media": ["https://m/a.mp4"], "autoPublish": true, "draft": false,
            "publicationDate": {"dateTime": "2030-05-06T18:35:42", "timezone": "Europe/Madrid"}});
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        serde_json::to_vec(&body).unwrap()
    }

    #[test]
    fn seconds_are_dropped_and_the_zone_is_honoured() {
        let wanted = parse(&story(json!({})), MINUTES, now()).unwrap();
        assert_eq!(wanted.slot.to_string(), "2030-05-06T16:35:00.000Z");
        assert_eq!(
            (wanted.date_time.as_str(), wanted.zone.as_str()),
            ("2030-05-06T18:35:00", "Europe/Madrid")
        );
    }

    #[test]
    fn bad_bodies_are_refused_with_the_field() {
        for (changes, said) in [
            (json!({"externalId": "b_1"}), "Unrecognized field"),
            (json!({"externalId": "b_1"}), "publicationDate"),
            (json!({"facebookData": []}), "START_ARRAY"),
            (
                json!({"facebookData": {"type": "STORY", "pageId": 1}}),
                "Unrecognized field",
            ),
            (
                json!({"publicationDate": ["2030-05-06T18:35:42", "UTC"]}),
                "START_ARRAY",
            ),
            (json!({"media": [{"url": "https://m/a.mp4"}]}), "expected a string"),
            (json!({"media": []}), "media"),
            (json!({"text": "hello"}), "at most 0 characters"),
            (json!({"text": null}), "must not be null"),
            (json!({"providers": ["facebook"]}), "VALUE_STRING"),
            (json!({"providers": [{"network": "FACEBOOK"}]}), "Valid values are"),
            (json!({"facebookData": {"type": "story"}}), "Valid values are"),
            (
                json!({"publicationDate": {"dateTime": "2030-05-06T18:35:42Z", "timezone": "UTC"}}),
                "pattern",
            ),
            (
                json!({"publicationDate": {"dateTime": "2030-05-06T18:35", "timezone": "UTC"}}),
                "pattern",
            ),
            (
                json!({"publicationDate": {"dateTime": "2030-05-06T18:35:42", "timezone": "Mars/Base"}}),
                "time-zone",
            ),
            (
                json!({"publicationDate": {"dateTime": "2030-05-06T16:30:59", "timezone": "UTC"}}),
                "cannot be in the past",
            ),
        ] {
            let problem = parse(&story(changes.clone()), MINUTES, now()).unwrap_err();
            assert!(problem.text().contains(said), "{changes}: {}", problem.text());
        }
        for body in ["", "[]", "null", "{", "\"x\""] {
            assert!(parse(body.as_bytes(), MINUTES, now()).is_err(), "{body}");
        }
    }

    #[test]
    fn without_granularity_milliseconds_count_and_a_slot_just_past_is_taken() {
        let loose = Dates {
            granularity: Duration::ZERO,
            grace: Duration::from_secs(5),
        };
        let at = |text: &str| {
            parse(
                &story(json!({"publicationDate": {"dateTime": text, "timezone": "UTC"}})),
                loose,
                now(),
            )
        };
        assert_eq!(
            at("2030-05-06T16:30:19.250").unwrap().date_time,
            "2030-05-06T16:30:19.250"
        );
        assert!(at("2030-05-06T16:30:15.001").is_ok());
        assert!(at("2030-05-06T16:30:15.000").is_err());
    }
}
