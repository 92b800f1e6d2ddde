//! Many random drains against a model that carries out one change after the other.

use std::collections::{BTreeMap, HashSet};

use futures_util::future::join_all;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use storyclip::store::StreamScope;
use storyclip_actors::{
    error::StoreError,
    model::{BatchId, BatchStatus, ClipStatus, PostRef, Timestamp, Trouble},
    ports::{AttemptWrite, Change, ClipWrite, Snapshot},
};

use super::{
    bench::{Bench, at, batch, event, request, step, tenant},
    subject::Subject,
};

const BATCHES: usize = 6;
const CLIPS: u32 = 3;
const STATUSES: [ClipStatus; 3] = [ClipStatus::Pending, ClipStatus::Uploading, ClipStatus::Published];
const TEXTS: [&str; 4] = ["plain", "\"quoted\"", "back\\slash\n", "é🎬"];

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Done,
    Lost,
    Conflict,
}

type AttemptKey = (String, u32, u32);

/// Slot and media, post, message.
type AttemptRow = (Option<(Timestamp, String)>, Option<String>, Option<String>);

/// The rows as they must be.
#[derive(Default)]
struct Model {
    statuses: BTreeMap<(String, u32), (ClipStatus, u32, Option<String>)>,
    heads: BTreeMap<String, (BatchStatus, Option<Trouble>, u32, Timestamp)>,
    slots: BTreeMap<AttemptKey, AttemptRow>,
    streams: BTreeMap<String, Vec<(String, String)>>,
}

impl Model {
    fn commit(&mut self, change: &mut Change, epoch: i64) -> Verdict {
        let batch = change.batch.to_string();
        let status = self.heads.get(&batch).map_or(BatchStatus::Processing, |head| head.0);
        if change.epoch != epoch || change.head.expected != status {
            return Verdict::Lost;
        }
        let mut statuses = self.statuses.clone();
        for write in &change.clips {
            let row = statuses.get_mut(&(batch.clone(), write.clip.index)).unwrap();
            if row.0 != write.expected {
                return Verdict::Lost;
            }
            let text = write.clip.error.as_ref().map(|error| error.message.to_string());
            *row = (write.clip.status, write.clip.attempt, text);
        }
        let mut slots = self.slots.clone();
        for write in &change.attempts {
            let row = slots.entry((batch.clone(), write.clip, write.attempt)).or_default();
            let wish = write
                .request
                .as_ref()
                .map(|request| (request.slot, request.media.to_string()));
            row.0 = wish.or(row.0.take());
            row.1 = write.post.as_ref().map(|post| post.id.to_string()).or(row.1.take());
            row.2 = write.message.clone().or(row.2.take());
        }
        let unique = |taken: Vec<String>| taken.iter().collect::<HashSet<_>>().len() == taken.len();
        if !unique(
            slots
                .values()
                .filter_map(|row| row.0.as_ref().map(|slot| format!("{slot:?}")))
                .collect(),
        ) || !unique(slots.values().filter_map(|row| row.1.clone()).collect())
        {
            return Verdict::Conflict;
        }
        (self.statuses, self.slots) = (statuses, slots);
        let own = |row: &((String, u32), ClipStatus)| row.0.0 == batch && row.1 == ClipStatus::Published;
        let now = self.statuses.iter().map(|(key, row)| (key.clone(), row.0));
        change.head.totals.published = now.filter(own).count() as u32;
        let head = &change.head;
        self.heads.insert(
            batch.clone(),
            (head.status, head.error.clone(), head.totals.published, change.at),
        );
        for event in &change.events {
            self.streams
                .entry(change.user.to_string())
                .or_default()
                .push((batch.clone(), event.body.clone()));
        }
        Verdict::Done
    }
}

fn random_change(rng: &mut StdRng, snapshot: &Snapshot, number: usize) -> Change {
    let mut change = step(snapshot);
    change.at = at(number as u64);
    change.epoch += i64::from(rng.random_ratio(1, 12));
    change.head.error = rng
        .random_bool(0.3)
        .then(|| Trouble::new("X", TEXTS.choose(rng).unwrap()));
    let mut status = || match rng.random_ratio(1, 8) {
        true => BatchStatus::Paused,
        false => BatchStatus::Processing,
    };
    (change.head.expected, change.head.status) = (status(), status());
    for index in 1..=CLIPS {
        if rng.random_bool(0.3) {
            let mut clip = snapshot.clips[index as usize - 1].clone();
            (clip.status, clip.attempt) = (*STATUSES.choose(rng).unwrap(), rng.random_range(0..4));
            clip.error = rng
                .random_bool(0.3)
                .then(|| Trouble::new("Y", TEXTS.choose(rng).unwrap()));
            change.clips.push(ClipWrite {
                expected: *STATUSES.choose(rng).unwrap(),
                clip,
            });
        }
        if rng.random_bool(0.2) {
            change.attempts.push(AttemptWrite {
                clip: index,
                attempt: rng.random_range(1..4),
                request: rng.random_bool(0.6).then(|| request("m", at(rng.random_range(0..60)))),
                message: rng.random_bool(0.5).then(|| (*TEXTS.choose(rng).unwrap()).to_owned()),
                post: rng.random_bool(0.3).then(|| PostRef {
                    id: format!("p{}", rng.random_range(0..40)).into(),
                    uuid: None,
                }),
                ..AttemptWrite::default()
            });
        }
    }
    change.events = (0..rng.random_range(0..3))
        .map(|n| event(&format!("{number}.{n}")))
        .collect();
    change
}

