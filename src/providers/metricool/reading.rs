//! What Metricool's word about a post means: live, failed, or not final; and what a failure allows.
//!
//! Called for every status answer and every entry of a listing. Pure: the same answer always reads the same.

use storyclip_actors::{
    model::Network,
    ports::{FailureKind, PublishFailure, Reading},
};

use super::{
    loose::Loose,
    wire::{Post, ProviderStatus},
};

/// Longest provider text that is kept, in characters.
const DETAIL_MAX: usize = 300;

/// Texts of `detailedStatus`, in lower case, and what they allow; the first that occurs decides. Metricool documents
/// none of them, so the rows are words rather than sentences, and a text without any of them is passing.
const FAILURES: &[(FailureKind, &[&str])] = &[
    (
        FailureKind::Connection,
        &[
            "reconnect",
            "token",
            "oauth",
            "session has expired",
            "session expired",
            "session has been invalidated",
            "not connected",
            "no longer connected",
            "connection expired",
            "connection for blog",
            "permission",
            "not authorized",
            "unauthorized",
            "password",
            "log in",
            "login",
            "checkpoint",
        ],
    ),
    (
        FailureKind::Passing,
        &[
            "timeout",
            "timed out",
            "temporar",
            "try again",
            "rate limit",
            "too many",
            "limit reached",
            "unavailable",
            "connection reset",
            "internal error",
            "server error",
            "unexpected error",
        ],
    ),
    (
        FailureKind::Permanent,
        &[
            "media",
            "image",
            "video",
            "photo",
            "file",
            "format",
            "aspect ratio",
            "resolution",
            "duration",
            "codec",
            "mp4",
            "privacy",
            "validat",
            "invalid",
            "unsupported",
            "not supported",
            "not allowed",
            "must ",
            "required",
            "too long",
            "too large",
            "policy",
            "policies",
            "guidelines",
            "copyright",
            "spam",
        ],
    ),
];

/// The kinds of word a status can be. Any word but the four known ones means "not final".
enum Word {
    Live,
    Failed,
    Pending,
}

fn word(status: &str) -> Word {
    match status.to_ascii_lowercase().as_str() {
        "published" | "live" => Word::Live,
        "failed" | "error" => Word::Failed,
        _ => Word::Pending,
    }
}

/// What the post's answer, which carries the post's own id, says about this network. A status on top of the post counts
/// only when the network has none of its own among `providers`.
pub(super) fn of(post: &Post, network: Network) -> Reading {
    let targeted = targets(post).find(|provider| is(provider, network));
    if let Some((provider, status)) = targeted.and_then(|provider| Some((provider, provider.status.text()?))) {
        return reading(status, &provider.id, &provider.public_url, &provider.detailed_status);
    }
    let status = post.status.text().or(post.lifecycle.text()).unwrap_or("PENDING");
    let detail = targeted
        .map(|provider| &provider.detailed_status)
        .unwrap_or(&post.status);
    reading(status, &post.external_id, &post.public_url, detail)
}

fn reading(status: &str, id: &Loose, url: &Loose, detail: &Loose) -> Reading {
    match word(status) {
        Word::Live => Reading::Published {
            network_post_id: id.text().map(Into::into),
            permalink: url.text().map(Into::into),
        },
        Word::Failed => {
            let detail = bounded(detail.text().unwrap_or(status));
            Reading::Failed(PublishFailure {
                kind: classify(&detail),
                detail,
            })
        }
        Word::Pending => Reading::Pending(bounded(status)),
    }
}

/// Whether any network of the post says that it is live; proof that the list shows published posts.
pub(super) fn any_published(post: &Post) -> bool {
    let mut words = targets(post).filter_map(|provider| provider.status.text());
    words.any(|status| matches!(word(status), Word::Live))
}

/// The targeted network if the post goes there, else another one that is known.
pub(super) fn network(post: &Post, targeted: Network) -> Option<Network> {
    let goes_to = |network: Network| targets(post).any(|provider| is(provider, network));
    let others = Network::ALL.iter().copied();
    std::iter::once(targeted)
        .chain(others)
        .find(|network| goes_to(*network))
}

fn targets(post: &Post) -> impl Iterator<Item = &ProviderStatus> {
    post.providers.read().into_iter().flatten()
}

fn is(provider: &ProviderStatus, network: Network) -> bool {
    provider
        .network
        .text()
        .is_some_and(|name| name.eq_ignore_ascii_case(network.as_str()))
}

fn classify(detail: &str) -> FailureKind {
    let detail = detail.to_lowercase();
    let row = FAILURES
        .iter()
        .find(|(_, texts)| texts.iter().any(|text| detail.contains(text)));
    row.map_or(FailureKind::Passing, |(kind, _)| *kind)
}

