//! A scripted network with its own ledger: what is live there is the truth that tests compare rows with.
//! A [`super::World`] keeps it across crashes.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use super::{Fault, Script, TokioClock};
use crate::{
    error::{ProviderError, Refused, Verdict},
    model::{AccountId, Network as NetworkName, PostRef, Request, Timestamp},
    ports::{Candidate, Clock, Listing, Provider, PublishFailure, Reading, Withdrawal},
    schedule,
};

/// How far around a slot posts are listed.
pub(super) const WINDOW: Duration = Duration::from_secs(24 * 3_600);

/// A post of the ledger.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Post {
    pub id: String,
    /// Kept when a person edits the post.
    pub uuid: String,
    pub account: String,
    pub request: Request,
    pub created_at: Timestamp,
    /// When it goes live; `None`: never.
    pub live_at: Option<Timestamp>,
    /// Fails at its slot instead, with this.
    pub failure: Option<PublishFailure>,
    pub deleted: bool,
}

/// See the file's first paragraph.
pub struct Network {
    pub(super) clock: Arc<TokioClock>,
    script: Mutex<Script>,
    pub(super) posts: Mutex<Vec<Post>>,
    pub(super) calls: Mutex<Vec<(&'static str, Timestamp)>>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn error(verdict: Verdict, outage: bool, code: &str) -> ProviderError {
    ProviderError {
        verdict,
        outage,
        code: code.into(),
        message: format!("scripted {code}"),
        http_status: None,
        request_id: None,
    }
}

impl Network {
    pub(super) fn new(clock: Arc<TokioClock>) -> Self {
        Self {
            clock,
            script: Mutex::default(),
            posts: Mutex::default(),
            calls: Mutex::default(),
        }
    }

    /// The script, to be changed by the test.
    pub fn script(&self) -> MutexGuard<'_, Script> {
        lock(&self.script)
    }

    /// Every post ever made, in order of creation.
    pub fn posts(&self) -> Vec<Post> {
        lock(&self.posts).clone()
    }

    /// The media of the posts that are live now, in order of going live.
    pub fn live(&self) -> Vec<String> {
        let now = self.clock.now();
        let mut live: Vec<_> = self.posts().into_iter().filter(|post| post.is_live(now)).collect();
        live.sort_by_key(|post| post.live_at);
        live.into_iter().map(|post| post.request.media.to_string()).collect()
    }

    /// When each call of this name was made.
    pub fn calls(&self, name: &str) -> Vec<Timestamp> {
        lock(&self.calls)
            .iter()
            .filter(|(called, _)| *called == name)
            .map(|(_, at)| *at)
            .collect()
    }

    fn enter(&self, name: &'static str) -> Result<(), ProviderError> {
        lock(&self.calls).push((name, self.clock.now()));
        let script = self.script();
        if script.down {
            return Err(error(Verdict::Unavailable, true, "DOWN"));
        }
        if script.unavailable {
            let verdict = if name == "create" {
                Verdict::Unknown
            } else {
                Verdict::Unavailable
            };
            return Err(error(verdict, true, "UNAVAILABLE"));
        }
        if script.token_refused {
            return Err(error(Verdict::Unauthorized(Refused::Token), false, "TOKEN"));
        }
        if script.brand_refused && name != "check" {
            return Err(error(Verdict::Unauthorized(Refused::Brand), false, "BRAND"));
        }
        Ok(())
    }

    fn may_panic(&self, account: &AccountId, left: impl FnOnce(&mut Script) -> &mut u32) {
        let mut script = self.script();
        if account.as_str() != script.panicking_account {
            return;
        }
        let left = left(&mut script);
        let panics = *left > 0;
        *left -= u32::from(panics);
        drop(script);
        assert!(!panics, "scripted panic");
    }

    pub(super) fn add(&self, account: &AccountId, request: &Request) -> PostRef {
        let mut script = self.script();
        let confirms = script.confirms_next.pop_front().unwrap_or(script.confirms);
        let failure = script.failures.pop_front().flatten();
        let repeats_ids = script.repeats_ids;
        drop(script);
        let mut posts = lock(&self.posts);
        let id = format!("{}", 300_000_001 + if repeats_ids { 0 } else { posts.len() });
        posts.push(Post {
            uuid: format!("-{id}"),
            id: id.clone(),
            account: account.to_string(),
            request: request.clone(),
            created_at: self.clock.now(),
            live_at: confirms.filter(|_| failure.is_none()).map(|after| request.slot + after),
            failure,
            deleted: false,
        });
        PostRef {
            uuid: Some(format!("-{id}").into()),
            id: id.into(),
        }
    }

