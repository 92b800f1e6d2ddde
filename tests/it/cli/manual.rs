//! Completions and manual pages: of every command, and with nothing of the environment.

use super::{err, out, storyclip};

const COMMANDS: [&str; 19] = [
    "serve",
    "demo",
    "sandbox",
    "publish",
    "watch",
    "batches",
    "show",
    "history",
    "pause",
    "resume",
    "cancel",
    "retry",
    "resolve",
    "keys",
    "vapid",
    "doctor",
    "config",
    "completions",
    "man",
];

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let output = storyclip(&["completions", shell])
            .env("STORYCLIP_API_KEY", "sk_topsecret")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", err(&output));
        let text = out(&output);
        for command in COMMANDS {
            assert!(text.contains(command), "{shell}: {command}");
        }
        assert!(!text.contains("topsecret"));
    }
    assert_eq!(
        storyclip(&["completions", "dos"]).output().unwrap().status.code(),
        Some(2)
    );
}

#[test]
fn there_is_a_page_for_each_command() {
    let folder = format!("{}/cli-man", env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(&folder).unwrap();
    let output = storyclip(&["man", "--folder", &folder])
        .env("STORYCLIP_API_KEY", "sk_topsecret")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", err(&output));
    for command in COMMANDS {
        let page = std::fs::read_to_string(format!("{folder}/storyclip-{command}.1")).unwrap();
        assert!(page.contains(".SH NAME") && !page.contains("topsecret"), "{command}");
    }
    let page = storyclip(&["man", "resolve"])
        .env("STORYCLIP_API_KEY", "sk_topsecret")
        .output()
        .unwrap();
    let text = out(&page);
    assert!(
        text.contains("nobody but a person can tell") && !text.contains("topsecret"),
        "{text}"
    );
    let unknown = storyclip(&["man", "sing"]).output().unwrap();
    assert_eq!(unknown.status.code(), Some(1));
    assert!(err(&unknown).contains("sing: there is no such command"));
}