pub async fn random_drains_equal_one_by_one(bench: &Bench) {
    let model = drains(bench).await;
    streams(bench, &model).await;
}

pub async fn random_steps_equal_one_by_one(bench: &impl Subject) {
    drains(bench).await;
}

async fn drains(bench: &impl Subject) -> Model {
    let rng = &mut StdRng::seed_from_u64(7);
    let mut model = Model::default();
    let mut snapshots = Vec::new();
    for n in 0..BATCHES {
        let mut new = batch(&format!("b{n}"), CLIPS as usize);
        new.user = format!("u{}", n % 2).into();
        bench.create(new).await;
        snapshots.push(bench.take(&format!("b{n}")).await);
        for index in 1..=CLIPS {
            model
                .statuses
                .insert((format!("b{n}"), index), (ClipStatus::Pending, 0, None));
        }
    }
    let (mut done, mut lost, mut conflicts, mut number) = (0, 0, 0, 0);
    for _ in 0..120 {
        let mut changes: Vec<Change> = (0..rng.random_range(1..25))
            .map(|_| {
                number += 1;
                let snapshot = snapshots.choose(rng).unwrap();
                random_change(rng, snapshot, number)
            })
            .collect();
        // Where there are drains the k-th change of a batch goes to drain k; within a drain the order is that of arrival.
        let round = |place: usize| {
            let earlier = changes[..place].iter();
            earlier.filter(|c| c.batch == changes[place].batch).count()
        };
        let mut order: Vec<usize> = (0..changes.len()).collect();
        if bench.drains() {
            order.sort_by_key(|place| (round(*place), *place));
        }
        let mut expected: BTreeMap<usize, Verdict> = BTreeMap::new();
        for place in order {
            expected.insert(place, model.commit(&mut changes[place], 1));
        }
        let results = join_all(changes.iter().map(|change| bench.commit(change.clone()))).await;
        for (result, verdict) in results.iter().zip(expected.values()) {
            match (result, verdict) {
                (Ok(()), Verdict::Done) => done += 1,
                (Err(StoreError::Lost), Verdict::Lost) => lost += 1,
                (Err(StoreError::Conflict(_)), Verdict::Conflict) => conflicts += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(
        done > 100 && lost > 100 && conflicts > 20,
        "{done} done, {lost} lost, {conflicts} conflicts"
    );
    compare(bench, &model).await;
    model
}

async fn compare(bench: &impl Subject, model: &Model) {
    let mut attempts = BTreeMap::new();
    for n in 0..BATCHES {
        let id = BatchId::from(format!("b{n}"));
        let seen = bench.seen(&id).await;
        if let Some((status, error, published, _)) = model.heads.get(id.as_str()) {
            assert_eq!((&seen.status, &seen.error, &seen.published), (status, error, published));
        }
        for clip in &seen.clips {
            let text = clip.error.as_ref().map(|error| error.message.to_string());
            assert_eq!(
                model.statuses[&(id.to_string(), clip.index)],
                (clip.status, clip.attempts, text)
            );
        }
        for row in bench.attempts(&id).await {
            let post = row.post.map(|post| post.to_string());
            attempts.insert(
                (id.to_string(), row.clip, row.attempt),
                (row.slot.zip(row.media), post, row.message),
            );
        }
        let told: Vec<_> = (model.streams.values().flatten())
            .filter(|(batch, _)| batch == id.as_str())
            .map(|(_, body)| body.clone())
            .collect();
        assert_eq!(bench.events(&id).await, told);
    }
    assert_eq!(attempts, model.slots);
}

/// What only databases have: the instant of the last step, and the numbers of a user's events.
async fn streams(bench: &Bench, model: &Model) {
    for (id, (.., at)) in &model.heads {
        let view = bench.store.batch(&tenant(), &id.as_str().into()).await.unwrap();
        assert_eq!(view.unwrap().updated_at, *at);
    }
    for (user, expected) in &model.streams {
        let stored = bench
            .store
            .events_after(&StreamScope::User(tenant(), user.as_str().into()), 0, 9_999)
            .await
            .unwrap();
        let bodies: Vec<_> = stored
            .iter()
            .map(|e| (e.batch.to_string(), String::from_utf8_lossy(&e.body).into_owned()))
            .collect();
        assert_eq!(&bodies, expected);
        assert!(stored.iter().enumerate().all(|(n, event)| event.seq == n as i64 + 1));
    }
    let heard = bench.ears.0.lock().unwrap().len();
    assert_eq!(heard, model.streams.values().map(Vec::len).sum::<usize>());
}
