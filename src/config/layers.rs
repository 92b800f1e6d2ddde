//! Defaults, file and environment laid over each other, key by key, with a note of where each value comes from.
//!
//! [`super::Config`] calls it once at start. The type of a default decides how an environment variable is read.

use std::{collections::BTreeMap, fmt, path::Path};

use toml::{Table, Value};

use super::{ConfigError, DEFAULTS, Setting, mask};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Compiled in.
    Default,
    /// The file of `--config`, by its path.
    File(String),
    /// The environment.
    Environment,
}

impl Source {
    /// How an error names the origin of this key's value.
    pub(super) fn of(&self, key: &str) -> String {
        match self {
            Self::Default => "defaults".into(),
            Self::File(path) => path.clone(),
            Self::Environment => variable(key),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {path}"),
            Self::Environment => f.write_str("env"),
        }
    }
}

/// Variables that start like ours and belong to the client commands and the tests.
const FOREIGN: [&str; 2] = ["STORYCLIP_URL", "STORYCLIP_API_KEY"];
const FOREIGN_PREFIX: &str = "STORYCLIP_TEST_";
const PREFIX: &str = "STORYCLIP_";

/// With which the variables of two settings begin, as people know them.
const METRICOOL_PREFIX: &str = "METRICOOL_";

/// The environment variable of a key.
pub(super) fn variable(key: &str) -> String {
    let upper = key.to_ascii_uppercase();
    match key {
        "metricool_user_token" | "metricool_user_id" => upper,
        _ => format!("{PREFIX}{upper}"),
    }
}

/// Every key in the order of the defaults file.
pub(super) fn keys() -> impl Iterator<Item = &'static str> {
    DEFAULTS
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(" = "))
        .map(|(key, _)| key)
}

/// The variables of this process; a foreign one that is not UTF-8 is passed over.
pub(super) fn environment() -> Result<Vec<(String, String)>, ConfigError> {
    let mut variables = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Ok(name) = name.into_string() else { continue };
        match value.into_string() {
            Ok(value) => variables.push((name, value)),
            Err(_) if name.starts_with(PREFIX) || keys().any(|key| variable(key) == name) => {
                return Err(ConfigError::NotText(name));
            }
            Err(_) => {}
        }
    }
    Ok(variables)
}

/// The values in force so far.
pub(super) struct Layers {
    pub(super) values: Table,
    pub(super) sources: BTreeMap<String, Source>,
    pub(super) warnings: Vec<String>,
}

impl Layers {
    pub(super) fn defaults() -> Result<Self, ConfigError> {
        let values: Table = parse(DEFAULTS, "config.default.toml")?;
        let sources = values.keys().map(|key| (key.clone(), Source::Default)).collect();
        Ok(Self {
            values,
            sources,
            warnings: Vec::new(),
        })
    }

    pub(super) fn add_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let origin = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|reason| ConfigError::File {
            path: path.into(),
            reason,
        })?;
        for (key, value) in parse(&text, &origin)? {
            let Some(default) = self.values.get(&key) else {
                return Err(ConfigError::UnknownKey { path: path.into(), key });
            };
            let source = Source::File(origin.clone());
            let Some(value) = of_the_same_type(default, &value) else {
                return Err(ConfigError::Invalid {
                    expected: kind(default).into(),
                    got: mask::quotable(&key).then(|| value.to_string()),
                    key,
                    origin: source,
                });
            };
            self.set(key, value, source);
        }
        Ok(())
    }

    pub(super) fn add_environment(
        &mut self,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(), ConfigError> {
        let keys: BTreeMap<String, &str> = keys().map(|key| (variable(key), key)).collect();
        for (name, text) in env {
            let Some(key) = keys.get(&name) else {
                let ours = name.starts_with(PREFIX) || name.starts_with(METRICOOL_PREFIX);
                if ours && !name.starts_with(FOREIGN_PREFIX) && !FOREIGN.contains(&&*name) {
                    self.warnings.push(format!(
                        "the environment variable {name} is set, but no setting has that name"
                    ));
                }
                continue;
            };
            let Some(default) = self.values.get(*key) else {
                return Err(ConfigError::Defaults((*key).into()));
            };
            let Some(value) = from_text(default, &text) else {
                return Err(ConfigError::Invalid {
                    key: (*key).into(),
                    origin: Source::Environment,
                    expected: kind(default).into(),
                    got: mask::quotable(key).then(|| format!("\"{text}\"")),
                });
            };
            self.set((*key).into(), value, Source::Environment);
        }
        Ok(())
    }

    /// Every setting in the order of the defaults, secrets hidden.
    pub(super) fn settings(&self) -> Vec<Setting> {
        keys()
            .filter_map(|key| {
                let source = match self.sources.get(key)? {
                    Source::Environment => format!("env {}", variable(key)),
                    source @ (Source::Default | Source::File(_)) => source.to_string(),
                };
                let value = mask::shown(key, self.values.get(key)?);
                Some(Setting { key, value, source })
            })
            .collect()
    }

    fn set(&mut self, key: String, value: Value, source: Source) {
        self.values.insert(key.clone(), value);
        self.sources.insert(key, source);
    }
}

