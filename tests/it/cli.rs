//! The binary as a person meets it: help, settings, clear errors, exit codes.

mod answering;
mod batches;
mod history;
mod manual;

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    process::{Child, Command, Output, Stdio},
};

/// The binary with nothing of ours in its environment.
fn storyclip(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_storyclip"));
    for (name, _) in std::env::vars_os() {
        let ours = name
            .to_str()
            .is_some_and(|name| name.starts_with("STORYCLIP_") || name.starts_with("METRICOOL_"));
        if ours {
            command.env_remove(name);
        }
    }
    command.args(args);
    command
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// An address at which nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// The last line of standard error.
fn error_of(output: &Output) -> serde_json::Value {
    assert_eq!((output.status.code(), out(output)), (Some(1), String::new()));
    let text = err(output);
    serde_json::from_str(text.lines().last().unwrap()).unwrap_or_else(|_| panic!("{text}"))
}

#[test]
fn an_error_is_json_where_that_was_asked_for() {
    let url = nobody();
    for args in [
        ["batches", "--json"].as_slice(),
        &["keys", "list", "--json"],
        &["resolve", "b", "1", "--json", "drop"],
    ] {
        let told = error_of(&storyclip(args).env("STORYCLIP_URL", &url).output().unwrap());
        assert_eq!(told["code"], "DAEMON_UNREACHABLE", "{told}");
        assert!(
            told["error"]
                .as_str()
                .unwrap()
                .contains("no StoryClip daemon answers at"),
            "{told}"
        );
    }
    let told = error_of(
        &storyclip(&["config", "--json"])
            .env("STORYCLIP_LEASE_SECONDS", "x")
            .output()
            .unwrap(),
    );
    assert_eq!(told["code"], "INVALID_CONFIGURATION", "{told}");
    let text = storyclip(&["batches"]).env("STORYCLIP_URL", &url).output().unwrap();
    assert!(
        err(&text).starts_with("error: no StoryClip daemon answers at"),
        "{}",
        err(&text)
    );
}

#[test]
fn the_keys_for_web_push_can_be_had_as_json() {
    let output = storyclip(&["vapid", "--json"]).output().unwrap();
    let keys: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(keys["publicKey"].as_str().unwrap().len(), 87, "65 bytes in base64url");
    assert_eq!(keys["privateKey"].as_str().unwrap().len(), 43, "32 bytes");
}

/// SIGTERM, as a service manager sends it.
fn terminate(child: &Child) {
    let sent = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

#[test]
fn help_names_every_command_and_shows_no_key() {
    let output = storyclip(&["--help"])
        .env("STORYCLIP_API_KEY", "sk_topsecret")
        .output()
        .unwrap();
    assert!(output.status.success());
    let help = out(&output);
    for command in [
        "serve",
        "publish",
        "watch",
        "batches",
        "pause",
        "resume",
        "cancel",
        "retry",
        "resolve",
        "keys",
        "show",
        "history",
        "doctor",
        "completions",
        "man",
        "config",
        "Examples:",
        "STORYCLIP_URL",
    ] {
        assert!(help.contains(command), "{command} is missing:\n{help}");
    }
    assert!(!help.contains("topsecret"));
}

#[test]
fn config_prints_what_is_in_force_and_hides_secrets() {
    let output = storyclip(&["config"])
        .env("METRICOOL_USER_TOKEN", "topsecret")
        .env("STORYCLIP_LISTEN", "127.0.0.1:9")
        .env("STORYCLIP_LISTENS", "x")
        .output()
        .unwrap();
    assert!(output.status.success());
    let text = out(&output);
    assert!(
        text.contains("listen = \"127.0.0.1:9\"") && text.contains("# env STORYCLIP_LISTEN\n"),
        "{text}"
    );
    assert!(
        text.contains("metricool_user_token = (set, hidden)") && !text.contains("topsecret"),
        "{text}"
    );
    assert!(err(&output).contains("warning: the environment variable STORYCLIP_LISTENS"));
    let json = storyclip(&["config", "--json"])
        .env("METRICOOL_USER_TOKEN", "topsecret")
        .output()
        .unwrap();
    assert!(!out(&json).contains("topsecret"));
    let settings: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let token = settings
        .as_array()
        .unwrap()
        .iter()
        .find(|setting| setting["key"] == "metricool_user_token");
    assert_eq!(token.unwrap()["hidden"], true);

    let url = |url: &str| {
        storyclip(&["config"])
            .env("STORYCLIP_METRICOOL_URL", url)
            .output()
            .unwrap()
    };
    let text = out(&url("https://me:topsecret@proxy.example/api"));
    assert!(
        text.contains("metricool_url = \"https://me:****@proxy.example/api\""),
        "{text}"
    );
    let refused = url("https://proxy.example/api?token=topsecret");
    assert_eq!(refused.status.code(), Some(1));
    let text = err(&refused);
    assert!(
        text.contains("metricool_url must be") && !text.contains("topsecret"),
        "{text}"
    );
}

#[test]
fn the_printed_defaults_are_a_valid_file_and_an_unknown_key_is_named() {
    let folder = env!("CARGO_TARGET_TMPDIR");
    let defaults = storyclip(&["config", "--defaults"]).output().unwrap();
    let file = format!("{folder}/cli-defaults.toml");
    std::fs::write(&file, &defaults.stdout).unwrap();
    assert!(
        storyclip(&["config", "--config", &file])
            .output()
            .unwrap()
            .status
            .success()
    );

    std::fs::write(&file, "listne = \"x\"\n").unwrap();
    let output = storyclip(&["--config", &file, "serve"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("unknown key \"listne\""), "{}", err(&output));
}

#[test]
fn usage_errors_end_with_two() {
    for args in [
        &["frobnicate"][..],
        &["watch"],
        &["publish"],
        &["pause"],
        &["retry", "batch_1", "0"],
        &["resolve", "batch_1", "3"],
        &["resolve", "batch_1", "0", "drop"],
        &["resolve", "batch_1", "3", "sing"],
        &["resolve", "batch_1", "3", "adopt"],
        &[],
    ] {
        assert_eq!(storyclip(args).output().unwrap().status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn a_daemon_that_is_not_there_is_named_with_what_to_do() {
    let url = nobody();
    let file = format!("{}/cli-batch.json", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&file, "{}").unwrap();
    for args in [
        &["batches"][..],
        &["watch", "batch_1"],
        &["publish", &file],
        &["resolve", "batch_1", "3", "adopt", "300000001"],
    ] {
        let output = storyclip(args).env("STORYCLIP_URL", &url).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let text = err(&output);
        assert!(
            text.contains(&url) && text.contains("storyclip serve"),
            "{args:?}: {text}"
        );
    }
}

#[test]
fn a_password_in_the_daemons_address_is_never_shown() {
    let there = nobody().replace("http://", "http://me:topsecret@");
    let query = format!("{}/?key=topsecret", nobody());
    for (url, sentence) in [
        (
            there.as_str(),
            "no StoryClip daemon answers at http://me:****@127.0.0.1",
        ),
        (query.as_str(), "is no address of a daemon"),
        (
            "ftp://me:topsecret@there",
            "\"ftp://me:****@there\" is no address of a daemon",
        ),
    ] {
        let output = storyclip(&["batches"]).env("STORYCLIP_URL", url).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let text = err(&output);
        assert!(text.contains(sentence) && !text.contains("topsecret"), "{url}: {text}");
        let help = storyclip(&["batches", "--help"])
            .env("STORYCLIP_URL", url)
            .output()
            .unwrap();
        assert!(!out(&help).contains("topsecret"));
    }
}

#[test]
fn a_file_that_cannot_be_sent_is_named_with_its_line() {
    let missing = storyclip(&["publish", "no-such-file.json"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(1));
    assert!(err(&missing).contains("no-such-file.json"));

    let mut child = storyclip(&["publish", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"{\n oops\n}").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("standard input: not valid JSON") && err(&output).contains("line 2"));
}

#[test]
fn serve_says_where_it_listens_and_ends_with_zero_on_sigterm() {
    let database = format!(
        "sqlite://{}/cli-serve-{}.db",
        env!("CARGO_TARGET_TMPDIR"),
        std::process::id()
    );
    let mut child = storyclip(&["serve"])
        .env("STORYCLIP_LISTEN", "127.0.0.1:0")
        .env("STORYCLIP_DATABASE_URL", database)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("listening") && line.contains("127.0.0.1:")));
    terminate(&child);
    assert!(lines.any(|line| line.contains("stopped")));
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_port_that_is_taken_is_one_clear_sentence() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let output = storyclip(&["serve"])
        .env("STORYCLIP_LISTEN", &address)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err(&output).starts_with(&format!("error: cannot listen on {address}: ")),
        "{}",
        err(&output)
    );
}

#[test]
fn the_sandbox_says_how_to_point_a_daemon_at_it() {
    let mut child = storyclip(&["sandbox", "--listen", "127.0.0.1:0", "--granularity-seconds", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let exports = lines.find(|line| line.contains("STORYCLIP_METRICOOL_URL=")).unwrap();
    let url = exports.split_once("URL=").unwrap().1.split_once(' ').unwrap().0;
    let address = url.strip_prefix("http://").unwrap().strip_suffix("/api").unwrap();
    std::net::TcpStream::connect(address).unwrap();
    terminate(&child);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_wrong_span_is_a_usage_error() {
    let output = storyclip(&["sandbox", "--confirm-ms", "300..50"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("1000..5000"), "{}", err(&output));
}

#[test]
fn the_help_of_resolve_teaches_what_held_means_and_what_each_way_does() {
    let output = storyclip(&["resolve", "--help"]).output().unwrap();
    assert!(output.status.success());
    let help = out(&output);
    for part in [
        "adopt",
        "retry",
        "drop",
        "nobody but a person can tell",
        "/attempts",
        "publishes it twice",
    ] {
        assert!(help.contains(part), "{part} is missing:\n{help}");
    }
}
