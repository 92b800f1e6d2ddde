//! What both children of a batch's actor are made of. The batch's actor makes it anew for each child it spawns.

use std::sync::Arc;

use ractor::ActorRef;

use crate::{
    context::Context,
    messages::BatchMessage,
    model::{AccountId, Network},
};

/// The shared parts, the parent, and whose calls are made.
#[derive(Clone)]
#[allow(missing_docs, reason = "the types say it")]
pub struct Child {
    pub context: Arc<Context>,
    pub batch: ActorRef<BatchMessage>,
    pub account: AccountId,
    pub network: Network,
}
