//! Web Push: what a browser is told of its user's batches, encrypted for it alone and signed as this daemon.
//!
//! The courier calls it. The cryptography is ring's, which TLS uses already: RFC 8291 in `encryption`, RFC 8292 in
//! `vapid`.

mod encryption;
mod vapid;

use reqwest::{RequestBuilder, Url, header};
use secrecy::SecretString;
use serde::Serialize;
use storyclip_actors::model::Timestamp;
use thiserror::Error;

use super::stored::{Stored, StoredData};
use crate::store::{Due, NoticeKind};
use vapid::Vapid;

pub use encryption::{PushKeys, keys as subscription_keys};
pub use vapid::new_keys as new_vapid_keys;

/// How long a push service keeps a message for a browser that is away: seconds.
const KEPT: u32 = 24 * 3_600;

/// By what push services know this daemon.
pub struct VapidOptions {
    /// The public key: 65 bytes in base64url, which pages hand to `PushManager.subscribe`.
    pub public_key: String,
    /// Its private half: 32 bytes in base64url.
    pub private_key: SecretString,
    /// Whom a push service may write to: `mailto:…` or `https://…`.
    pub subject: String,
}

/// A setting that cannot be used. Never shows a key.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say what each is")]
pub enum PushError {
    #[error("vapid_public_key and vapid_private_key must be a pair as `storyclip vapid` prints it")]
    Keys,
    #[error("vapid_subject must begin with mailto: or https://")]
    Subject,
}

/// Makes requests to push services.
pub struct Push(Vapid);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    r#type: NoticeKind,
    title: String,
    body: String,
    batch_id: &'a str,
}

impl Push {
    pub fn new(options: VapidOptions) -> Result<Self, PushError> {
        Vapid::new(options).map(Self)
    }

    /// The request that tells a browser with these keys (p256dh, auth) of this delivery.
    ///
    /// # Errors
    /// Says why it cannot be made, ever.
    pub fn request(
        &self,
        request: RequestBuilder,
        url: &str,
        (p256dh, auth): &(String, String),
        due: &Due,
        now: Timestamp,
    ) -> Result<RequestBuilder, String> {
        let url = Url::parse(url).map_err(|error| error.to_string())?;
        let keys = encryption::keys(p256dh, auth).ok_or("the browser's keys cannot be used")?;
        let message: Stored = serde_json::from_str(&due.body).map_err(|error| error.to_string())?;
        let text = serde_json::to_vec(&shown(due.kind, &message.data)).map_err(|error| error.to_string())?;
        let body = encryption::encrypt(&keys, &text).ok_or("the browser's keys cannot be used")?;
        let authorization = self.0.authorization(&url, now).ok_or("the VAPID keys cannot sign")?;
        Ok(request
            .header(header::AUTHORIZATION, authorization)
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(header::CONTENT_ENCODING, "aes128gcm")
            .header("ttl", KEPT)
            .header("urgency", "normal")
            .body(body))
    }
}

fn shown(kind: NoticeKind, data: &StoredData) -> Shown<'_> {
    let title = match kind {
        NoticeKind::BatchCompleted if data.posts.failed == 0 => "All clips are published",
        NoticeKind::BatchCompleted => "Published, but not all",
        NoticeKind::BatchFailed => "Publishing failed",
        NoticeKind::BatchPaused => "Publishing waits for you",
        NoticeKind::BatchCancelled => "Publishing was cancelled",
        NoticeKind::ClipPublished | NoticeKind::ClipFailed | NoticeKind::ClipHeld | NoticeKind::Test => "StoryClip",
    };
    Shown {
        r#type: kind,
        title: title.into(),
        body: format!(
            "{} of {} clips published, {} failed",
            data.posts.published, data.posts.total, data.posts.failed
        ),
        batch_id: &data.batch_id,
    }
}
