//! Settings taken out of the layers one by one, typed and checked. [`super::Config`] is its only caller.

use std::{ops::RangeInclusive, str::FromStr, time::Duration};

use secrecy::SecretString;
use toml::Value;
use tracing_subscriber::EnvFilter;

use super::{ConfigError, Source, layers::Layers, mask};

/// Hands out each setting once.
pub(super) struct Reader(Layers);

impl Reader {
    pub(super) const fn new(layers: Layers) -> Self {
        Self(layers)
    }

    /// Says whether every setting of the defaults was asked for.
    pub(super) fn finish(self) -> Result<(), ConfigError> {
        match self.0.values.keys().next() {
            Some(key) => Err(ConfigError::Defaults(key.clone())),
            None => Ok(()),
        }
    }

    pub(super) fn text(&mut self, key: &str) -> Result<String, ConfigError> {
        match self.0.values.remove(key) {
            Some(Value::String(text)) => Ok(text),
            _ => Err(ConfigError::Defaults(key.into())),
        }
    }

    pub(super) fn secret(&mut self, key: &str) -> Result<SecretString, ConfigError> {
        self.text(key).map(SecretString::from)
    }

    pub(super) fn parsed<T: FromStr>(&mut self, key: &str, expected: &str) -> Result<T, ConfigError> {
        let text = self.text(key)?;
        text.parse()
            .map_err(|_| self.invalid(key, expected, &format!("\"{text}\"")))
    }

    pub(super) fn one_of<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> Result<T, ConfigError> {
        let text = self.text(key)?;
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => Ok(*value),
            None => {
                let allowed: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                Err(self.invalid(key, &format!("one of {}", allowed.join(", ")), &format!("\"{text}\"")))
            }
        }
    }

    pub(super) fn database_url(&mut self, key: &str) -> Result<SecretString, ConfigError> {
        let url = self.text(key)?;
        if ["sqlite:", "postgres:", "postgresql:"]
            .iter()
            .any(|scheme| url.starts_with(scheme))
        {
            return Ok(SecretString::from(url));
        }
        Err(self.invalid(key, "sqlite://FILE or postgres://USER:PASSWORD@HOST/NAME", ""))
    }

    pub(super) fn http_url(&mut self, key: &str) -> Result<String, ConfigError> {
        let text = self.text(key)?;
        match reqwest::Url::parse(&text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.query().is_none() => {
                Ok(text.trim_end_matches('/').to_owned())
            }
            _ => Err(self.invalid(
                key,
                "an absolute http or https URL without a query",
                &format!("\"{text}\""),
            )),
        }
    }

    pub(super) fn log_filter(&mut self, key: &str) -> Result<String, ConfigError> {
        let text = self.text(key)?;
        match EnvFilter::builder().parse(&text) {
            Ok(_) => Ok(text),
            Err(_) => Err(self.invalid(
                key,
                "a level or a filter as in info,storyclip::store=debug",
                &format!("\"{text}\""),
            )),
        }
    }

    pub(super) fn flag(&mut self, key: &str) -> Result<bool, ConfigError> {
        match self.0.values.remove(key) {
            Some(Value::Boolean(flag)) => Ok(flag),
            _ => Err(ConfigError::Defaults(key.into())),
        }
    }

    pub(super) fn count(&mut self, key: &str, range: RangeInclusive<i64>) -> Result<usize, ConfigError> {
        let Some(Value::Integer(number)) = self.0.values.remove(key) else {
            return Err(ConfigError::Defaults(key.into()));
        };
        match usize::try_from(number) {
            Ok(count) if range.contains(&number) => Ok(count),
            _ => Err(self.invalid(key, &between(&range), &number.to_string())),
        }
    }

    pub(super) fn small(&mut self, key: &str, range: RangeInclusive<i64>) -> Result<u32, ConfigError> {
        let count = self.count(key, range)?;
        u32::try_from(count).map_err(|_| ConfigError::Defaults(key.into()))
    }

    pub(super) fn seconds(&mut self, key: &str, range: RangeInclusive<f64>) -> Result<Duration, ConfigError> {
        match self.0.values.remove(key) {
            Some(Value::Float(seconds)) => self.duration(key, seconds, &range),
            _ => Err(ConfigError::Defaults(key.into())),
        }
    }

    pub(super) fn list_of_seconds(
        &mut self,
        key: &str,
        lengths: RangeInclusive<usize>,
        range: RangeInclusive<f64>,
    ) -> Result<Vec<Duration>, ConfigError> {
        let Some(Value::Array(values)) = self.0.values.remove(key) else {
            return Err(ConfigError::Defaults(key.into()));
        };
        if !lengths.contains(&values.len()) {
            let expected = format!("a list of {} numbers", between(&lengths));
            return Err(self.invalid(key, &expected, &values.len().to_string()));
        }
        values
            .iter()
            .map(|value| match value {
                Value::Float(seconds) => self.duration(key, *seconds, &range),
                _ => Err(ConfigError::Defaults(key.into())),
            })
            .collect()
    }

    fn duration(&self, key: &str, seconds: f64, range: &RangeInclusive<f64>) -> Result<Duration, ConfigError> {
        if !range.contains(&seconds) {
            return Err(self.invalid(key, &format!("{} seconds", between(range)), &seconds.to_string()));
        }
        Duration::try_from_secs_f64(seconds).map_err(|_| self.invalid(key, "a number of seconds", &seconds.to_string()))
    }

    fn invalid(&self, key: &str, expected: &str, got: &str) -> ConfigError {
        ConfigError::Invalid {
            key: key.into(),
            origin: self.0.sources.get(key).cloned().unwrap_or(Source::Default),
            expected: expected.into(),
            got: mask::quotable(key).then(|| got.into()),
        }
    }
}

fn between<T: std::fmt::Display>(range: &RangeInclusive<T>) -> String {
    format!("{} to {}", range.start(), range.end())
}
