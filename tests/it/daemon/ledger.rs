//! Whether the daemon's rows and the sandbox's ledger tell the same story: each clip live once, in order.

use std::{collections::HashSet, fmt, ops::AddAssign};

use serde_json::Value;
use storyclip::sandbox::{PostView, Sandbox};

/// Asserts that exactly these clips of the batch (from 1) are live at the network, once, one after the other, and that
/// no other post of its brand ever came to be. `batch` is its summary.
pub fn live_once_in_order(sandbox: &Sandbox, batch: &Value, clips: impl IntoIterator<Item = usize>) {
    let account = batch["accountId"].as_str().unwrap();
    let ledger = sandbox.ledger();
    let posts: Vec<&PostView> = ledger.posts.iter().filter(|post| post.blog_id == account).collect();
    let expected: Vec<usize> = clips.into_iter().collect();
    let made: Vec<_> = posts.iter().map(|post| (post.id, &post.media, post.live)).collect();
    assert_eq!(posts.len(), expected.len(), "posts at the network: {made:?}\n{batch:#}");
    let mut previous = None;
    for (post, index) in posts.into_iter().zip(expected) {
        let clip = &batch["clips"][index - 1];
        assert_eq!(clip["status"], "published", "{clip}");
        assert_eq!(clip["metricoolPostId"], post.id.to_string(), "clip {index}");
        assert_eq!(
            clip["facebookPostId"],
            (post.id + 600_000_000).to_string(),
            "clip {index}"
        );
        assert_eq!(clip["url"], post.media[0], "clip {index}");
        assert!(!post.deleted, "clip {index}");
        let live = post
            .live
            .unwrap_or_else(|| panic!("clip {index} is not live: {post:?}"));
        assert!(
            previous.is_none_or(|previous| previous <= post.created),
            "clip {index} was created before the one before it was live: {made:?}"
        );
        previous = Some(live);
    }
    let creates: Vec<_> = ledger.order.iter().filter(|create| create.blog_id == account).collect();
    let mut before = 0;
    for create in creates {
        let position = create.id.and_then(|id| made.iter().position(|(made, ..)| *made == id));
        let Some(position) = position else { continue };
        assert!(position >= before, "create requests out of order: {made:?}");
        before = position;
        if let Some((_, _, Some(live))) = position.checked_sub(1).and_then(|at| made.get(at)) {
            assert!(
                *live <= create.at,
                "a clip was sent at {} before the last was live at {live}",
                create.at
            );
        }
    }
}

/// Asserts that the batch is completed with every clip published, and as [`live_once_in_order`] says.
pub fn all_published(sandbox: &Sandbox, batch: &Value) {
    let total = batch["total"].as_u64().unwrap();
    assert_eq!(batch["status"], "completed", "{batch:#}");
    assert_eq!(
        (&batch["published"], &batch["failed"], &batch["cancelled"]),
        (&total.into(), &0.into(), &0.into()),
        "{batch:#}"
    );
    assert_eq!(batch["error"], Value::Null);
    live_once_in_order(sandbox, batch, 1..=total as usize);
}

/// Asserts that each published clip of the batch is live exactly once, in order, and that no other clip is live. Posts
/// that never went live do not matter. Every clip has a media of its own.
pub fn published_is_live_once(sandbox: &Sandbox, batch: &Value) {
    let posts = sandbox.posts();
    let mut previous = None;
    for clip in batch["clips"].as_array().unwrap() {
        let live: Vec<&PostView> = (posts.iter())
            .filter(|post| clip["url"] == post.media[0] && post.live.is_some())
            .collect();
        if clip["status"] != "published" {
            assert!(live.is_empty(), "{clip:#} is live: {live:?}");
            continue;
        }
        let [post] = live[..] else {
            panic!("{clip:#} is not live once: {live:?}");
        };
        assert_eq!(clip["metricoolPostId"], post.id.to_string());
        assert!(previous <= post.live, "{clip:#} went live before the one before it");
        previous = post.live;
    }
}

/// What became of the clips of a batch, counted at the network. Every clip has a media of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub live: usize,
    pub duplicates: usize,
    pub lost: usize,
    pub held: usize,
}

impl Tally {
    /// Of a batch whose clips may all have the same URL: posts are counted, not told apart.
    pub fn by_number(sandbox: &Sandbox, batch: &Value) -> Self {
        let clips = batch["clips"].as_array().unwrap();
        let of_batch = |post: &&PostView| batch["accountId"] == *post.blog_id && post.live.is_some();
        let live = sandbox.posts().iter().filter(of_batch).count();
        Self {
            live,
            duplicates: live.saturating_sub(clips.len()),
            lost: (clips.iter().filter(|clip| clip["status"] == "published").count()).saturating_sub(live),
            held: clips.iter().filter(|clip| clip["status"] == "held").count(),
        }
    }

    /// `batch` is its summary; every clip has its own URL.
    pub fn of(sandbox: &Sandbox, batch: &Value) -> Self {
        let posts = sandbox.posts();
        let live: Vec<&str> = (posts.iter())
            .filter(|post| batch["accountId"] == *post.blog_id && post.live.is_some())
            .map(|post| post.media[0].as_str())
            .collect();
        let different: HashSet<&str> = live.iter().copied().collect();
        let clips = batch["clips"].as_array().unwrap();
        Self {
            live: live.len(),
            duplicates: live.len() - different.len(),
            lost: (clips.iter())
                .filter(|clip| !different.contains(clip["url"].as_str().unwrap()))
                .count(),
            held: clips.iter().filter(|clip| clip["status"] == "held").count(),
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.live += other.live;
        self.duplicates += other.duplicates;
        self.lost += other.lost;
        self.held += other.held;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            live,
            duplicates,
            lost,
            held,
        } = self;
        write!(
            f,
            "{live} live posts, duplicates {duplicates}, lost {lost}, held {held}"
        )
    }
}
