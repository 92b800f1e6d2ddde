//! What Metricool's word about a post means: live, failed (`failures` has what that allows), or not final.
//!
//! Called for every status answer and every entry of a listing. Pure: the same answer always reads the same.

use storyclip_actors::{
    model::Network,
    ports::{PublishFailure, Reading},
};

use super::{
    failures,
    loose::Loose,
    wire::{Post, ProviderStatus},
};

/// Longest provider text that is kept, in characters.
const DETAIL_MAX: usize = 300;

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

/// What the post's answer, which carries the post's own id, says about this network.
pub(super) fn of(post: &Post, network: Network) -> Reading {
    of_provider(post, targets(post).find(|provider| is(provider, network)))
}

/// What it says about one of its `providers`. The words on top of the post count only where that one has none of its own.
fn of_provider(post: &Post, provider: Option<&ProviderStatus>) -> Reading {
    if let Some((provider, status)) = provider.and_then(|provider| Some((provider, provider.status.text()?))) {
        return reading(status, &provider.id, &provider.public_url, &provider.detailed_status);
    }
    on_top(post, provider)
}

/// The words of the user's documents: `status` and `lifecycle`, of which either counts, and live only with `externalId`.
/// Where they contradict each other, or the id is missing, nothing is final.
fn on_top(post: &Post, provider: Option<&ProviderStatus>) -> Reading {
    let words = || [&post.status, &post.lifecycle].into_iter().filter_map(Loose::text);
    let live = words().find(|status| matches!(word(status), Word::Live));
    let failed = words().find(|status| matches!(word(status), Word::Failed));
    let none = Loose::default();
    match (live, failed) {
        (Some(live), None) if post.external_id.text().is_some() => {
            reading(live, &post.external_id, &post.public_url, &none)
        }
        (Some(live), _) => Reading::Pending(bounded(live)),
        (None, Some(failed)) => {
            let detail = provider.map_or(&none, |provider| &provider.detailed_status);
            reading(failed, &none, &none, detail)
        }
        (None, None) => Reading::Pending(bounded(words().next().unwrap_or("PENDING"))),
    }
}

/// Whether a word says that the post is live, and what would prove it is missing: nobody may take such a post back.
pub(super) fn is_live_unproved(reading: &Reading) -> bool {
    matches!(reading, Reading::Pending(status) if matches!(word(status), Word::Live))
}

fn reading(status: &str, id: &Loose, url: &Loose, detail: &Loose) -> Reading {
    match word(status) {
        Word::Live => Reading::Published {
            network_post_id: id.text().map(Into::into),
            permalink: url.text().map(Into::into),
        },
        Word::Failed => {
            let said = detail.text().unwrap_or(status);
            Reading::Failed(PublishFailure {
                kind: failures::classify(said),
                detail: bounded(said),
            })
        }
        Word::Pending => Reading::Pending(bounded(status)),
    }
}

/// Whether the post is live on any network; proof that the list shows published posts.
pub(super) fn any_published(post: &Post) -> bool {
    let is_live = |provider| matches!(of_provider(post, provider), Reading::Published { .. });
    match targets(post).next() {
        Some(_) => targets(post).any(|provider| is_live(Some(provider))),
        None => is_live(None),
    }
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

    use storyclip_actors::ports::FailureKind;

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
    fn either_word_on_top_counts_and_live_needs_the_external_id() {
        let on_top = |status: &str, lifecycle: &str, id: serde_json::Value| {
            let post: Post =
                serde_json::from_value(serde_json::json!({"status": status, "lifecycle": lifecycle, "externalId": id}))
                    .unwrap();
            (of(&post, Network::Facebook), any_published(&post))
        };
        let id = || serde_json::json!("z");
        let live = (published(Some("z"), None), true);
        assert_eq!(on_top("PROCESSING", "LIVE", id()), live);
        assert_eq!(on_top("PUBLISHED", "PROCESSING", id()), live);
        assert_eq!(on_top("", "published", id()), live);
        for (status, lifecycle, id, word) in [
            ("PUBLISHED", "", serde_json::Value::Null, "PUBLISHED"),
            ("PUBLISHED", "LIVE", "".into(), "PUBLISHED"),
            ("PROCESSING", "LIVE", serde_json::Value::Null, "LIVE"),
            ("FAILED", "LIVE", id(), "LIVE"),
            ("PROCESSING", "WHATEVER", id(), "PROCESSING"),
        ] {
            let (read, proof) = on_top(status, lifecycle, id);
            assert_eq!(
                (&read, proof),
                (&Reading::Pending(word.into()), false),
                "{status} {lifecycle}"
            );
            assert_eq!(is_live_unproved(&read), word != "PROCESSING", "{status} {lifecycle}");
        }
        for (status, lifecycle) in [("PROCESSING", "FAILED"), ("Error", "PROCESSING")] {
            let (read, proof) = on_top(status, lifecycle, serde_json::Value::Null);
            assert!(matches!(read, Reading::Failed(_)) && !proof, "{status} {lifecycle}");
        }
    }

    #[test]
    fn a_list_shows_published_posts_where_one_reads_as_published() {
        let proof = |body: serde_json::Value| any_published(&serde_json::from_value(body).unwrap());
        assert!(proof(serde_json::json!({"providers": [
            {"network": "facebook", "status": "PENDING"}, {"network": "tiktok", "status": "PUBLISHED"}]})));
        assert!(proof(
            serde_json::json!({"lifecycle": "LIVE", "externalId": 7, "providers": [{"network": "facebook"}]})
        ));
        assert!(!proof(
            serde_json::json!({"status": "PUBLISHED", "externalId": 7, "providers": [
            {"network": "facebook", "status": "PENDING"}]})
        ));
        assert!(!proof(
            serde_json::json!({"lifecycle": "LIVE", "providers": [{"network": "facebook"}]})
        ));
        assert!(!proof(serde_json::json!({})));
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
    fn a_failure_keeps_its_text_short_and_is_judged_by_all_of_it() {
        let long = format!("{} (#190)", "no word that is known ".repeat(40));
        let body =
            serde_json::json!({"providers": [{"network": "facebook", "status": "ERROR", "detailedStatus": long}]});
        let Reading::Failed(failure) = read(body) else {
            panic!("an ERROR is a failure")
        };
        assert_eq!(failure.kind, FailureKind::Connection);
        assert!(failure.detail.ends_with('…'));
        let Reading::Failed(failure) = read(serde_json::json!({"status": "ERROR"})) else {
            panic!("an ERROR is a failure")
        };
        assert_eq!((failure.kind, failure.detail.as_str()), (FailureKind::Passing, "ERROR"));
    }

    #[test]
    fn long_texts_are_cut_and_kept_on_one_line() {
        assert_eq!(bounded("a\r\n  b"), "a b");
        assert_eq!(bounded(&"é".repeat(1_000)).chars().count(), DETAIL_MAX + 1);
    }
}
