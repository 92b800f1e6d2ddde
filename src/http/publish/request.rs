//! The body of `POST …/publish/stories`, read by hand so that every error names its field.
//!
//! Pure: the same body always gives the same request or the same problem, and nothing is written here.

use serde_json::{Map, Value};
use storyclip_actors::model::{AccountId, Network, OnFailure, Speed, Timestamp, UserId};

use super::{
    posts,
    schedule::{self, Schedule},
    unknown::{self, Understood},
};
use crate::{
    http::{
        fields::{Errors, Object},
        limits,
        problem::{FieldError, Problem},
    },
    store::NewClip,
};

/// What the body may have.
pub const MEMBERS: &[&str] = &["jobId", "userId", "posts", "schedule", "settings"];

/// What its settings may have.
pub const SETTINGS: &[&str] = &[
    "accountId",
    "metricoolAccountId",
    "publishSpeed",
    "network",
    "onFailure",
    "maxRetries",
    "webhookUrl",
];

/// Retries of a clip when the request does not say.
const MAX_RETRIES: u32 = 2;

/// What a client asks to be published.
#[derive(Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the fields of the body")]
pub struct PublishRequest {
    pub job_id: Option<String>,
    pub user: UserId,
    pub clips: Vec<NewClip>,
    pub schedule: Schedule,
    pub settings: Settings,
    /// What had to be chosen, and what is not used or not known.
    pub warnings: Vec<FieldError>,
}

/// The `settings` of the body with defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the fields of the body")]
pub struct Settings {
    pub account: AccountId,
    pub speed: Speed,
    pub network: Network,
    pub on_failure: OnFailure,
    pub max_retries: u32,
    pub webhook_url: Option<String>,
}

impl PublishRequest {
    /// Reads the body at this instant.
    ///
    /// # Errors
    /// 400 with every wrong field.
    pub fn read(body: &Map<String, Value>, now: Timestamp) -> Result<Self, Problem> {
        let mut warnings = Vec::new();
        let mut errors = Errors::default();
        let body = Object::new("", body);
        let clips = posts::read(&mut errors, &body);
        let settings = read_settings(&mut errors, &body);
        let user = read_user(&mut errors, &body);
        let job_id = body.checked(&mut errors, "INVALID_JOB_ID", "jobId", limits::name);
        let schedule = schedule::read(&mut errors, &mut warnings, &body, now);
        let understood = Understood {
            mode: schedule.mode(),
            network: settings.network,
        };
        unknown::read(&mut errors, &mut warnings, &body, &understood);
        errors.finish()?;
        Ok(Self {
            job_id: job_id.map(str::to_owned),
            user,
            clips,
            schedule,
            settings,
            warnings,
        })
    }
}

fn read_user(errors: &mut Errors, body: &Object<'_>) -> UserId {
    let absent = |value: &Value| value.as_str().is_some_and(str::is_empty);
    if body.value("userId").is_none_or(absent) {
        errors.add("MISSING_USER_ID", "userId", "is missing");
        return "".into();
    }
    let user = body.checked(errors, "INVALID_USER_ID", "userId", limits::name);
    user.unwrap_or_default().into()
}

fn read_settings(errors: &mut Errors, body: &Object<'_>) -> Settings {
    let none = Map::new();
    let settings = match body.object(errors, "INVALID_SETTINGS", "settings") {
        Ok(Some(settings)) => settings,
        Ok(None) => Object::new("settings", &none),
        Err(()) => return defaults("".into()),
    };
    let fallback = defaults(read_account(errors, &settings));
    Settings {
        speed: settings.word(errors, "INVALID_PUBLISH_SPEED", "publishSpeed", fallback.speed),
        network: settings.word(errors, "INVALID_NETWORK", "network", fallback.network),
        on_failure: settings.word(errors, "INVALID_ON_FAILURE", "onFailure", fallback.on_failure),
        max_retries: read_retries(errors, &settings).unwrap_or(fallback.max_retries),
        webhook_url: settings
            .checked(errors, "INVALID_WEBHOOK_URL", "webhookUrl", limits::url)
            .map(str::to_owned),
        account: fallback.account,
    }
}

fn defaults(account: AccountId) -> Settings {
    Settings {
        account,
        speed: Speed::Fast,
        network: Network::Facebook,
        on_failure: OnFailure::Skip,
        max_retries: MAX_RETRIES,
        webhook_url: None,
    }
}

/// `accountId`, or its other name; both are accepted if they say the same.
fn read_account(errors: &mut Errors, settings: &Object<'_>) -> AccountId {
    let given = |field| {
        let value = settings.value(field)?;
        (value.as_str() != Some("")).then_some(field)
    };
    let names: Vec<&str> = ["accountId", "metricoolAccountId"]
        .into_iter()
        .filter_map(given)
        .collect();
    if names.is_empty() {
        errors.add("MISSING_ACCOUNT_ID", "settings.accountId", "is missing");
    }
    let accounts: Vec<&str> = names
        .into_iter()
        .filter_map(|field| settings.checked(errors, "INVALID_ACCOUNT_ID", field, limits::account))
        .collect();
    if let [one, other] = accounts[..]
        && one != other
    {
        errors.add(
            "INVALID_ACCOUNT_ID",
            "settings.metricoolAccountId",
            "must be the same as settings.accountId",
        );
    }
    accounts.first().copied().unwrap_or_default().into()
}

fn read_retries(errors: &mut Errors, settings: &Object<'_>) -> Option<u32> {
    let retries = settings
        .value("maxRetries")?
        .as_u64()
        .filter(|retries| *retries <= limits::RETRIES);
    if retries.is_none() {
        let message = format!("must be an integer from 0 to {}", limits::RETRIES);
        errors.add("INVALID_MAX_RETRIES", settings.name("maxRetries"), message);
    }
    retries.and_then(|retries| u32::try_from(retries).ok())
}
