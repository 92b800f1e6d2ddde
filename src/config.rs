//! What the daemon is told: every setting, typed and checked, from three layers.
//!
//! `config.default.toml` is the one list of settings: names, types and defaults derive from it. The command line loads a
//! [`Config`] once at start and hands it to [`crate::daemon::start`]. It never changes while the process lives.

mod error;
mod layers;
mod mask;
mod read;
mod setting;

use std::{net::SocketAddr, path::Path, time::Duration};

use secrecy::SecretString;
use storyclip_actors::schedule::{LookRule, SlotRule, Timeouts};

pub use error::ConfigError;
pub use layers::Source;
pub use setting::Setting;

pub(crate) use mask::without_password;

use crate::providers::metricool::Weekdays;
use layers::Layers;
use read::Reader;

/// The compiled-in defaults with their comments.
pub const DEFAULTS: &str = include_str!("config.default.toml");

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    Human,
    /// One JSON object per line.
    Json,
}

/// Whether the provider's list of posts is known to show published ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListShowsPublished {
    /// Believed once a published post was seen in it.
    Auto,
    /// Taken for granted.
    Yes,
    /// Never believed.
    No,
}

/// Everything that is in force. Each field is the key of `config.default.toml` that its comment names, where all limits
/// and meanings are.
#[derive(Clone, Debug)]
pub struct Config {
    /// `listen`.
    pub listen: SocketAddr,
    /// `database_url`: starts with `sqlite:` or `postgres:`; a secret because it may hold a password.
    pub database_url: SecretString,
    /// `api_keys`: the text as it was given.
    pub api_keys: SecretString,
    /// `tenant_accounts`: the text as it was given.
    pub tenant_accounts: String,
    /// `cors_origins`: the text as it was given.
    pub cors_origins: String,
    /// `requests_per_minute`.
    pub requests_per_minute: u32,
    /// `max_connections`.
    pub max_connections: usize,
    /// `write_timeout_seconds`.
    pub write_timeout: Duration,
    /// `metricool_url`: absolute, http or https, without a slash at the end.
    pub metricool_url: String,
    /// `metricool_user_token`; empty when not set.
    pub metricool_user_token: SecretString,
    /// `metricool_user_id`; empty when not set.
    pub metricool_user_id: String,
    /// `metricool_lead_seconds` and `metricool_granularity_seconds`.
    pub slots: SlotRule,
    /// `metricool_max_in_flight`.
    pub metricool_max_in_flight: usize,
    /// `metricool_list_shows_published`.
    pub metricool_list_shows_published: ListShowsPublished,
    /// `metricool_weekdays`.
    pub metricool_weekdays: Weekdays,
    /// `find_settle_seconds`.
    pub find_settle: Duration,
    /// `max_batches`.
    pub max_batches: usize,
    /// `timeout_*_seconds`.
    pub timeouts: Timeouts,
    /// `look_waits_seconds`.
    pub looks: LookRule,
    /// `lease_seconds`.
    pub lease: Duration,
    /// `shutdown_grace_seconds`.
    pub shutdown_grace: Duration,
    /// `webhook_timeout_seconds`.
    pub webhook_timeout: Duration,
    /// `webhook_retry_seconds`.
    pub webhook_waits: Vec<Duration>,
    /// `webhook_private_addresses`.
    pub webhook_private_addresses: bool,
    /// `smtp_url`; empty when not set.
    pub smtp_url: SecretString,
    /// `smtp_ca_file`; empty when not set.
    pub smtp_ca_file: String,
    /// `email_from`: the text as it was given.
    pub email_from: String,
    /// `email_recipients`: the text as it was given.
    pub email_recipients: String,
    /// `vapid_public_key`; empty when not set.
    pub vapid_public_key: String,
    /// `vapid_private_key`; empty when not set.
    pub vapid_private_key: SecretString,
    /// `vapid_subject`: the text as it was given.
    pub vapid_subject: String,
    /// `log`: a valid filter of tracing-subscriber.
    pub log: String,
    /// `log_format`.
    pub log_format: LogFormat,
    /// Sentences about variables that look like settings and are none.
    pub warnings: Vec<String>,
    /// Every setting as it may be shown, in the order of the defaults.
    pub settings: Vec<Setting>,
}

