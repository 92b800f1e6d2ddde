//! The daemon around the routes, which only takes notes and answers as it is told: supervisor, readiness, brands.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use async_trait::async_trait;
use storyclip::{
    http::{BrandSource, Control, Readiness, Vital, Vitals},
    providers::metricool::Brand,
};
use storyclip_actors::{
    error::ProviderError,
    model::{BatchId, BatchStatus},
};

/// A control that takes notes, and answers commands as told.
#[derive(Default)]
pub struct Notes {
    pub created: Mutex<Vec<BatchId>>,
    pub reconciled: Mutex<Vec<BatchId>>,
    pub commanded: Mutex<Vec<BatchId>>,
    pub answer: Mutex<Option<BatchStatus>>,
    pub panics: AtomicBool,
    pub draining: AtomicBool,
    /// What Metricool answers; counts how often it was asked.
    pub brands: Mutex<Option<Result<Vec<Brand>, ProviderError>>>,
    pub brands_asked: AtomicU64,
}

#[async_trait]
impl Control for Notes {
    fn created(&self, batch: &BatchId) {
        self.created.lock().unwrap().push(batch.clone());
    }

    async fn command(&self, batch: &BatchId) -> Option<BatchStatus> {
        self.commanded.lock().unwrap().push(batch.clone());
        *self.answer.lock().unwrap()
    }

    fn reconcile(&self, batch: &BatchId) {
        assert!(!self.panics.load(Ordering::Relaxed), "told to panic");
        self.reconciled.lock().unwrap().push(batch.clone());
    }
}

#[async_trait]
impl BrandSource for Notes {
    async fn brands(&self) -> Result<Vec<Brand>, ProviderError> {
        self.brands_asked.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        self.brands.lock().unwrap().clone().expect("Metricool's answer is set")
    }
}

impl Readiness for Notes {
    fn ready(&self) -> Result<(), String> {
        match self.is_draining() {
            true => Err("draining".into()),
            false => Ok(()),
        }
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

impl Vitals for Notes {
    fn now(&self) -> Vital {
        Vital {
            actors: 7,
            draining: self.is_draining(),
            ..Vital::default()
        }
    }
}
