//! How many batches and clips are where: the same as counting all rows, without reading all of them.

use std::sync::Arc;

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use storyclip_actors::{
    model::{BatchStatus, ClipStatus, Totals},
    ports::{ClipWrite, Store as _},
};

use super::{
    bench::{Bench, step},
    subject::Subject as _,
};

pub async fn counts_are_those_of_the_rows(bench: &Bench) {
    let none = bench.store.counts().await.unwrap();
    assert!(none.batches.iter().all(|(_, count)| *count == 0) && none.clips.iter().all(|(_, count)| *count == 0));
    assert_eq!(
        (none.batches.len(), none.clips.len()),
        (BatchStatus::ALL.len(), ClipStatus::ALL.len())
    );

    let rng = &mut StdRng::seed_from_u64(3);
    for n in 0..60 {
        let mut snapshot = bench.live(&format!("b{n}"), rng.random_range(1..6)).await;
        let mut change = step(&snapshot);
        change.head.status = *BatchStatus::ALL.choose(rng).unwrap();
        let ends = [ClipStatus::Published, ClipStatus::Failed];
        let possible = match change.head.status {
            BatchStatus::Completed => &ends[..],
            BatchStatus::Draft
            | BatchStatus::Scheduled
            | BatchStatus::Processing
            | BatchStatus::Paused
            | BatchStatus::Failed
            | BatchStatus::Cancelled => ClipStatus::ALL,
        };
        for clip in &mut snapshot.clips {
            let expected = clip.status;
            clip.status = *possible.choose(rng).unwrap();
            change.clips.push(ClipWrite {
                expected,
                clip: clip.clone(),
            });
        }
        change.head.totals = Totals::of(&snapshot.clips);
        change.head.release = true;
        if change.head.status != BatchStatus::Processing {
            change.head.wake_at = None;
        }
        bench.store.commit(Arc::new(change)).await.unwrap();
    }
    let counts = bench.store.counts().await.unwrap();
    for (status, count) in &counts.batches {
        let rows = format!("SELECT COUNT(*) FROM publish_batches WHERE status = '{status}'");
        assert_eq!(*count, bench.number(&rows).await, "{status} batches");
    }
    for (status, count) in &counts.clips {
        let rows = format!("SELECT COUNT(*) FROM publish_batch_clips WHERE status = '{status}'");
        assert_eq!(*count, bench.number(&rows).await, "{status} clips");
    }
    assert!(counts.batches.iter().all(|(_, count)| *count > 0) && counts.clips.iter().all(|(_, count)| *count > 0));
}