impl Config {
    /// Loads defaults, this file if given, and the environment of the process.
    ///
    /// # Errors
    /// Names the file, the key or the variable that cannot be used and says what would be right.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        Self::load_from(file, layers::environment()?)
    }

    /// The same with the environment as an argument.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_from(
        file: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut layers = Layers::defaults()?;
        if let Some(file) = file {
            layers.add_file(file)?;
        }
        layers.add_environment(env)?;
        Self::from_layers(layers)
    }

    /// What is in force, one setting a line in the order of the defaults, each with its source; secrets hidden.
    pub fn describe(&self) -> String {
        setting::lines(&self.settings)
    }

    fn from_layers(layers: Layers) -> Result<Self, ConfigError> {
        let settings = layers.settings();
        let warnings = layers.warnings.clone();
        let day = 0.0..=86_400.0;
        let hour = 0.0..=3_600.0;
        let mut read = Reader::new(layers);
        let config = Self {
            listen: read.parsed("listen", "an address and port as in 127.0.0.1:8080")?,
            database_url: read.database_url("database_url")?,
            api_keys: read.secret("api_keys")?,
            tenant_accounts: read.text("tenant_accounts")?,
            cors_origins: read.text("cors_origins")?,
            requests_per_minute: read.small("requests_per_minute", 0..=1_000_000)?,
            max_connections: read.count("max_connections", 1..=1_000_000)?,
            write_timeout: read.seconds("write_timeout_seconds", 0.1..=3_600.0)?,
            metricool_url: read.http_url("metricool_url")?,
            metricool_user_token: read.secret("metricool_user_token")?,
            metricool_user_id: read.text("metricool_user_id")?,
            slots: SlotRule {
                lead: read.seconds("metricool_lead_seconds", day.clone())?,
                granularity: read.seconds("metricool_granularity_seconds", hour.clone())?,
            },
            metricool_max_in_flight: read.count("metricool_max_in_flight", 1..=10_000)?,
            metricool_list_shows_published: read.one_of(
                "metricool_list_shows_published",
                &[
                    ("auto", ListShowsPublished::Auto),
                    ("yes", ListShowsPublished::Yes),
                    ("no", ListShowsPublished::No),
                ],
            )?,
            metricool_weekdays: read.one_of(
                "metricool_weekdays",
                &[("iso", Weekdays::Iso), ("sunday_first", Weekdays::SundayFirst)],
            )?,
            find_settle: read.seconds("find_settle_seconds", hour.clone())?,
            max_batches: read.count("max_batches", 1..=1_000_000)?,
            timeouts: Timeouts {
                safe: read.seconds("timeout_safe_seconds", day.clone())?,
                fast: read.seconds("timeout_fast_seconds", day.clone())?,
                ultra: read.seconds("timeout_ultra_seconds", day.clone())?,
                hyper: read.seconds("timeout_hyper_seconds", day.clone())?,
            },
            looks: LookRule {
                waits: read.list_of_seconds("look_waits_seconds", 1..=32, hour.clone())?,
            },
            lease: read.seconds("lease_seconds", 8.0..=3_600.0)?,
            shutdown_grace: read.seconds("shutdown_grace_seconds", hour)?,
            webhook_timeout: read.seconds("webhook_timeout_seconds", 1.0..=120.0)?,
            webhook_waits: read.list_of_seconds("webhook_retry_seconds", 1..=32, day)?,
            webhook_private_addresses: read.flag("webhook_private_addresses")?,
            smtp_url: read.secret("smtp_url")?,
            smtp_ca_file: read.text("smtp_ca_file")?,
            email_from: read.text("email_from")?,
            email_recipients: read.text("email_recipients")?,
            vapid_public_key: read.text("vapid_public_key")?,
            vapid_private_key: read.secret("vapid_private_key")?,
            vapid_subject: read.text("vapid_subject")?,
            log: read.log_filter("log")?,
            log_format: read.one_of("log_format", &[("human", LogFormat::Human), ("json", LogFormat::Json)])?,
            warnings,
            settings,
        };
        read.finish()?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests;
