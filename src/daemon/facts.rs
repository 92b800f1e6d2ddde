//! What providers learn and must not forget, kept in the store's table `provider_facts`.
//! The daemon hands it to the provider; a death loses nothing that was set.

use std::sync::Arc;

use async_trait::async_trait;
use storyclip_actors::{error::StoreError, ports::Clock};

use crate::{providers::Facts, store::Store};

pub(super) struct StoreFacts {
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
}

#[async_trait]
impl Facts for StoreFacts {
    async fn get(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.store.fact(name).await
    }

    async fn set(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.store.set_fact(name, value, self.clock.now()).await
    }
}
