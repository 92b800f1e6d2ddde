//! What follows a try: whether it was taken, when it is tried again, when it is given up. Pure; the courier asks it.

use std::time::Duration;

use storyclip_actors::model::Timestamp;

use crate::store::{Channel, DisabledReason, Ending, NoticeKind};

/// How a try ended, as far as the wire shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The receiver answered with this HTTP status, and asked for this wait.
    Status(u16, Option<Duration>),
    /// A mail server took it.
    Taken,
    /// It will never be taken.
    Refused(String),
    /// The receiver could not be asked, or did not answer.
    Nothing(String),
}

/// What is needed of a delivery to judge a try of it.
#[derive(Clone, Copy, Debug)]
pub struct Tried {
    /// How it was sent.
    pub channel: Channel,
    /// What.
    pub kind: NoticeKind,
    /// Tries of its schedule, this one among them.
    pub tries: u32,
    /// When this one ended.
    pub now: Timestamp,
}

/// What follows; `luck` is 0 to 1.
pub fn ending(waits: &[Duration], tried: Tried, answer: &Answer, luck: f64) -> Ending {
    let asked = match answer {
        Answer::Status(200..=299, _) | Answer::Taken => return Ending::Delivered,
        Answer::Refused(_) => return Ending::Failed(None),
        Answer::Status(status, asked) => {
            if let Some(ending) = last_word(tried.channel, *status) {
                return ending;
            }
            *asked
        }
        Answer::Nothing(_) => None,
    };
    if tried.kind == NoticeKind::Test {
        return Ending::Failed(None);
    }
    match (next(waits, tried.tries, tried.now, asked, luck), tried.channel) {
        (Some(at), _) => Ending::Again(at),
        (None, Channel::Webhook) => Ending::Failed(Some(DisabledReason::Failing)),
        (None, Channel::Batch | Channel::Email | Channel::Push) => Ending::Failed(None),
    }
}

/// The statuses after which nothing is tried again.
const fn last_word(channel: Channel, status: u16) -> Option<Ending> {
    match (channel, status) {
        (Channel::Webhook, 410) => Some(Ending::Failed(Some(DisabledReason::Gone))),
        (Channel::Batch, 410) => Some(Ending::Failed(None)),
        (Channel::Push, 404 | 410) => Some(Ending::Forgotten),
        // The message itself is what cannot be taken.
        (Channel::Push, 400 | 413) => Some(Ending::Failed(None)),
        (Channel::Webhook | Channel::Batch | Channel::Email | Channel::Push, _) => None,
    }
}

/// The longest wait that a receiver can ask for.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// When to try again after so many tries, spread by up to a tenth either way so that what failed together does not come
/// back together; `luck` is 0 to 1. A receiver's `Retry-After` is kept if it is later. `None`: the schedule is at its end.
pub fn next(waits: &[Duration], tries: u32, now: Timestamp, asked: Option<Duration>, luck: f64) -> Option<Timestamp> {
    let wait = waits.get(usize::try_from(tries).ok()?.checked_sub(1)?)?;
    let wait = wait.mul_f64(0.9 + 0.2 * luck.clamp(0.0, 1.0));
    Some(now + wait.max(asked.unwrap_or_default().min(LONGEST)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::config::Config;

    const NOW: Timestamp = Timestamp::from_millis(1_780_000_000_000);

    fn judged(channel: Channel, tries: u32, answer: Answer) -> Ending {
        let tried = Tried {
            channel,
            kind: NoticeKind::ClipFailed,
            tries,
            now: NOW,
        };
        ending(&seconds(&[5, 300]), tried, &answer, 0.5)
    }

    #[test]
    fn only_a_2xx_is_taken_and_a_redirect_is_a_failure() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(
                judged(Channel::Webhook, 1, Answer::Status(status, None)),
                Ending::Delivered
            );
        }
        let later = Ending::Again(NOW + Duration::from_secs(5));
        for status in [100, 301, 302, 307, 400, 401, 404, 429, 500, 503] {
            assert_eq!(
                judged(Channel::Webhook, 1, Answer::Status(status, None)),
                later,
                "{status}"
            );
        }
        assert_eq!(judged(Channel::Webhook, 1, Answer::Nothing("refused".into())), later);
    }

    #[test]
    fn what_is_gone_or_exhausted_is_given_up_in_the_way_of_its_channel() {
        let gone = |channel| judged(channel, 1, Answer::Status(410, None));
        assert_eq!(gone(Channel::Webhook), Ending::Failed(Some(DisabledReason::Gone)));
        assert_eq!(gone(Channel::Batch), Ending::Failed(None));
        assert_eq!(gone(Channel::Push), Ending::Forgotten);
        let exhausted = |channel| judged(channel, 3, Answer::Nothing("no".into()));
        assert_eq!(
            exhausted(Channel::Webhook),
            Ending::Failed(Some(DisabledReason::Failing))
        );
        for channel in [Channel::Batch, Channel::Email, Channel::Push] {
            assert_eq!(exhausted(channel), Ending::Failed(None));
        }
        assert_eq!(
            judged(Channel::Email, 1, Answer::Refused("no such user".into())),
            Ending::Failed(None)
        );
        assert_eq!(judged(Channel::Email, 1, Answer::Taken), Ending::Delivered);
    }

    #[test]
    fn a_test_is_tried_once() {
        let tried = Tried {
            channel: Channel::Webhook,
            kind: NoticeKind::Test,
            tries: 1,
            now: NOW,
        };
        let answer = Answer::Status(500, None);
        assert_eq!(ending(&seconds(&[5]), tried, &answer, 0.5), Ending::Failed(None));
    }

    fn seconds(list: &[u64]) -> Vec<Duration> {
        list.iter().copied().map(Duration::from_secs).collect()
    }

    #[test]
    fn each_failed_try_takes_the_next_wait_until_there_is_none() {
        let waits = Config::load_from(None, []).unwrap().webhook_waits;
        let (minute, hour) = (60, 3_600);
        let promised = [5, 5 * minute, 30 * minute, 2 * hour, 5 * hour, 10 * hour];
        assert_eq!(
            waits,
            seconds(&promised),
            "what is promised where no setting says otherwise"
        );
        for (tries, wait) in (1..).zip(&waits) {
            assert_eq!(next(&waits, tries, NOW, None, 0.5), Some(NOW + *wait));
            assert_eq!(next(&waits, tries, NOW, None, 0.0), Some(NOW + wait.mul_f64(0.9)));
            assert_eq!(next(&waits, tries, NOW, None, 1.0), Some(NOW + wait.mul_f64(1.1)));
        }
        assert_eq!(next(&waits, 7, NOW, None, 0.5), None);
        assert_eq!(next(&[], 1, NOW, None, 0.5), None);
    }

    #[test]
    fn a_receiver_may_ask_for_a_longer_wait_but_not_for_ever() {
        let waits = seconds(&[5]);
        let asked = |seconds| next(&waits, 1, NOW, Some(Duration::from_secs(seconds)), 0.5).unwrap();
        assert_eq!(asked(60), NOW + Duration::from_secs(60));
        assert_eq!(asked(1), NOW + Duration::from_secs(5));
        assert_eq!(asked(u64::MAX / 2_000), NOW + LONGEST);
    }
}