/// A provider's text on one line, at most 300 characters.
pub(super) fn bounded(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(DETAIL_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn read(body: serde_json::Value) -> Reading {
        of(&serde_json::from_value(body).unwrap(), Network::Facebook)
    }

    fn published(id: Option<&str>, url: Option<&str>) -> Reading {
        Reading::Published {
            network_post_id: id.map(Into::into),
            permalink: url.map(Into::into),
        }
    }

    #[test]
    fn the_targeted_network_decides() {
        let body = serde_json::json!({"status": "PUBLISHED", "externalId": "9", "providers": [
            {"network": "instagram", "status": "PUBLISHED", "id": "1"}, {"network": "Facebook", "status": "PENDING"}]});
        assert_eq!(read(body), Reading::Pending("PENDING".into()));
        let body = serde_json::json!({"providers": [
            {"network": "instagram", "status": "ERROR"},
            {"network": "facebook", "status": "Published", "id": 257_993_346, "publicUrl": "https://facebook.com/1/posts/2"}]});
        assert_eq!(
            read(body),
            published(Some("257993346"), Some("https://facebook.com/1/posts/2"))
        );
    }

    #[test]
    fn a_status_on_top_counts_only_where_the_network_has_none() {
        let body = serde_json::json!({"status": "live", "externalId": 9, "providers": [{"network": "facebook"}]});
        assert_eq!(read(body), published(Some("9"), None));
        let body = serde_json::json!({"lifecycle": "PUBLISHED", "externalId": "9"});
        assert_eq!(read(body), published(Some("9"), None));
        let body =
            serde_json::json!({"status": "FAILED", "providers": [{"network": "instagram", "status": "PUBLISHED"}]});
        assert!(matches!(read(body), Reading::Failed(_)));
        assert_eq!(read(serde_json::json!({})), Reading::Pending("PENDING".into()));
    }

    #[test]
    fn words_are_read_in_any_case_and_unknown_ones_are_pending() {
        let of_word = |word: &str| read(serde_json::json!({"providers": [{"network": "facebook", "status": word}]}));
        for word in ["PUBLISHED", "published", "Live", "LIVE"] {
            assert_eq!(of_word(word), published(None, None), "{word}");
        }
        for word in ["ERROR", "error", "Failed"] {
            assert!(matches!(of_word(word), Reading::Failed(_)), "{word}");
        }
        for word in [
            "PENDING",
            "PUBLISHING",
            "AWAITING_CONFIRMATION",
            "DRAFT",
            "PROCESSING",
            "WHATEVER",
        ] {
            assert_eq!(of_word(word), Reading::Pending(word.into()), "{word}");
        }
    }

    #[test]
    fn failures_are_classified_row_by_row() {
        for (detail, kind) in [
            (
                "Please reconnect the page in Metricool and try again",
                FailureKind::Connection,
            ),
            (
                "Error validating access token: Session has expired",
                FailureKind::Connection,
            ),
            ("There is no facebook connection for blog: 123", FailureKind::Connection),
            ("(#200) Permissions error", FailureKind::Connection),
            ("The user must log in first", FailureKind::Connection),
            ("Could not download the media: read timed out", FailureKind::Passing),
            ("Application request limit reached", FailureKind::Passing),
            (
                "An unexpected error has occurred. Please retry your request later.",
                FailureKind::Passing,
            ),
            ("The service is temporarily unavailable", FailureKind::Passing),
            ("Something nobody has seen before", FailureKind::Passing),
            ("ERROR", FailureKind::Passing),
            ("Error validating MP4", FailureKind::Permanent),
            (
                "Publish Tiktok video error: does not specified privacy options",
                FailureKind::Permanent,
            ),
            ("The media could not be fetched", FailureKind::Permanent),
            ("Invalid aspect ratio 1:1", FailureKind::Permanent),
            ("Unsupported format: image/webp", FailureKind::Permanent),
        ] {
            assert_eq!(classify(detail), kind, "{detail}");
        }
    }

    #[test]
    fn every_row_of_the_table_can_be_reached() {
        for (kind, texts) in FAILURES {
            for text in *texts {
                assert_eq!(classify(&text.to_uppercase()), *kind, "{text}");
            }
        }
    }

    #[test]
    fn long_texts_are_cut_and_kept_on_one_line() {
        assert_eq!(bounded("a\r\n  b"), "a b");
        assert_eq!(bounded(&"é".repeat(1_000)).chars().count(), DETAIL_MAX + 1);
    }
}
