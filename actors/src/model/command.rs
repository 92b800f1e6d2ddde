//! A person's wish about a batch, and how it is kept in a row of `batch_commands`: a word and, where that does not say
//! all, a JSON text.
//!
//! HTTP makes a [`Wish`], the store writes and reads it, the batch actor carries it out. It is durable before anybody is
//! told of it, so a death loses none.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{CommandId, CommandKind, PostId};

/// A row of `batch_commands` that is not applied yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Of the row.
    pub id: CommandId,
    /// What is wished; `None` if the row's detail cannot be read: it is noted as applied and changes nothing.
    pub wish: Option<Wish>,
}

/// What a person wishes. One that is impossible when it is applied changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Start no further clip, withdraw what can be withdrawn.
    Cancel,
    /// Start no further clip until `Resume`; what is on its way is followed to its end.
    Pause,
    /// Go on after a pause, whoever made it; under policy `hold` past the clips that failed.
    Resume,
    /// Try failed clips again, after asking what became of their old posts.
    RetryFailed {
        /// Which of them, from 1; empty: all.
        clips: Vec<u32>,
    },
    /// Decide about a held clip.
    Resolve {
        /// Which, from 1.
        clip: u32,
        /// The attempt that was held when the person decided: another one is another question. `None` in rows from before
        /// this was kept.
        attempt: Option<u32>,
        /// How.
        how: Resolution,
    },
}

/// How a person decides about a held clip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", content = "postId", rename_all = "lowercase")]
pub enum Resolution {
    /// This post is the clip's; the network still has to say that it is live.
    Adopt(PostId),
    /// It is not live: send it again.
    Retry,
    /// Leave it: it failed, and no policy stops for it.
    Drop,
}

/// The detail of a `retry-failed`.
#[derive(Serialize, Deserialize)]
struct Clips {
    clips: Vec<u32>,
}

/// The detail of a `resolve`.
#[derive(Serialize, Deserialize)]
struct Resolved {
    clip: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(flatten)]
    how: Resolution,
}

/// A detail that does not say what its kind needs.
#[derive(Debug, Error)]
#[error("detail of a {kind} command: {reason}")]
pub struct UnreadableDetail {
    kind: CommandKind,
    reason: String,
}

impl Wish {
    /// The word of the row.
    pub const fn kind(&self) -> CommandKind {
        match self {
            Self::Cancel => CommandKind::Cancel,
            Self::Pause => CommandKind::Pause,
            Self::Resume => CommandKind::Resume,
            Self::RetryFailed { .. } => CommandKind::RetryFailed,
            Self::Resolve { .. } => CommandKind::Resolve,
        }
    }

    /// What the word does not say, as JSON.
    pub fn detail(&self) -> Option<String> {
        let json = match self {
            Self::Cancel | Self::Pause | Self::Resume => return None,
            Self::RetryFailed { clips } => serde_json::to_string(&Clips { clips: clips.clone() }),
            Self::Resolve { clip, attempt, how } => serde_json::to_string(&Resolved {
                clip: *clip,
                attempt: *attempt,
                how: how.clone(),
            }),
        };
        // Numbers and texts always have a JSON form.
        json.ok()
    }

    /// The wish of a row.
    ///
    /// # Errors
    /// The detail is none of this kind's.
    pub fn read(kind: CommandKind, detail: Option<&str>) -> Result<Self, UnreadableDetail> {
        let unreadable = |reason: String| UnreadableDetail { kind, reason };
        let text = || detail.ok_or_else(|| unreadable("it is missing".into()));
        Ok(match kind {
            CommandKind::Cancel => Self::Cancel,
            CommandKind::Pause => Self::Pause,
            CommandKind::Resume => Self::Resume,
            CommandKind::RetryFailed => {
                let Clips { clips } = serde_json::from_str(text()?).map_err(|error| unreadable(error.to_string()))?;
                Self::RetryFailed { clips }
            }
            CommandKind::Resolve => {
                let Resolved { clip, attempt, how } =
                    serde_json::from_str(text()?).map_err(|error| unreadable(error.to_string()))?;
                Self::Resolve { clip, attempt, how }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wish_comes_back_from_its_row() {
        let attempt = Some(2);
        let resolve = |how| Wish::Resolve { clip: 3, attempt, how };
        for wish in [
            Wish::Cancel,
            Wish::Pause,
            Wish::Resume,
            Wish::RetryFailed { clips: vec![] },
            Wish::RetryFailed { clips: vec![3, 5] },
            resolve(Resolution::Adopt("300\"1".into())),
            resolve(Resolution::Retry),
            resolve(Resolution::Drop),
        ] {
            let detail = wish.detail();
            assert_eq!(Wish::read(wish.kind(), detail.as_deref()).unwrap(), wish, "{detail:?}");
        }
        let adopt = resolve(Resolution::Adopt("1".into())).detail();
        assert_eq!(
            adopt.as_deref(),
            Some(r#"{"clip":3,"attempt":2,"action":"adopt","postId":"1"}"#)
        );
        let (clip, attempt, how) = (3, None, Resolution::Drop);
        let before = Wish::read(CommandKind::Resolve, Some(r#"{"clip":3,"action":"drop"}"#));
        assert_eq!(
            before.unwrap(),
            Wish::Resolve { clip, attempt, how },
            "a row from before"
        );
    }

    #[test]
    fn a_detail_that_says_something_else_is_an_error() {
        for (kind, detail) in [
            (CommandKind::RetryFailed, None),
            (CommandKind::RetryFailed, Some("{")),
            (CommandKind::RetryFailed, Some(r#"{"clips":[-1]}"#)),
            (CommandKind::Resolve, Some(r#"{"clip":1}"#)),
            (CommandKind::Resolve, Some(r#"{"clip":1,"action":"sing"}"#)),
            (CommandKind::Resolve, Some(r#"{"clip":1,"action":"adopt"}"#)),
        ] {
            assert!(Wish::read(kind, detail).is_err(), "{kind} {detail:?}");
        }
    }
}
