//! Whether the daemon's rows and the sandbox's ledger tell the same story: each clip live once, in order.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    ops::AddAssign,
};

use serde_json::Value;
use sqlx::AnyConnection;
use storyclip::sandbox::{PostView, Sandbox};

use super::{
    experiment::{stored_events, tell},
    stage::Stage,
};

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

/// Asserts, whatever order a person's decisions brought about, that published clips of the batch are live once and others
/// are not. Every clip has a media of its own.
pub fn live_once_if_published(sandbox: &Sandbox, batch: &Value) {
    let posts = sandbox.posts();
    for clip in batch["clips"].as_array().unwrap() {
        let live = (posts.iter())
            .filter(|post| batch["accountId"] == *post.blog_id && clip["url"] == post.media[0] && post.live.is_some());
        assert_eq!(live.count(), usize::from(clip["status"] == "published"), "{clip:#}");
    }
}

/// What became of the clips of a batch, counted at the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub live: usize,
    /// Live posts of a media beyond the clips that have it.
    pub duplicates: usize,
    /// Clips that are said to be published and are not live, and clips of a batch at its end that nothing became of.
    pub lost: usize,
    /// Clips that a person was told of, because the network could not say what became of them.
    pub held: usize,
}

impl Tally {
    /// `batch` is its summary, the only batch of its brand; `remains` is what the daemon has left.
    pub async fn of(sandbox: &Sandbox, batch: &Value, remains: &mut AnyConnection) -> Self {
        let mut live: HashMap<String, usize> = HashMap::new();
        for post in sandbox.posts() {
            if batch["accountId"] == *post.blog_id && post.live.is_some() {
                *live.entry(post.media[0].clone()).or_default() += 1;
            }
        }
        let mut tally = Self {
            live: live.values().sum(),
            ..Self::default()
        };
        let mut clips: HashMap<&str, Vec<&str>> = HashMap::new();
        for clip in batch["clips"].as_array().unwrap() {
            let word = |name: &str| clip[name].as_str().unwrap();
            clips.entry(word("url")).or_default().push(word("status"));
        }
        let is_over = ["completed", "cancelled"].contains(&batch["status"].as_str().unwrap());
        for (url, statuses) in clips {
            let live = live.get(url).copied().unwrap_or(0);
            tally.duplicates += live.saturating_sub(statuses.len());
            let published = statuses.iter().filter(|status| **status == "published").count();
            let nowhere = |status: &&&str| is_over && !["published", "failed", "cancelled", "held"].contains(*status);
            tally.lost += published.saturating_sub(live) + statuses.iter().filter(nowhere).count();
        }
        let events = stored_events(remains, batch["batchId"].as_str().unwrap()).await;
        let held: HashSet<u64> = (events.iter())
            .filter(|event| event["type"] == "progress" && event["status"] == "held")
            .map(|event| event["current"].as_u64().unwrap())
            .collect();
        tally.held = held.len();
        tally
    }

    /// Asserts what is promised of any history.
    pub fn is_clean(self) {
        assert_eq!((self.duplicates, self.lost), (0, 0), "{self}");
    }
}

/// What became of the clips of these batches, each the only one of its brand; printed, and asserted to be clean.
pub async fn told(stage: &Stage, what: &str, batches: &[Value]) -> Tally {
    let mut remains = stage.database.remains().await;
    let mut total = Tally::default();
    for batch in batches {
        total += Tally::of(&stage.sandbox, batch, &mut remains).await;
    }
    tell(&format!("{}, {what}: {total}", stage.database.engine()));
    total.is_clean();
    total
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
