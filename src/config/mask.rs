//! What of a value may be shown. `storyclip config` and error messages pass every value through here, the client
//! commands their daemon's address.

use toml::Value;

/// Settings that are never shown.
const HIDDEN: [&str; 3] = ["api_keys", "metricool_user_token", "vapid_private_key"];

/// Settings that are URLs and may have a password inside.
const MASKED: [&str; 3] = ["database_url", "metricool_url", "smtp_url"];

/// The value as it may be shown; `None` where it is set and secret.
pub(super) fn shown(key: &str, value: &Value) -> Option<Value> {
    match value {
        Value::String(text) if HIDDEN.contains(&key) && !text.is_empty() => None,
        Value::String(text) if MASKED.contains(&key) => Some(Value::from(without_password(text))),
        other => Some(other.clone()),
    }
}

/// Whether an error message may quote the value.
pub(super) fn quotable(key: &str) -> bool {
    !HIDDEN.contains(&key) && !MASKED.contains(&key)
}

/// The URL with `****` instead of a password, be it before the host or in the query.
pub(crate) fn without_password(url: &str) -> String {
    let (before, after) = match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 <= at => {
            let user = url[scheme + 3..at].split(':').next().unwrap_or_default();
            let hidden = if user.len() == at - scheme - 3 { "" } else { ":****" };
            (format!("{}{user}{hidden}", &url[..scheme + 3]), &url[at..])
        }
        _ => (String::new(), url),
    };
    let Some((path, query)) = after.split_once('?') else {
        return before + after;
    };
    let query: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if name.to_ascii_lowercase().contains("password") => format!("{name}=****"),
            _ => pair.to_owned(),
        })
        .collect();
    format!("{before}{path}?{}", query.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_masked_wherever_they_stand() {
        for (url, masked) in [
            ("sqlite://storyclip.db", "sqlite://storyclip.db"),
            ("postgres://me@db/clips", "postgres://me@db/clips"),
            ("postgres://me:se:cret@db/clips", "postgres://me:****@db/clips"),
            ("postgres://me:p@ss/w@db/clips", "postgres://me:****@db/clips"),
            (
                "postgres://db/clips?user=me&password=secret&sslmode=require",
                "postgres://db/clips?user=me&password=****&sslmode=require",
            ),
        ] {
            assert_eq!(without_password(url), masked);
        }
    }

    #[test]
    fn an_empty_secret_is_shown_as_not_set() {
        assert_eq!(shown("api_keys", &Value::from("")), Some(Value::from("")));
        assert_eq!(shown("api_keys", &Value::from("a:sk_1:read")), None);
    }
}
