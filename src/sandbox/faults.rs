//! What goes wrong, by setting: the knobs behind `/_sandbox/faults`, and what befalls each request by them.
//!
//! Every request asks here what befalls it. Everything random comes from one generator, so a seed makes a sequential run
//! repeatable. Kept in memory only.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rand::{Rng, SeedableRng, rngs::SmallRng};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::Notify;

use super::{
    best_times::BestTime,
    fault::{Away, Error, Failure, Fault, LiveAt, Plain, Span, Throttle, Word, strikes},
    luck::Luck,
    route::Route,
};

/// Every knob. Absent ones are off.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Makes what follows repeatable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// How long a create call takes; it commits at a random point inside.
    pub create_delay_ms: Span,
    /// How long reading one post takes.
    pub status_delay_ms: Span,
    /// How long normalising takes.
    pub normalize_delay_ms: Span,
    /// How long after its slot a post goes live or fails.
    pub confirm_ms: Span,
    /// An error answer, and no post.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_before_commit: Option<Fault<Error>>,
    /// An error answer, although there is a post.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_after_commit: Option<Fault<Error>>,
    /// The connection closes without an answer, and there is no post.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_before_commit: Option<Fault<Plain>>,
    /// The connection closes without an answer, although there is a post.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_after_commit: Option<Fault<Plain>>,
    /// A create is answered 200 without an id, although there is a post.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer_without_id: Option<Fault<Plain>>,
    /// A web page with status 200 instead of an answer; a create has made its post.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub html_body: Option<Fault<Plain>>,
    /// 429.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttle: Option<Fault<Throttle>>,
    /// 503, or another status, before anything is looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<Fault<Away>>,
    /// Every token is refused (401).
    pub unauthorized: bool,
    /// Brands that are refused (403) and not listed.
    pub forbidden_brands: Vec<String>,
    /// For so long after its creation a post reads 404.
    pub not_visible_ms: u64,
    /// For so long after its creation a post is not listed.
    pub list_lag_ms: u64,
    /// The list leaves out published posts.
    pub list_hides_published: bool,
    /// The list names a further page.
    pub list_has_more: bool,
    /// Posts that never leave `PENDING`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stuck: Option<Fault<Plain>>,
    /// Posts that end as `ERROR`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<Fault<Failure>>,
    /// Posts that go live exactly so long after the slot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish_at_ms: Option<Fault<LiveAt>>,
    /// Posts that read as if nothing had become of them yet, for as long as this is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unconfirmed: Option<Fault<Plain>>,
    /// Requests that wait for their answer for as long as this is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unanswered: Option<Fault<Plain>>,
    /// Posts without `publicUrl`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published_without_url: Option<Fault<Plain>>,
    /// Posts with an undocumented status until they are final.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown_status: Option<Fault<Word>>,
    /// The hours of the week that are worth something; empty: evenings are best.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub best_times: Vec<BestTime>,
    /// Normalising gives a new URL on a host of its own instead of the one it was asked about.
    pub rehost: bool,
}

/// What befalls a request before anybody looks at it.
pub(super) enum Gate {
    Open,
    Away(u16),
    Throttled(Option<u64>),
}

/// The settings in force and the generator; shared by every request.
#[derive(Debug)]
pub struct Faults {
    base: Settings,
    now: Mutex<(Settings, SmallRng)>,
    /// Rung when the settings change.
    changed: Notify,
}

impl Faults {
    pub(super) fn new(base: Settings) -> Self {
        let rng = generator(base.seed);
        Self {
            now: Mutex::new((base.clone(), rng)),
            changed: Notify::new(),
            base,
        }
    }

    fn lock(&self) -> MutexGuard<'_, (Settings, SmallRng)> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The settings in force; `next` counts down in them.
    pub fn get(&self) -> Settings {
        self.lock().0.clone()
    }