    fn read(&self, post: &PostRef) -> Reading {
        let now = self.clock.now();
        let (hidden, fails_after) = {
            let script = self.script();
            (script.hidden, script.fails_after)
        };
        let posts = lock(&self.posts);
        let Some(found) = posts
            .iter()
            .find(|known| known.id == post.id.as_str() && !known.deleted && known.created_at + hidden <= now)
        else {
            return Reading::Missing;
        };
        match &found.failure {
            Some(failure) if now >= found.request.slot + fails_after => Reading::Failed(failure.clone()),
            _ if found.is_live(now) => Reading::Published {
                network_post_id: Some(format!("fb_{}", found.id).into()),
                permalink: Some(format!("https://facebook.example/{}", found.id).into()),
            },
            _ => Reading::Pending("PENDING".into()),
        }
    }
}

#[async_trait]
impl Provider for Network {
    async fn prepare(&self, account: &AccountId, url: &str) -> Result<Arc<str>, ProviderError> {
        self.enter("prepare")?;
        self.may_panic(account, |script| &mut script.panicking_preparations);
        if self.script().prepare_fails {
            return Err(error(Verdict::Unavailable, true, "MEDIA"));
        }
        let takes = self.script().prepare_takes;
        tokio::time::sleep(takes).await;
        Ok(url.into())
    }

    async fn create(&self, account: &AccountId, request: &Request) -> Result<PostRef, ProviderError> {
        self.enter("create")?;
        let (takes, fault) = {
            let mut script = self.script();
            (script.create_takes, script.faults.pop_front().unwrap_or(Fault::None))
        };
        assert!(fault != Fault::Panic, "scripted panic");
        tokio::time::sleep(takes / 2).await;
        let post = match fault {
            Fault::None | Fault::LostAfter => self.add(account, request),
            Fault::Refuse(verdict) => return Err(error(verdict, false, "REFUSED")),
            Fault::LostBefore | Fault::Panic => return Err(error(Verdict::Unknown, false, "LOST")),
        };
        tokio::time::sleep(takes / 2).await;
        if fault == Fault::LostAfter {
            Err(error(Verdict::Unknown, false, "LOST"))
        } else {
            Ok(post)
        }
    }

    async fn status(
        &self,
        account: &AccountId,
        _network: NetworkName,
        post: &PostRef,
    ) -> Result<Reading, ProviderError> {
        self.enter("status")?;
        self.may_panic(account, |script| &mut script.panicking_looks);
        let left = self.script().unreadable_looks;
        if left > 0 {
            self.script().unreadable_looks = left - 1;
            return Err(error(Verdict::Unavailable, false, "UNREADABLE"));
        }
        Ok(self.read(post))
    }

    async fn find(&self, account: &AccountId, request: &Request) -> Result<Listing, ProviderError> {
        self.enter("find")?;
        let now = self.clock.now();
        let shows_published = self.script().list_shows_published;
        let posts = self.posts().into_iter().filter(|post| {
            let near = (request.slot - WINDOW..=request.slot + WINDOW).contains(&post.request.slot);
            let shown = !post.deleted && (shows_published || !post.is_live(now));
            near && shown && post.account == account.as_str()
        });
        let posts = posts.map(|post| Candidate {
            post: PostRef {
                id: post.id.into(),
                uuid: Some(post.uuid.into()),
            },
            network: Some(post.request.network),
            slot: post.request.slot,
            media: vec![post.request.media.to_string()],
            text: post.request.text.to_string(),
            created_at: Some(post.created_at),
        });
        Ok(Listing {
            posts: posts.collect(),
            complete: true,
            shows_published,
        })
    }

    async fn withdraw(
        &self,
        _account: &AccountId,
        _network: NetworkName,
        post: &PostRef,
        slot: Timestamp,
    ) -> Result<Withdrawal, ProviderError> {
        self.enter("withdraw")?;
        let takes = self.script().withdraw_takes;
        tokio::time::sleep(takes).await;
        let reading = self.read(post);
        if !schedule::may_withdraw(&reading, slot, self.clock.now()) {
            return Ok(Withdrawal::Refused(reading));
        }
        for known in lock(&self.posts)
            .iter_mut()
            .filter(|known| known.id == post.id.as_str())
        {
            known.deleted = true;
        }
        Ok(Withdrawal::Withdrawn)
    }

    async fn check(&self, account: Option<&AccountId>) -> Result<(), ProviderError> {
        self.enter("check")?;
        if self.script().unreadable_checks {
            return Err(error(Verdict::Unavailable, false, "UNREADABLE"));
        }
        let throttled_until = self.script().checks_throttled_until;
        if let Some(until) = throttled_until.filter(|until| *until > self.clock.now()) {
            return Err(error(Verdict::Throttled(until), false, "RATE_LIMITED"));
        }
        let brand_refused = account.is_some() && self.script().brand_refused;
        if brand_refused {
            Err(error(Verdict::Unauthorized(Refused::Brand), false, "BRAND"))
        } else {
            Ok(())
        }
    }
}