fn parse(text: &str, origin: &str) -> Result<Table, ConfigError> {
    text.parse::<Table>().map_err(|reason| ConfigError::Syntax {
        origin: origin.into(),
        reason: without_excerpt(text, &reason),
    })
}

/// Line and message, without the excerpt of the file that the error itself would print: it may hold a secret.
fn without_excerpt(text: &str, reason: &toml::de::Error) -> String {
    let line = reason
        .span()
        .and_then(|span| text.get(..span.start))
        .map_or(1, |before| before.lines().count().max(1));
    format!("line {line}: {}", reason.message())
}

/// The value, if it is what the default is; a whole number is fine where a fraction may stand.
fn of_the_same_type(default: &Value, value: &Value) -> Option<Value> {
    match (default, value) {
        (Value::Float(_), Value::Integer(whole)) => Some(Value::Float(*whole as f64)),
        (Value::Array(defaults), Value::Array(values)) => {
            let first = defaults.first()?;
            let values: Option<Vec<Value>> = values.iter().map(|value| of_the_same_type(first, value)).collect();
            values.map(Value::Array)
        }
        (default, value) if default.same_type(value) => Some(value.clone()),
        _ => None,
    }
}

/// The text of a variable read as what the default is.
fn from_text(default: &Value, text: &str) -> Option<Value> {
    match default {
        Value::String(_) => Some(Value::String(text.into())),
        Value::Integer(_) => text.trim().parse().ok().map(Value::Integer),
        Value::Float(_) => text.trim().parse().ok().map(Value::Float),
        Value::Boolean(_) => text.trim().parse().ok().map(Value::Boolean),
        Value::Array(defaults) => {
            let first = defaults.first()?;
            let values: Option<Vec<Value>> = text.split(',').map(|part| from_text(first, part)).collect();
            values.map(Value::Array)
        }
        Value::Datetime(_) | Value::Table(_) => None,
    }
}

fn kind(default: &Value) -> &'static str {
    match default {
        Value::String(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Array(_) => "a list of numbers",
        Value::Datetime(_) | Value::Table(_) => "something else",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_of_the_default_decides_how_a_variable_is_read() {
        assert_eq!(from_text(&Value::from(""), "42"), Some(Value::from("42")));
        assert_eq!(from_text(&Value::from(1), "42"), Some(Value::from(42)));
        assert_eq!(from_text(&Value::from(1), "4.2"), None);
        assert_eq!(from_text(&Value::from(1.0), "42"), Some(Value::from(42.0)));
        assert_eq!(from_text(&Value::from(true), "false"), Some(Value::from(false)));
        assert_eq!(from_text(&Value::from(true), "0"), None);
        let list = Value::from(vec![1.0]);
        assert_eq!(from_text(&list, "0"), Some(Value::from(vec![0.0])));
        assert_eq!(from_text(&list, "1, 1.5"), Some(Value::from(vec![1.0, 1.5])));
        assert_eq!(from_text(&list, "1,,2"), None);
    }

    #[test]
    fn the_keys_are_those_of_the_file_and_each_comment_names_its_variable() {
        let table = Layers::defaults().unwrap().values;
        assert_eq!(keys().count(), table.len());
        for key in keys() {
            assert!(table.contains_key(key), "{key}");
            let (before, _) = DEFAULTS.split_once(&format!("\n{key} = ")).unwrap();
            let comment = before.lines().last().unwrap();
            assert_eq!(comment, format!("# Environment: {}", variable(key)));
        }
    }
}
