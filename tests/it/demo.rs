//! The first command of the README, as a person meets it.

use std::process::{Command, Stdio};

#[test]
fn the_demo_publishes_five_clips_and_leaves_nothing_behind() {
    let temporary = format!("{}/demo-{}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    std::fs::create_dir_all(&temporary).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_storyclip"))
        .args(["demo", "--exit-when-done"])
        .env("TMPDIR", &temporary)
        .env("METRICOOL_USER_TOKEN", "a-real-token-that-must-stay-out")
        .env("STORYCLIP_LOG", "warn")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
    assert!(out.contains("completed: 5 published, 0 failed of 5"), "{out}");
    for clip in 1..=5 {
        let line = format!("{clip}/5 clip_{clip}: published");
        assert_eq!(out.matches(&line).count(), 1, "{line}\n{out}");
    }
    assert!(!out.contains("real-token") && !err.contains("real-token"));
    let left: Vec<_> = std::fs::read_dir(&temporary).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    std::fs::remove_dir(&temporary).unwrap();
}
