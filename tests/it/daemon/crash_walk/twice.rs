//! Two deaths: one at every step, and another one soon after the restart, while what the first has left is cleared up.

use std::time::Instant;

use futures_util::future::join_all;

use super::{FAR_TOO_MANY, Walk, publishing::Publishing};
use crate::daemon::ledger::Tally;

/// How many of the first commits and calls of the second daemon are walked through.
const SOON: usize = 3;

impl Walk<Publishing> {
    /// A first death at every step of this kind, of which there are at least so many.
    async fn twice(self, kind: &str, least: usize) {
        let begun = Instant::now();
        let (mut first, mut second, mut total) = (0, 0, Tally::default());
        for nth in 1.. {
            assert!(nth < FAR_TOO_MANY, "the course never runs through");
            let soon = ["commit", "call"]
                .into_iter()
                .flat_map(|kind| (1..=SOON).map(move |nth| format!("abort:{kind}:{nth}")));
            let steps = soon.map(|then| self.step(vec![format!("abort:{kind}:{nth}"), then]));
            let mut ran_through = false;
            let mut died = 0;
            for step in join_all(steps).await {
                ran_through |= step.died == 0;
                died = died.max(step.died);
                second += usize::from(step.died == 2);
                total += step.tally;
            }
            first += usize::from(died > 0);
            if ran_through {
                break;
            }
            assert_eq!(died, 2, "nobody who began after {kind} {nth} came to a step");
        }
        let told = format!(
            "{first} deaths by {kind}, each with up to {} soon after, {second} in all",
            2 * SOON
        );
        self.tell(&told, total, begun);
        assert!(first >= least, "{first} deaths by {kind}, at least {least} points");
    }
}

#[tokio::test]
async fn a_second_death_soon_after_the_restart_leaves_one_live_post_per_clip() {
    let course = Publishing {
        network: "facebook",
        clips: 2,
        unanswered: false,
    };
    let walk = Walk {
        course,
        postgresql: None,
        at_once: 1,
    };
    for kind in ["commit", "call", "answer"] {
        walk.twice(kind, course.points(kind)).await;
    }
}
