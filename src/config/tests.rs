//! The three layers, their errors and what is shown of them.

use std::{path::PathBuf, time::Duration};

use secrecy::ExposeSecret;

use super::*;

fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect()
}

fn load(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::load_from(None, env(pairs))
}

fn error(pairs: &[(&str, &str)]) -> String {
    load(pairs).unwrap_err().to_string()
}

/// A file with this text, in a folder of its own that is removed with the value.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("storyclip-config-{}-{name}.toml", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn the_defaults_load_and_are_those_of_the_schedule() {
    let config = load(&[]).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.timeouts, Timeouts::default());
    assert_eq!(config.looks, LookRule::default());
    assert_eq!(config.slots.granularity, Duration::from_secs(60));
    assert_eq!(config.log_format, LogFormat::Human);
    assert_eq!(config.warnings, Vec::<String>::new());
    assert_eq!(config.describe().lines().count(), layers::keys().count());
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let file = File::new(
        "layers",
        "lease_seconds = 20\nmax_batches = 7\nlook_waits_seconds = [1, 0.5]\n",
    );
    let config = Config::load_from(Some(&file.0), env(&[("STORYCLIP_MAX_BATCHES", "9")])).unwrap();
    assert_eq!(config.lease, Duration::from_secs(20));
    assert_eq!(config.max_batches, 9);
    assert_eq!(config.looks.waits, [1_000, 500].map(Duration::from_millis));
    assert_eq!(config.find_settle, Duration::from_secs(60));

    let source = |key: &str| {
        config
            .describe()
            .lines()
            .find(|line| line.starts_with(key))
            .unwrap()
            .to_owned()
    };
    assert!(source("max_batches").ends_with("# env STORYCLIP_MAX_BATCHES"));
    assert!(source("lease_seconds").ends_with(&format!("# file {}", file.0.display())));
    assert!(source("find_settle").ends_with("# default"));
}

#[test]
fn an_unknown_key_is_an_error_that_names_it_and_its_file() {
    let file = File::new("unknown", "lease_second = 20\n");
    let error = Config::load_from(Some(&file.0), None).unwrap_err().to_string();
    assert!(
        error.contains("\"lease_second\"") && error.contains("unknown.toml"),
        "{error}"
    );
}

#[test]
fn a_file_that_is_missing_or_not_toml_is_named() {
    let error = Config::load_from(Some(Path::new("/no/such.toml")), None)
        .unwrap_err()
        .to_string();
    assert!(error.contains("/no/such.toml"), "{error}");
    let file = File::new("syntax", "max_batches = 1\napi_keys = \"t:sk_topsecret\n");
    let error = Config::load_from(Some(&file.0), None).unwrap_err().to_string();
    assert!(error.contains("syntax.toml") && error.contains("line 2"), "{error}");
    assert!(!error.contains("topsecret"), "{error}");
}

#[test]
fn a_wrong_type_in_the_file_names_key_and_file() {
    let file = File::new("type", "max_batches = \"many\"\n");
    let error = Config::load_from(Some(&file.0), None).unwrap_err().to_string();
    assert!(
        error.contains("type.toml: max_batches must be a whole number, not \"many\""),
        "{error}"
    );
}

#[test]
fn metricool_credentials_have_the_names_that_people_use() {
    let config = load(&[("METRICOOL_USER_TOKEN", "12345"), ("METRICOOL_USER_ID", "678")]).unwrap();
    assert_eq!(
        config.metricool_user_token.expose_secret(),
        "12345",
        "numeric text stays text"
    );
    assert_eq!(config.metricool_user_id, "678");
}

#[test]
fn a_bad_variable_is_named_with_what_would_be_right() {
    for (name, value, expected) in [
        ("STORYCLIP_MAX_BATCHES", "many", "a whole number, not \"many\""),
        ("STORYCLIP_MAX_BATCHES", "0", "1 to 1000000, not 0"),
        ("STORYCLIP_LEASE_SECONDS", "2", "8 to 3600 seconds, not 2"),
        ("STORYCLIP_LEASE_SECONDS", "nan", "8 to 3600 seconds"),
        ("STORYCLIP_FIND_SETTLE_SECONDS", "-1", "0 to 3600 seconds, not -1"),
        ("STORYCLIP_TIMEOUT_FAST_SECONDS", "", "a number, not \"\""),
        ("STORYCLIP_LOOK_WAITS_SECONDS", "1,x", "a list of numbers, not \"1,x\""),
        ("STORYCLIP_LOOK_WAITS_SECONDS", "1,-2", "0 to 3600 seconds, not -2"),
        ("STORYCLIP_LISTEN", "here", "an address and port"),
        ("STORYCLIP_METRICOOL_URL", "ftp://x", "an absolute http or https URL"),
        (
            "STORYCLIP_METRICOOL_LIST_SHOWS_PUBLISHED",
            "perhaps",
            "one of auto, yes, no",
        ),
        ("STORYCLIP_LOG", "storyclip=loud", "a level or a filter"),
        ("STORYCLIP_LOG_FORMAT", "xml", "one of human, json"),
    ] {
        let error = error(&[(name, value)]);
        assert!(
            error.starts_with(&format!("{name}: ")) && error.contains(expected),
            "{error}"
        );
    }
}

#[test]
fn secrets_are_never_shown_nor_quoted() {
    let config = load(&[
        ("STORYCLIP_API_KEYS", "t:sk_topsecret:read"),
        ("METRICOOL_USER_TOKEN", "topsecret"),
        ("STORYCLIP_DATABASE_URL", "postgres://me:topsecret@db/clips"),
        ("STORYCLIP_SMTP_URL", "smtps://me:topsecret@mail.example"),
        ("STORYCLIP_VAPID_PRIVATE_KEY", "topsecret"),
    ])
    .unwrap();
    let printed = format!("{} {config:?}", config.describe());
    assert!(!printed.contains("topsecret"), "{printed}");
    assert!(printed.contains("api_keys = (set, hidden)"));
    assert!(printed.contains("postgres://me:****@db/clips"));
    let error = error(&[("STORYCLIP_DATABASE_URL", "mysql://me:topsecret@db")]);
    assert!(
        error.starts_with("STORYCLIP_DATABASE_URL: ") && !error.contains("topsecret"),
        "{error}"
    );
}

#[test]
fn a_variable_that_is_no_setting_is_a_warning_unless_it_is_the_clients_or_the_tests() {
    let config = load(&[
        ("STORYCLIP_LEASE", "1"),
        ("METRICOOL_USR_ID", "1"),
        ("METRICOOL_USER_ID", "1"),
        ("STORYCLIP_URL", "http://x"),
        ("STORYCLIP_API_KEY", "sk"),
        ("STORYCLIP_TEST_POSTGRES_URL", "x"),
        ("PATH", "/bin"),
    ])
    .unwrap();
    assert_eq!(config.warnings.len(), 2);
    assert!(config.warnings[0].contains("STORYCLIP_LEASE "));
    assert!(config.warnings[1].contains("METRICOOL_USR_ID "));
}

#[test]
fn the_benchmark_may_look_without_waiting() {
    let config = load(&[("STORYCLIP_LOOK_WAITS_SECONDS", "0")]).unwrap();
    assert_eq!(config.looks.waits, [Duration::ZERO]);
}