    /// Changes the settings that are named; `null` or `false` puts one back to what the sandbox was started with.
    ///
    /// # Errors
    /// A sentence that names the unknown field or bad value; nothing is changed then.
    pub fn set(&self, update: Value) -> Result<Settings, String> {
        let Value::Object(update) = update else {
            return Err("faults are an object".into());
        };
        let mut now = self.lock();
        let seed = update.get("seed").and_then(Value::as_u64);
        let mut fields = fields(&now.0)?;
        let base = self::fields(&self.base)?;
        for (name, value) in update {
            match (value, base.get(&name)) {
                (Value::Null | Value::Bool(false), Some(started)) => fields.insert(name, started.clone()),
                (Value::Null | Value::Bool(false), None) if fields.contains_key(&name) => fields.remove(&name),
                // Off already, or unknown: the settings' own reader tells which.
                (Value::Null | Value::Bool(false), None) => fields.insert(name, Value::Null),
                (value, _) => fields.insert(name, value),
            };
        }
        now.0 = serde_json::from_value(Value::Object(fields)).map_err(|error| error.to_string())?;
        if seed.is_some() {
            now.1 = generator(seed);
        }
        self.changed.notify_waiters();
        Ok(now.0.clone())
    }

    /// Puts everything back to what the sandbox was started with.
    pub fn reset(&self) {
        *self.lock() = (self.base.clone(), generator(self.base.seed));
        self.changed.notify_waiters();
    }

    /// What befalls a request at the door. `media` gives its media URL, where it has one.
    pub(super) fn gate(&self, route: Route, media: impl FnOnce() -> Option<String>) -> Gate {
        let mut now = self.lock();
        let (settings, rng) = &mut *now;
        if settings.unavailable.is_none() && settings.throttle.is_none() {
            return Gate::Open;
        }
        let media = media();
        if let Some(away) = strikes(&mut settings.unavailable, rng, route, media.as_deref()) {
            return Gate::Away(away.status);
        }
        match strikes(&mut settings.throttle, rng, route, media.as_deref()) {
            Some(throttle) => Gate::Throttled(throttle.retry_after_s),
            None => Gate::Open,
        }
    }

    pub(super) fn refuses_token(&self) -> bool {
        self.lock().0.unauthorized
    }

    pub(super) fn refuses_brand(&self, brand: &str) -> bool {
        self.lock()
            .0
            .forbidden_brands
            .iter()
            .any(|forbidden| forbidden == brand)
    }

    /// Whether a web page is answered here.
    pub(super) fn page(&self, route: Route, media: Option<&str>) -> bool {
        let mut now = self.lock();
        let (settings, rng) = &mut *now;
        strikes(&mut settings.html_body, rng, route, media).is_some()
    }

    /// How long this request takes, but for creates.
    pub(super) fn delay(&self, route: Route) -> Duration {
        let mut now = self.lock();
        let (settings, rng) = &mut *now;
        match route {
            Route::Normalize => settings.normalize_delay_ms.draw(rng),
            Route::Get => settings.status_delay_ms.draw(rng),
            Route::Create
            | Route::List
            | Route::Update
            | Route::Delete
            | Route::Brands
            | Route::BestTimes
            | Route::Unknown => Duration::ZERO,
        }
    }

    /// Keeps a request waiting whose answer is held back.
    pub(super) async fn wait(&self, route: Route, media: Option<&str>) {
        let waits = {
            let mut now = self.lock();
            let (settings, rng) = &mut *now;
            strikes(&mut settings.unanswered, rng, route, media).is_some()
        };
        if !waits {
            return;
        }
        loop {
            let changed = self.changed.notified();
            if self.lock().0.unanswered.is_none() {
                return;
            }
            changed.await;
        }
    }

    /// Whether a read of a post with this media tells nothing of its end.
    pub(super) fn withholds(&self, route: Route, media: Option<&str>) -> bool {
        let mut now = self.lock();
        let (settings, rng) = &mut *now;
        strikes(&mut settings.unconfirmed, rng, route, media).is_some()
    }

    /// The name of a copy of a media file, where copies are made.
    pub(super) fn copy_name(&self) -> Option<u64> {
        let mut now = self.lock();
        now.0.rehost.then(|| now.1.random())
    }

    /// Draws the luck of a create call.
    pub(super) fn luck(&self, route: Route, media: Option<&str>) -> Luck {
        let mut now = self.lock();
        let (settings, rng) = &mut *now;
        Luck::draw(settings, rng, route, media)
    }
}

fn fields(settings: &Settings) -> Result<Map<String, Value>, String> {
    match serde_json::to_value(settings) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err("the settings are no object".into()),
        Err(error) => Err(error.to_string()),
    }
}

fn generator(seed: Option<u64>) -> SmallRng {
    match seed {
        Some(seed) => SmallRng::seed_from_u64(seed),
        None => SmallRng::from_os_rng(),
    }
}
