//! The routes of Metricool's API that the sandbox knows, and how often each was asked.
//!
//! The dispatcher finds the route of a request here; tests read the counts to prove that nothing hammers.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use axum::http::Method;
use serde::{Deserialize, Serialize};
use storyclip_actors::model::Timestamp;

use super::best_times;

/// How many instants are kept per route.
const LAST: usize = 200;

/// One route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// `GET /actions/normalize/image/url`
    Normalize,
    /// `POST /v2/scheduler/posts`
    Create,
    /// `GET /v2/scheduler/posts/{id}`
    Get,
    /// `GET /v2/scheduler/posts`
    List,
    /// `PUT /v2/scheduler/posts/{id}`
    Update,
    /// `DELETE /v2/scheduler/posts/{id}`
    Delete,
    /// `GET /admin/simpleProfiles`
    Brands,
    /// `GET /v2/scheduler/besttimes/{provider}`
    BestTimes,
    /// Any other.
    Unknown,
}

impl Route {
    /// The route of a path under `/api`, and the post id in it where it has one.
    pub(super) fn of(method: &Method, path: &str) -> (Self, Option<i64>) {
        if let Some(id) = path.strip_prefix("/v2/scheduler/posts/") {
            let route = match *method {
                Method::GET => Self::Get,
                Method::PUT => Self::Update,
                Method::DELETE => Self::Delete,
                _ => Self::Unknown,
            };
            return (route, id.parse().ok());
        }
        let network = path.strip_prefix("/v2/scheduler/besttimes/").unwrap_or_default();
        let route = match (method, path) {
            (&Method::GET, _) if best_times::knows(network) => Self::BestTimes,
            (&Method::GET, "/actions/normalize/image/url") => Self::Normalize,
            (&Method::POST, "/v2/scheduler/posts") => Self::Create,
            (&Method::GET, "/v2/scheduler/posts") => Self::List,
            (&Method::GET, "/admin/simpleProfiles") => Self::Brands,
            _ => Self::Unknown,
        };
        (route, None)
    }

    /// Whether the route needs a brand.
    pub(super) fn needs_brand(self) -> bool {
        match self {
            Self::Create | Self::Get | Self::List | Self::Update | Self::Delete | Self::BestTimes => true,
            Self::Normalize | Self::Brands | Self::Unknown => false,
        }
    }
}

/// How often a route was asked, whatever it answered.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Asked {
    /// Since the start or the last clearing.
    pub count: u64,
    /// The latest instants, oldest first.
    pub last: VecDeque<Timestamp>,
}

/// The counts of every route.
#[derive(Debug, Default)]
pub(super) struct Traffic(Mutex<BTreeMap<Route, Asked>>);

impl Traffic {
    pub(super) fn count(&self, route: Route, now: Timestamp) {
        let mut routes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = routes.entry(route).or_default();
        asked.count += 1;
        if asked.last.len() == LAST {
            asked.last.pop_front();
        }
        asked.last.push_back(now);
    }

    pub(super) fn get(&self) -> BTreeMap<Route, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
