//! Tasks beside the actors that live as long as the daemon: whoever of them panics is begun anew, later each time.
//!
//! The daemon and the notifications keep theirs here. Each begins from the rows like one of a new process, so nothing is
//! lost by its death but time, and no batch has to stop because of a message that nobody can be told. A death is an error in
//! the log and is counted.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt;
use tokio::{task::JoinSet, time::Instant};

/// After the first death; each further one doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The longest wait; who has worked for so long begins with the first one again.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How many tasks died in this process.
#[derive(Clone, Debug, Default)]
pub struct Deaths(Arc<AtomicU64>);

impl Deaths {
    /// So far.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// See the file's first paragraph. Dropping it ends them all.
pub struct Tasks {
    running: JoinSet<()>,
    deaths: Deaths,
}

impl Tasks {
    /// None yet.
    pub fn new(deaths: Deaths) -> Self {
        Self {
            running: JoinSet::new(),
            deaths,
        }
    }

    /// Runs what `begin` gives until that ends of its own accord.
    pub fn keep<F>(&mut self, name: &'static str, begin: impl Fn() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.running.spawn(kept(name, begin, self.deaths.clone()));
    }

    /// Waits for them to end of their own accord, and ends them when that takes too long.
    pub async fn finish(mut self, within: Duration) {
        let all = async { while self.running.join_next().await.is_some() {} };
        if tokio::time::timeout(within, all).await.is_err() {
            tracing::debug!("tasks are cut short");
        }
    }
}

async fn kept<F>(name: &'static str, begin: impl Fn() -> F, deaths: Deaths)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut wait = FIRST_WAIT;
    loop {
        let began = Instant::now();
        let task = begin();
        #[cfg(feature = "crash-points")]
        let task = crate::crash_points::task(name, task);
        // Nobody sees the task again after a panic, in whatever state that left it.
        if AssertUnwindSafe(task).catch_unwind().await.is_ok() {
            return;
        }
        deaths.0.fetch_add(1, Ordering::Relaxed);
        if began.elapsed() >= LONGEST_WAIT {
            wait = FIRST_WAIT;
        }
        tracing::error!(
            task = name,
            seconds = wait.as_secs(),
            "task died, it begins anew after a wait"
        );
        tokio::time::sleep(wait).await;
        wait = LONGEST_WAIT.min(wait * 2);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_always_panics_is_begun_later_each_time_and_who_ends_is_not() {
        let (began, mut begins) = mpsc::unbounded_channel();
        let deaths = Deaths::default();
        let mut tasks = Tasks::new(deaths.clone());
        tasks.keep("broken", move || {
            began.send(Instant::now()).unwrap();
            async { panic!("on purpose") }
        });
        let mut waits = Vec::new();
        let mut last = begins.recv().await.unwrap();
        for _ in 0..8 {
            let next = begins.recv().await.unwrap();
            waits.push((next - last).as_secs());
            last = next;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(deaths.count(), 9);

        let mut tasks = Tasks::new(deaths.clone());
        tasks.keep("done", || async {});
        let asked = Instant::now();
        tasks.finish(LONGEST_WAIT).await;
        assert_eq!((asked.elapsed(), deaths.count()), (Duration::ZERO, 9));
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_worked_for_long_is_begun_soon() {
        let (began, mut begins) = mpsc::unbounded_channel();
        let mut tasks = Tasks::new(Deaths::default());
        tasks.keep("late", move || {
            began.send(Instant::now()).unwrap();
            async {
                tokio::time::sleep(LONGEST_WAIT).await;
                panic!("on purpose")
            }
        });
        let first = begins.recv().await.unwrap();
        begins.recv().await.unwrap();
        let third = begins.recv().await.unwrap();
        assert_eq!(third - first, 2 * (LONGEST_WAIT + FIRST_WAIT));
    }
}
