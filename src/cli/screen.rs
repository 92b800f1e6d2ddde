//! Where a watched batch is shown: bars on a terminal, plain lines elsewhere, or the daemon's own JSON where that is asked
//! for. [`super::watch`] is its only caller.

use std::{io::IsTerminal, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{CliError, Output, event::Event, progress::Progress};

const BATCH: &str = "{wide_bar} {pos}/{len} clips{msg}";
const CLIP: &str = "{spinner} {wide_msg} {elapsed}";

/// See the module.
pub(super) enum Screen {
    /// A terminal.
    Bars {
        /// Both bars and the lines above them.
        all: MultiProgress,
        /// Settled clips of all clips.
        batch: ProgressBar,
        /// The clip at work.
        clip: ProgressBar,
    },
    /// A file or a pipe.
    Lines,
    /// A program: each message as the daemon sent it, one a line.
    Json,
}

impl Screen {
    /// JSON if wished for, else bars if standard output is a terminal.
    pub(super) fn new(json: bool) -> Self {
        if json {
            return Self::Json;
        }
        if !std::io::stdout().is_terminal() {
            return Self::Lines;
        }
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        let batch = all.add(ProgressBar::new(0).with_style(style(BATCH)));
        let clip = all.add(ProgressBar::new_spinner().with_style(style(CLIP)));
        clip.enable_steady_tick(Duration::from_millis(100));
        Self::Bars { all, batch, clip }
    }

    /// Shows an event, which came as this text, and what it led to.
    pub(super) fn show(&self, text: &str, event: &Event, progress: &Progress) -> Result<(), CliError> {
        let line = event.clip_line();
        match self {
            Self::Json => Output.line(text),
            Self::Lines => match line {
                Some(line) if !event.is_tick() => Output.line(&line),
                Some(_) | None => Ok(()),
            },
            Self::Bars { all, batch, clip } => {
                batch.set_length(progress.total.into());
                batch.set_position(progress.settled().into());
                if progress.failed > 0 {
                    batch.set_message(format!(", {} failed", progress.failed));
                }
                let Some(line) = line else { return Ok(()) };
                if event.settles_a_clip() {
                    all.println(&line).map_err(CliError::Output)?;
                    clip.reset_elapsed();
                }
                clip.set_message(line);
                Ok(())
            }
        }
    }

    /// Says something beside the events.
    pub(super) fn note(&self, line: &str) -> Result<(), CliError> {
        match self {
            Self::Json => {
                eprintln!("{line}");
                Ok(())
            }
            Self::Lines => Output.line(line),
            Self::Bars { all, .. } => all.println(line).map_err(CliError::Output),
        }
    }

    /// Says the last thing.
    pub(super) fn end(&self, summary: &str) -> Result<(), CliError> {
        match self {
            Self::Json => return Ok(()),
            Self::Lines => {}
            Self::Bars { batch, clip, .. } => {
                clip.finish_and_clear();
                batch.finish_and_clear();
            }
        }
        Output.line(summary)
    }
}

/// The style of this template; the built-in one if it is not understood, which a test rules out.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_take_every_kind_of_event() {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        let (batch, clip) = (all.add(ProgressBar::new(0)), all.add(ProgressBar::new_spinner()));
        let screen = Screen::Bars {
            all,
            batch: batch.clone(),
            clip: clip.clone(),
        };
        let mut progress = Progress::default();
        for json in [
            r#"{"type":"connected","status":"processing","total":3}"#,
            r#"{"type":"progress","current":1,"total":3,"currentStory":"a","status":"published","published":1}"#,
            r#"{"type":"progress","current":2,"total":3,"published":1,"currentStory":"b","status":"uploading"}"#,
        ] {
            let event: Event = serde_json::from_str(json).unwrap();
            progress.apply(&event);
            screen.show(json, &event, &progress).unwrap();
        }
        assert_eq!((batch.position(), batch.length()), (1, Some(3)));
        assert_eq!(clip.message(), "2/3 b: uploading");
    }

    #[test]
    fn the_templates_are_understood() {
        for template in [BATCH, CLIP] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
