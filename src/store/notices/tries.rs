//! A try of a delivery: what is sent, how it ended, and the rows that say so. The queue reads the one and writes the other.

use std::{collections::HashMap, time::Duration};

use secrecy::SecretString;
use storyclip_actors::model::{BatchId, Tenant, Timestamp};

use super::{
    super::{decode::Cursor, rows::Rows},
    view::{Channel, DisabledReason, NoticeKind},
};

/// A delivery to send now.
pub struct Due {
    /// Its row.
    pub id: String,
    /// Under which it was claimed.
    pub claim: String,
    /// Whose it is.
    pub tenant: Tenant,
    /// How.
    pub channel: Channel,
    /// To whom.
    pub target: String,
    /// Attempts before this one.
    pub attempts: u32,
    /// Tries of its schedule before this one.
    pub tries: u32,
    /// When the schedule began.
    pub began_at: Timestamp,
    /// The notice's id.
    pub notice: String,
    /// What it tells.
    pub kind: NoticeKind,
    /// The batch that it is about.
    pub batch: Option<BatchId>,
    /// The JSON to send.
    pub body: String,
    /// Where to, for a webhook or a browser; `None` if that is gone.
    pub url: Option<String>,
    /// By what to sign a webhook: the secret in force, then those that were until lately.
    pub secrets: Vec<SecretString>,
    /// A browser's keys: p256dh and auth.
    pub keys: Option<(String, String)>,
    /// Whether its endpoint was disabled meanwhile.
    pub disabled: bool,
}

/// What became of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was taken.
    Delivered,
    /// Once more, then.
    Again(Timestamp),
    /// Given up; with the reason for which its endpoint is disabled, if that is so.
    Failed(Option<DisabledReason>),
    /// Given up, and the browser is forgotten.
    Forgotten,
    /// Its endpoint is disabled; nothing was sent.
    Paused,
}

/// A try and its end.
pub struct Attempted {
    /// What was sent.
    pub due: Due,
    /// When.
    pub at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// The answer's status.
    pub http_status: Option<u16>,
    /// Why it was not taken.
    pub error: Option<String>,
    /// What follows.
    pub ending: Ending,
}

/// Reads a row of what was claimed.
pub fn due(columns: &mut Cursor<'_>, claim: &str) -> sqlx::Result<Due> {
    Ok(Due {
        id: columns.text()?.to_owned(),
        claim: claim.to_owned(),
        tenant: columns.text()?.into(),
        channel: columns.parsed()?,
        target: columns.text()?.to_owned(),
        attempts: columns.count()?,
        tries: columns.count()?,
        began_at: columns.parsed()?,
        notice: columns.text()?.to_owned(),
        kind: columns.parsed()?,
        batch: columns.maybe()?.map(BatchId::from),
        body: columns.text()?.to_owned(),
        url: columns.maybe_owned()?,
        secrets: columns.maybe_owned()?.map(SecretString::from).into_iter().collect(),
        keys: columns.maybe_owned()?.zip(columns.maybe_owned()?),
        disabled: columns.int()? == 1,
    })
}

/// The rows of what ended how.
#[derive(Default)]
pub struct Ended {
    pub settled: Rows,
    pub took: Rows,
    pub disabled: Rows,
    pub forgotten: Rows,
    pub reasons: HashMap<String, DisabledReason>,
}

impl Ended {
    pub fn of(attempted: &[Attempted]) -> Self {
        let mut ended = Self::default();
        let mut took: HashMap<&str, Timestamp> = HashMap::new();
        for Attempted {
            due,
            at,
            http_status,
            error,
            ending,
            ..
        } in attempted
        {
            let end_at = *at;
            let (status, again, settled_at) = match ending {
                Ending::Delivered => ("delivered", None, Some(end_at)),
                Ending::Again(due) => ("pending", Some(*due), None),
                Ending::Failed(_) | Ending::Forgotten => ("failed", None, Some(end_at)),
                Ending::Paused => ("paused", None, None),
            };
            let sent = i64::from(*ending != Ending::Paused);
            ended.settled.push(&[
                &due.id,
                &due.claim,
                &status,
                &sent,
                &again,
                http_status,
                error,
                &settled_at,
            ]);
            match ending {
                Ending::Delivered if due.channel == Channel::Webhook => {
                    took.insert(&due.target, end_at);
                }
                Ending::Failed(Some(reason)) => {
                    // An endpoint that took another message meanwhile is not dead.
                    let since = (*reason == DisabledReason::Failing).then_some(due.began_at);
                    if ended.reasons.insert(due.target.clone(), *reason).is_none() {
                        ended.disabled.push(&[&due.target, &reason.as_str(), &since, at]);
                    }
                }
                Ending::Forgotten => ended.forgotten.push(&[&due.target]),
                Ending::Delivered | Ending::Again(_) | Ending::Failed(None) | Ending::Paused => {}
            }
        }
        for (target, at) in took {
            ended.took.push(&[&target, &at]);
        }
        ended
    }
}

/// The rows of the log; `numbers` has how many attempts each delivery that was settled has had.
pub fn log(attempted: &[Attempted], numbers: &HashMap<String, i64>) -> Rows {
    let mut rows = Rows::default();
    for Attempted {
        due,
        at,
        took,
        http_status,
        error,
        ending,
    } in attempted
    {
        match (numbers.get(&due.id), ending) {
            (Some(number), Ending::Delivered | Ending::Again(_) | Ending::Failed(_) | Ending::Forgotten) => {
                rows.push(&[&due.id, number, at, &(took.as_millis() as i64), http_status, error]);
            }
            (None, _) | (Some(_), Ending::Paused) => {}
        }
    }
    rows
}
