//! A setting as it may be shown: its value, or that it is set and secret, and where it comes from.
//!
//! `storyclip config` prints them, for people or as JSON; `storyclip doctor` counts them.

use serde::{Serialize, Serializer, ser::SerializeStruct};
use toml::Value;

/// One setting in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Its key in `config.default.toml`.
    pub key: &'static str,
    /// Its value without any password; `None` where it is set and secret.
    pub value: Option<Value>,
    /// `default`, `file PATH` or `env VARIABLE`.
    pub source: String,
}

impl Serialize for Setting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut setting = serializer.serialize_struct("Setting", 4)?;
        setting.serialize_field("key", self.key)?;
        setting.serialize_field("value", &self.value)?;
        setting.serialize_field("hidden", &self.value.is_none())?;
        setting.serialize_field("source", &self.source)?;
        setting.end()
    }
}

/// One line per setting: `key = value  # source`.
pub(super) fn lines(settings: &[Setting]) -> String {
    let text = |setting: &Setting| match &setting.value {
        Some(value) => format!("{} = {value}", setting.key),
        None => format!("{} = (set, hidden)", setting.key),
    };
    let width = settings
        .iter()
        .map(|setting| text(setting).chars().count())
        .max()
        .unwrap_or(0)
        .min(60);
    settings
        .iter()
        .map(|setting| format!("{:width$}  # {}\n", text(setting), setting.source))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_real_values_and_says_what_it_hides() {
        let setting = |value: Option<Value>| Setting {
            key: "k",
            value,
            source: "default".into(),
        };
        assert_eq!(
            serde_json::to_value([setting(Some(Value::from(1.5))), setting(None)]).unwrap(),
            serde_json::json!([
                {"key": "k", "value": 1.5, "hidden": false, "source": "default"},
                {"key": "k", "value": null, "hidden": true, "source": "default"},
            ])
        );
    }
}
