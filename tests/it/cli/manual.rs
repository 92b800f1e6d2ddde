//! Completions and manual pages: of every command, and with nothing of the environment.

use super::{err, out, storyclip};

/// Every command as it is called, as in `keys create`: those that the help names.
fn commands() -> Vec<String> {
    let mut all = below("");
    let groups: Vec<String> = all.iter().flat_map(|command| below(command)).collect();
    all.extend(groups);
    assert!(
        all.iter().any(|command| command == "keys create") && all.len() > 20,
        "{all:?}"
    );
    all
}

/// The commands below this one; none of what is no group.
fn below(group: &str) -> Vec<String> {
    let args: Vec<&str> = group.split_whitespace().chain(["--help"]).collect();
    let help = out(&storyclip(&args).output().unwrap());
    let Some((_, rest)) = help.split_once("\nCommands:\n") else {
        return Vec::new();
    };
    let lines = rest.lines().take_while(|line| !line.is_empty());
    let names = lines.filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
    names
        .map(|line| line.split_whitespace().next().unwrap())
        .filter(|name| *name != "help")
        .map(|name| format!("{group} {name}").trim().to_owned())
        .collect()
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let output = storyclip(&["completions", shell])
            .env("STORYCLIP_API_KEY", "sk_topsecret")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", err(&output));
        let text = out(&output);
        for command in commands().iter().flat_map(|command| command.split(' ')) {
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
    for command in commands() {
        let name = format!("storyclip-{}", command.replace(' ', "-"));
        let page = std::fs::read_to_string(format!("{folder}/{name}.1")).unwrap();
        assert!(page.contains(".SH NAME") && !page.contains("topsecret"), "{command}");
        let args: Vec<&str> = ["man"].into_iter().chain(command.split(' ')).collect();
        let alone = storyclip(&args).output().unwrap();
        assert_eq!(out(&alone), page, "{command}");
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
    for (unknown, name) in [(&["man", "sing"][..], "sing"), (&["man", "keys", "sing"], "keys sing")] {
        let unknown = storyclip(unknown).output().unwrap();
        assert_eq!(unknown.status.code(), Some(1));
        assert!(err(&unknown).contains(&format!("{name}: there is no such command")));
    }
}
