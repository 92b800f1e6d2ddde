//! What goes wrong, by setting: the knobs behind `/_sandbox/faults`, and the luck of each request drawn from them.
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

use super::{
    best_times::BestTime,
    fault::{Away, Error, Failure, Fault, LiveAt, Plain, Span, Throttle, Word, strikes},
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

/// How a create call ends for its client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Answered,
    WithoutId,
    Page,
    Error { status: u16, committed: bool },
    Cut { committed: bool },
}

impl End {
    pub(super) fn commits(&self) -> bool {
        match self {
            Self::Answered | Self::WithoutId | Self::Page => true,
            Self::Error { committed, .. } | Self::Cut { committed } => *committed,
        }
    }
}

/// What becomes of a post after its slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Live(Duration),
    Failed(Duration, String),
    Stuck,
}

/// The luck of one create call.
#[derive(Clone, Debug)]
pub(super) struct Luck {
    pub(super) delay: Duration,
    pub(super) commit_after: Duration,
    pub(super) end: End,
    pub(super) uuid: i64,
    pub(super) fate: Fate,
    pub(super) invisible: Duration,
    pub(super) unlisted: Duration,
    pub(super) without_url: bool,
    pub(super) word: Option<String>,
}

/// The settings in force and the generator; shared by every request.
#[derive(Debug)]
pub struct Faults {
    base: Settings,
    now: Mutex<(Settings, SmallRng)>,
}

impl Faults {
    pub(super) fn new(base: Settings) -> Self {
        let rng = generator(base.seed);
        Self {
            now: Mutex::new((base.clone(), rng)),
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
        Ok(now.0.clone())
    }

    /// Puts everything back to what the sandbox was started with.
    pub fn reset(&self) {
        *self.lock() = (self.base.clone(), generator(self.base.seed));
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

    /// The name of a copy of a media file, where copies are made.
    pub(super) fn copy_name(&self) -> Option<u64> {
        let mut now = self.lock();
        now.0.rehost.then(|| now.1.random())
    }

    /// Draws the luck of a create call.
    pub(super) fn luck(&self, route: Route, media: Option<&str>) -> Luck {
        let mut now = self.lock();
        let (settings, rng) = &mut *now;
        let delay = settings.create_delay_ms.draw(rng);
        Luck {
            delay,
            commit_after: if delay.is_zero() {
                delay
            } else {
                delay.mul_f64(rng.random())
            },
            end: end(settings, rng, route, media),
            uuid: rng.random(),
            fate: fate(settings, rng, route, media),
            invisible: Duration::from_millis(settings.not_visible_ms),
            unlisted: Duration::from_millis(settings.list_lag_ms),
            without_url: strikes(&mut settings.published_without_url, rng, route, media).is_some(),
            word: strikes(&mut settings.unknown_status, rng, route, media).map(|word| word.word.clone()),
        }
    }
}

fn end(settings: &mut Settings, rng: &mut SmallRng, route: Route, media: Option<&str>) -> End {
    if let Some(error) = strikes(&mut settings.error_before_commit, rng, route, media) {
        return End::Error {
            status: error.status,
            committed: false,
        };
    }
    if strikes(&mut settings.cut_before_commit, rng, route, media).is_some() {
        return End::Cut { committed: false };
    }
    if let Some(error) = strikes(&mut settings.error_after_commit, rng, route, media) {
        return End::Error {
            status: error.status,
            committed: true,
        };
    }
    if strikes(&mut settings.cut_after_commit, rng, route, media).is_some() {
        return End::Cut { committed: true };
    }
    if strikes(&mut settings.answer_without_id, rng, route, media).is_some() {
        return End::WithoutId;
    }
    if strikes(&mut settings.html_body, rng, route, media).is_some() {
        return End::Page;
    }
    End::Answered
}

fn fate(settings: &mut Settings, rng: &mut SmallRng, route: Route, media: Option<&str>) -> Fate {
    if strikes(&mut settings.stuck, rng, route, media).is_some() {
        return Fate::Stuck;
    }
    let confirm = settings.confirm_ms.draw(rng);
    if let Some(failure) = strikes(&mut settings.failed, rng, route, media) {
        return Fate::Failed(confirm, failure.detail.clone());
    }
    match strikes(&mut settings.publish_at_ms, rng, route, media) {
        Some(at) => Fate::Live(Duration::from_millis(at.ms)),
        None => Fate::Live(confirm),
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
