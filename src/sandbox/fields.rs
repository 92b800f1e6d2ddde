//! The fields of a ScheduledPost that Metricool knows; any other is refused.
//!
//! `scheduled_post` reads bodies into them. Pure.

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _, IgnoredAny},
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(
    dead_code,
    reason = "the names make the list of known fields; most are accepted and ignored"
)]
pub(super) struct ScheduledPost {
    pub(super) publication_date: Option<Object<DateTimeInfo>>,
    pub(super) text: Option<String>,
    pub(super) providers: Option<Vec<Object<Target>>>,
    pub(super) media: Option<Vec<String>>,
    pub(super) auto_publish: Option<bool>,
    pub(super) draft: Option<bool>,
    pub(super) id: Option<i64>,
    uuid: Option<String>,
    pub(super) facebook_data: Option<Object<FacebookData>>,
    pub(super) instagram_data: Option<Object<InstagramData>>,
    tiktok_data: Option<Object<serde_json::Value>>,
    youtube_data: Option<Object<serde_json::Value>>,
    linkedin_data: Option<Object<serde_json::Value>>,
    twitter_data: Option<Object<serde_json::Value>>,
    pinterest_data: Option<Object<serde_json::Value>>,
    threads_data: Option<Object<serde_json::Value>>,
    bluesky_data: Option<Object<serde_json::Value>>,
    gmb_data: Option<Object<serde_json::Value>>,
    twitch_data: Option<Object<serde_json::Value>>,
    media_alt_text: Option<Vec<Option<String>>>,
    save_external_media_files: Option<bool>,
    first_comment_text: Option<String>,
    shortener: Option<bool>,
    descendants: Option<Vec<IgnoredAny>>,
    smart_link_data: Option<IgnoredAny>,
    has_not_read_notes: Option<bool>,
    video_thumbnail_url: Option<String>,
    video_cover_milliseconds: Option<i64>,
    creation_date: Option<Object<DateTimeInfo>>,
    creator_user_mail: Option<String>,
    creator_user_id: Option<i64>,
    location: Option<IgnoredAny>,
    parent_id: Option<IgnoredAny>,
    autolist_data: Option<IgnoredAny>,
    target_brand_id: Option<IgnoredAny>,
    brand_name: Option<IgnoredAny>,
    copied_from: Option<IgnoredAny>,
    library_post_id: Option<IgnoredAny>,
    notes: Option<IgnoredAny>,
    post_approval_data: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DateTimeInfo {
    pub(super) date_time: String,
    pub(super) timezone: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "the names make the list of known fields")]
pub(super) struct Target {
    pub(super) network: String,
    pub(super) id: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code, reason = "the names make the list of known fields")]
pub(super) struct FacebookData {
    pub(super) r#type: Option<String>,
    title: Option<String>,
    boost: Option<IgnoredAny>,
    boost_payer: Option<IgnoredAny>,
    boost_beneficiary: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code, reason = "the names make the list of known fields")]
pub(super) struct InstagramData {
    pub(super) r#type: Option<String>,
    pub(super) auto_publish: Option<bool>,
    show_reel_on_feed: Option<bool>,
    collaborators: Option<IgnoredAny>,
    tags: Option<IgnoredAny>,
    carousel_tags: Option<IgnoredAny>,
    product_tags: Option<IgnoredAny>,
    carousel_product_tags: Option<IgnoredAny>,
    audio_name: Option<String>,
    audio_configuration: Option<IgnoredAny>,
    boost: Option<IgnoredAny>,
    boost_payer: Option<IgnoredAny>,
    boost_beneficiary: Option<IgnoredAny>,
    share_trial_automatically: Option<bool>,
    is_ai_generated: Option<bool>,
}

/// Takes only a JSON object: a derived reader would take a list of the fields' values, too.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let token = match &value {
            serde_json::Value::Object(_) => return serde_json::from_value(value).map(Self).map_err(D::Error::custom),
            serde_json::Value::Array(_) => "JsonToken.START_ARRAY",
            serde_json::Value::String(_) => "JsonToken.VALUE_STRING",
            serde_json::Value::Number(_) => "JsonToken.VALUE_NUMBER",
            serde_json::Value::Bool(_) | serde_json::Value::Null => "JsonToken.VALUE_EMBEDDED_OBJECT",
        };
        Err(D::Error::custom(format!(
            "Cannot deserialize value of an object type from another value (token `{token}`)"
        )))
    }
}
