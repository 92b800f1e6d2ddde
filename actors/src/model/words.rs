//! The closed vocabularies: statuses, speeds, policies. Each is one list; text, parsing and iteration derive from it.
//!
//! The words are those of the user's documents and are kept in the database and the API.

use thiserror::Error;

/// A text that is none of the words of a vocabulary.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("\"{word}\" is none of {allowed}")]
pub struct UnknownWord {
    /// What was given.
    pub word: String,
    /// What there is, separated by commas.
    pub allowed: String,
}

/// A closed vocabulary: an enum, the list of its words, and text both ways.
#[macro_export]
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ::serde::Serialize, ::serde::Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant,)* }

        impl $name {
            /// Every word, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word in the database and the API.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::model::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word {
                    $($word => Ok(Self::$variant),)*
                    _ => Err($crate::model::UnknownWord { word: word.into(), allowed: [$($word,)*].join(", ") }),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )*};
}

/// The schema of a vocabulary: a string that is one of its words.
#[cfg(feature = "schema")]
#[macro_export]
macro_rules! word_schemas {
    ($($name:ident),*) => {$(
        impl ::utoipa::PartialSchema for $name {
            fn schema() -> ::utoipa::openapi::RefOr<::utoipa::openapi::schema::Schema> {
                ::utoipa::openapi::schema::ObjectBuilder::new()
                    .schema_type(::utoipa::openapi::schema::Type::String)
                    .enum_values(Some(Self::ALL.iter().map(|word| word.as_str())))
                    .into()
            }
        }

        impl ::utoipa::ToSchema for $name {}
    )*};
}

#[cfg(feature = "schema")]
word_schemas!(
    ClipStatus,
    BatchStatus,
    Network,
    PublishMode,
    Speed,
    OnFailure,
    CommandKind
);

words! {
    /// Where a clip is; `lifecycle` has every legal change.
    ClipStatus {
        /// Not started; the publisher takes it on.
        Pending = "pending",
        /// Due, but a rate limit or a refused account holds it; `next_attempt_at` and a reason are set.
        Queued = "queued",
        /// Media is being prepared, or, once the request is stored, the create call is under way.
        Uploading = "uploading",
        /// The provider's post id is durable; the network has not confirmed.
        WaitingConfirmation = "waiting_confirmation",
        /// Failed for a passing reason; `next_attempt_at` says when it goes on.
        Retrying = "retrying",
        /// The answer of a call that may have published was lost; the network is being asked.
        Uncertain = "uncertain",
        /// The network could not tell; a person decides.
        Held = "held",
        /// Live, by the network's own word.
        Published = "published",
        /// Will not be tried again by itself.
        Failed = "failed",
        /// Never sent, or provably withdrawn.
        Cancelled = "cancelled",
    }
    /// Where a batch is.
    BatchStatus {
        /// Not submitted yet.
        Draft = "draft",
        /// Its first slot lies ahead.
        Scheduled = "scheduled",
        /// At work; claimed and run by a daemon.
        Processing = "processing",
        /// Waits for a person.
        Paused = "paused",
        /// Every clip is settled, even if some failed.
        Completed = "completed",
        /// The batch itself cannot go on.
        Failed = "failed",
        /// A person cancelled it; what was live stays live.
        Cancelled = "cancelled",
    }
    /// Where stories go through Metricool.
    Network {
        /// A Facebook page's stories.
        Facebook = "facebook",
        /// An Instagram account's stories.
        Instagram = "instagram",
    }
    /// When the clips of a batch are sent.
    PublishMode {
        /// One after the other, each as soon as the one before it is settled.
        Now = "now",
        /// At slots that a person chose, handed over at once: the network publishes them while no daemon runs.
        Scheduled = "scheduled",
        /// The same at slots that were chosen by the account's best hours.
        BestTime = "bestTime",
    }
    /// How long a confirmation is waited for; nothing else differs.
    Speed {
        /// 120 s by default.
        Safe = "safe",
        /// 90 s by default.
        Fast = "fast",
        /// 60 s by default.
        Ultra = "ultra",
        /// 180 s by default.
        Hyper = "hyper",
    }
    /// What a failed clip does to its batch.
    OnFailure {
        /// Record it and go on.
        Skip = "skip",
        /// The batch fails; clips not started stay pending.
        Stop = "stop",
        /// The batch waits for a person.
        Hold = "hold",
    }
    /// What a person may ask of a batch.
    CommandKind {
        /// Start no further clip, withdraw what can be withdrawn.
        Cancel = "cancel",
        /// Start no further clip for now.
        Pause = "pause",
        /// Go on after a pause.
        Resume = "resume",
        /// Try failed clips again.
        RetryFailed = "retry-failed",
        /// Decide about a held clip.
        Resolve = "resolve",
    }
    /// What a person ruled about a clip; it lasts until it is done, also over a restart.
    Ruling {
        /// Another try was asked for: what became of the old post is found out first, and a failure of it, whatever its
        /// kind, is no reason not to send the clip again.
        Retry = "retry",
        /// It failed, and the batch goes on past it whatever its policy.
        PassOver = "pass_over",
    }
}

impl ClipStatus {
    /// Whether the clip is done: `published`, `failed` or `cancelled`.
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Published | Self::Failed | Self::Cancelled => true,
            Self::Pending
            | Self::Queued
            | Self::Uploading
            | Self::WaitingConfirmation
            | Self::Retrying
            | Self::Uncertain
            | Self::Held => false,
        }
    }
}

impl PublishMode {
    /// Whether slots give the order of the clips, and not their confirmations.
    pub const fn is_by_slots(self) -> bool {
        match self {
            Self::Now => false,
            Self::Scheduled | Self::BestTime => true,
        }
    }
}

impl BatchStatus {
    /// Whether clips are sent.
    pub const fn is_at_work(self) -> bool {
        match self {
            Self::Scheduled | Self::Processing => true,
            Self::Draft | Self::Paused | Self::Completed | Self::Failed | Self::Cancelled => false,
        }
    }

    /// Whether nothing more happens by itself but late looks and clips in flight.
    pub const fn is_finished(self) -> bool {
        match self {
            Self::Completed | Self::Failed | Self::Cancelled => true,
            Self::Draft | Self::Scheduled | Self::Processing | Self::Paused => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_parses_back() {
        for status in ClipStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(*status));
        }
        for status in BatchStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(*status));
        }
        assert!("PENDING".parse::<ClipStatus>().is_err());
    }
}
