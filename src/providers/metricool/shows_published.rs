//! Whether this token's list shows published posts: without that, a post missing from it proves nothing.
//!
//! Sources disagree about Metricool (some lists leave out what is published), so it is configured, or learned from the
//! first listing that has such a post, and remembered. If the process dies before the memory is durable, it is learned again.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use sha2::{Digest, Sha256};

use crate::providers::Facts;

/// What the operator says about the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListShowsPublished {
    /// Learn it.
    #[default]
    Auto,
    /// It does.
    Yes,
    /// It does not.
    No,
}

pub(super) struct ShowsPublished {
    rule: ListShowsPublished,
    facts: Arc<dyn Facts>,
    name: String,
    known: AtomicBool,
    durable: AtomicBool,
    asked: AtomicBool,
}

impl ShowsPublished {
    pub(super) fn new(rule: ListShowsPublished, facts: Arc<dyn Facts>, base_url: &str, user_id: &str) -> Self {
        let digest = Sha256::digest(format!("{base_url}\n{user_id}"));
        let short: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self {
            rule,
            facts,
            name: format!("metricool.list_shows_published.{short}"),
            known: AtomicBool::new(false),
            durable: AtomicBool::new(false),
            asked: AtomicBool::new(false),
        }
    }

    /// Takes in whether a listing had a published post and gives what is known now.
    pub(super) async fn observe(&self, seen: bool) -> bool {
        match self.rule {
            ListShowsPublished::Yes => return true,
            ListShowsPublished::No => return false,
            ListShowsPublished::Auto => {}
        }
        if seen {
            self.known.store(true, Ordering::Relaxed);
            self.remember().await;
            return true;
        }
        if !self.known.load(Ordering::Relaxed) && !self.asked.load(Ordering::Relaxed) {
            self.recall().await;
        }
        self.known.load(Ordering::Relaxed)
    }

    async fn remember(&self) {
        if self.durable.load(Ordering::Relaxed) {
            return;
        }
        match self.facts.set(&self.name, "yes").await {
            Ok(()) => self.durable.store(true, Ordering::Relaxed),
            Err(error) => tracing::warn!(%error, fact = self.name, "what was learned is not durable yet"),
        }
    }

    async fn recall(&self) {
        match self.facts.get(&self.name).await {
            Ok(value) => {
                let known = value.as_deref() == Some("yes");
                self.durable.store(known, Ordering::Relaxed);
                // Another listing may have learned it meanwhile: never taken back.
                self.known.fetch_or(known, Ordering::Relaxed);
                self.asked.store(true, Ordering::Relaxed);
            }
            Err(error) => tracing::warn!(%error, fact = self.name, "what was learned cannot be read"),
        }
    }
}
