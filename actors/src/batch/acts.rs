//! Asking the children: what a plan wants done once the rows say so.
//!
//! Called by [`Run::advance`] after the commit. A death in here loses questions, not facts: the next plan asks again.

use ractor::ActorProcessingErr;

use super::{call, run::Run};
use crate::{
    find::{Search, evidence::Evidence},
    messages::{PollerMessage, PublisherMessage, Watch},
    model::ClipStatus,
    plan::Act,
    schedule,
    work::CallKind,
};

impl Run {
    pub(super) fn perform(&mut self, act: Act) -> Result<(), ActorProcessingErr> {
        match act {
            Act::Send(_) => {}
            Act::Prepare(index) => {
                let url = self.clip(index)?.url.clone();
                self.work.preparing.push(index);
                self.children.ask_publisher(PublisherMessage::Prepare(index, url));
            }
            Act::Find(index) => self.perform_find(index)?,
            Act::Watch(index) => self.perform_watch(index)?,
            Act::Withdraw(index) => {
                let clip = self.clip(index)?;
                let (Some(post), Some(slot)) = (clip.post.clone(), clip.slot()) else {
                    return Ok(());
                };
                let call = call(CallKind::Withdraw, clip);
                self.work.call = Some(call);
                self.children.ask_publisher(PublisherMessage::Withdraw {
                    call,
                    post,
                    slot,
                    ours_at: self.ours_at,
                });
            }
            Act::LateLook(index) => {
                let clip = self.clip(index)?;
                let Some(post) = clip.post.clone() else { return Ok(()) };
                let look = PollerMessage::Once {
                    clip: index,
                    attempt: clip.attempt,
                    post,
                };
                self.work.late = Some(index);
                self.children.ask_poller(look);
            }
        }
        Ok(())
    }

    fn perform_find(&mut self, index: u32) -> Result<(), ActorProcessingErr> {
        let now = self.context.now();
        let clip = self.clip(index)?;
        let Some(request) = clip.request.clone() else {
            return Err(format!("clip {index} is to be found without a request").into());
        };
        let call = call(CallKind::Find, clip);
        let known = matches!(self.work.search, Some((c, a, _)) if (c, a) == (index, call.attempt));
        if !known && clip.status == ClipStatus::Uncertain {
            // A post that vanished may have been edited just now: what counts is when it was missed.
            let since = clip.intent_at.filter(|_| clip.post.is_none()).unwrap_or(now);
            self.work.search = Some((index, call.attempt, Search::begin(since, self.loaded_at, now)));
            self.work.evidence = Evidence::default();
        }
        self.work.call = Some(call);
        self.children.ask_publisher(PublisherMessage::Find(call, request));
        Ok(())
    }

    fn perform_watch(&mut self, index: u32) -> Result<(), ActorProcessingErr> {
        let now = self.context.now();
        let timeout = self.context.rules.timeouts.of(self.batch.speed);
        let clip = self.clip(index)?;
        let (Some(post), Some(slot)) = (clip.post.clone(), clip.slot()) else {
            return Err(format!("clip {index} waits without a post").into());
        };
        let deadline = if clip.retry_is_asked_for() {
            // It had its time once: one answer says what became of it.
            (slot + timeout).max(now)
        } else {
            schedule::deadline(slot, timeout, now)
        };
        let watch = Watch {
            clip: index,
            attempt: clip.attempt,
            post,
            slot,
            deadline,
            created_at: clip.uploaded_at.unwrap_or(now),
        };
        self.work.watched = Some((index, watch.attempt));
        self.children.ask_poller(PollerMessage::Watch(watch));
        Ok(())
    }
}
