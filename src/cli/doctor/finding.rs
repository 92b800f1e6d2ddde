//! What `doctor` found about one thing, and how a list of it is printed. Pure.

use serde::Serialize;
use serde_json::json;

use crate::cli::table::plain;

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// As it should be.
    Ok,
    /// It works, and a person should know.
    Warning,
    /// A daemon cannot do its work like this.
    Failed,
    /// Not looked at, for the reason given.
    Skipped,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "FAILED",
            Self::Skipped => "skipped",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What.
    pub(super) check: &'static str,
    pub(super) state: State,
    /// One line.
    pub(super) found: String,
    /// What to do about it.
    pub(super) todo: Option<String>,
}

impl Finding {
    fn new(check: &'static str, state: State, found: &str) -> Self {
        Self {
            check,
            state,
            found: sentence(found),
            todo: None,
        }
    }

    pub(super) fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self::new(check, State::Ok, &found.into())
    }

    pub(super) fn warning(check: &'static str, found: impl Into<String>) -> Self {
        Self::new(check, State::Warning, &found.into())
    }

    pub(super) fn failed(check: &'static str, found: impl Into<String>) -> Self {
        Self::new(check, State::Failed, &found.into())
    }

    pub(super) fn skipped(check: &'static str, found: impl Into<String>) -> Self {
        Self::new(check, State::Skipped, &found.into())
    }

    /// The same with what to do about it.
    pub(super) fn todo(self, todo: impl Into<String>) -> Self {
        Self {
            todo: Some(sentence(&todo.into())),
            ..self
        }
    }
}

/// On one line, as each finding is printed; an error of the API has one for each wrong field.
fn sentence(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.join("; ")
}

/// Everything that was found.
pub(super) struct Report(pub(super) Vec<Finding>);

impl Report {
    /// Whether nothing failed.
    pub(super) fn is_well(&self) -> bool {
        self.count(State::Failed) == 0
    }

    fn count(&self, state: State) -> usize {
        self.0.iter().filter(|finding| finding.state == state).count()
    }

    /// For a person: a line per finding, and under it what to do.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for finding in &self.0 {
            let state = finding.state.as_str();
            text += &format!("{state:8} {:12} {}\n", finding.check, plain(&finding.found));
            if let Some(todo) = &finding.todo {
                text += &format!("{:21} -> {}\n", "", plain(todo));
            }
        }
        text + &match (self.count(State::Failed), self.count(State::Warning)) {
            (0, 0) => "all is well\n".to_owned(),
            (0, warnings) => format!("it works; to look at: {warnings}\n"),
            (failed, _) => format!("to put right: {failed}\n"),
        }
    }

    /// For a program.
    pub(super) fn json(&self) -> String {
        format!("{}\n", json!({ "ok": self.is_well(), "checks": self.0 }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line_whatever_an_error_says() {
        let report = Report(vec![Finding::failed("key", "no\n  a: b\n").todo("do\nthis")]);
        let line = "FAILED   key          no; a: b\n                      -> do; this\n";
        assert!(report.text().starts_with(line), "{}", report.text());
    }

    #[test]
    fn a_warning_is_well_and_a_failure_is_not() {
        let warning = Finding::warning("clock", "it is 3 s fast").todo("run an NTP client");
        let report = Report(vec![Finding::ok("database", "fine"), warning]);
        assert!(report.is_well());
        assert_eq!(
            report.text(),
            "ok       database     fine\n\
             warning  clock        it is 3 s fast\n                      -> run an NTP client\n\
             it works; to look at: 1\n"
        );
        let report = Report(vec![Finding::failed("settings", "no")]);
        assert!(!report.is_well() && report.text().ends_with("to put right: 1\n"));
        let json = r#"{"checks":[{"check":"settings","found":"no","state":"failed","todo":null}],"ok":false}"#;
        assert_eq!(report.json().trim_end(), json);
    }
}
