//! The dispatcher: reads the events that users to whom somebody listens have had since it last looked, and queues what is
//! to be delivered.
//!
//! One per node; several never tell the same twice, because each user's cursor is moved by one of them. It looks once a
//! second, less often where a look takes long, so that it costs at most a twentieth of a core whatever the number of users.
//! If it dies, nothing is told until it is back, and then everything is.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use storyclip_actors::{error::StoreError, model::Tenant, ports::Clock};
use tokio::sync::{Notify, watch};

use super::message::{self, Mailed};
use crate::store::Store;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A look is followed by a rest of so many times its own length.
const REST: u32 = 20;

/// The task's state.
pub struct Dispatcher {
    store: Store,
    clock: Arc<dyn Clock>,
    mailed: BTreeMap<Tenant, Vec<String>>,
    push: bool,
    queued: Arc<Notify>,
}

impl Dispatcher {
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        mailed: BTreeMap<Tenant, Vec<String>>,
        push: bool,
        queued: Arc<Notify>,
    ) -> Self {
        Self {
            store,
            clock,
            mailed,
            push,
            queued,
        }
    }

    /// Works until it is told to stop.
    pub async fn run(self: Arc<Self>, mut stopping: watch::Receiver<bool>) {
        let tenants: BTreeSet<Tenant> = self.mailed.keys().cloned().collect();
        let (mut away, mut mailed) = (false, None);
        loop {
            let began = Instant::now();
            let more = match self.look(&tenants, &mut mailed).await {
                Ok(more) => {
                    away = false;
                    more
                }
                Err(error) => {
                    if !away {
                        tracing::warn!(%error, "nothing is told to the outside until the database is back");
                    }
                    away = true;
                    false
                }
            };
            let took = began.elapsed();
            // While there is a backlog the batches' own writes get every other turn.
            let rest = if more { took } else { LOOK_EVERY.max(took * REST) };
            // However the wait ends, what counts is whether to stop.
            let _: Result<_, _> = tokio::time::timeout(rest, stopping.wait_for(|stop| *stop)).await;
            if *stopping.borrow() {
                return;
            }
        }
    }

    /// One round; whether there is more to read at once.
    async fn look(
        &self,
        tenants: &BTreeSet<Tenant>,
        mailed: &mut Option<BTreeMap<Tenant, Mailed>>,
    ) -> Result<bool, StoreError> {
        let mailed = match mailed {
            Some(mailed) => mailed,
            None => mailed.insert(self.mailed_since(tenants).await?),
        };
        let round = self.store.unread(tenants).await?;
        if round.behind.is_empty() {
            return Ok(false);
        }
        let notices: Vec<_> = (round.news.iter())
            .filter_map(|news| message::notice(news, mailed, self.push))
            .collect();
        let count = self.store.tell(&round.behind, &notices, self.clock.now()).await?;
        if count > 0 {
            tracing::debug!(deliveries = count, "queued what is to be delivered");
            self.queued.notify_one();
        }
        Ok(round.more)
    }

    /// Who is mailed since when; whoever is new in the settings hears nothing of what was before.
    async fn mailed_since(&self, tenants: &BTreeSet<Tenant>) -> Result<BTreeMap<Tenant, Mailed>, StoreError> {
        let since = self.store.mailed_since(tenants, self.clock.now()).await?;
        let mailed = self.mailed.iter().filter_map(|(tenant, addresses)| {
            let (addresses, since) = (addresses.clone(), *since.get(tenant)?);
            Some((tenant.clone(), Mailed { addresses, since }))
        });
        Ok(mailed.collect())
    }
}
