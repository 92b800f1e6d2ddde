//! What the outside is told of, from events to deliveries: once each, whoever dies and however many nodes there are.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use storyclip::store::{
    Attempted, Channel, Created, DeliveriesOf, DeliveryStatus, DisabledReason, Due, Ending, Endpoint, EndpointChange,
    NewEndpoint, NewSecret, NewSubscription, Notice, NoticeKind, Page, Round, Store, Subscribed, Turned,
};
use storyclip_actors::{events::Event, model::Timestamp, ports::Store as _};

use super::{
    bench::{Bench, T0, at, batch, event, step, tenant},
    subject::Subject as _,
};

const KINDS: [NoticeKind; 2] = [NoticeKind::ClipPublished, NoticeKind::BatchCompleted];

pub async fn endpoint(bench: &Bench, id: &str) {
    let new = NewEndpoint {
        id: id.into(),
        tenant: tenant(),
        url: format!("https://hooks.example/{id}"),
        description: None,
        events: KINDS.to_vec(),
        secret: SecretString::from(format!("whsec_{id}")),
        at: T0,
    };
    assert_eq!(bench.store.create_endpoint(&new, None).await, Ok(Some(Created::New)));
}

/// A secret that takes the place of another at second 2.
pub fn secret(name: &str, overlap_until: Option<Timestamp>) -> NewSecret {
    NewSecret {
        secret: SecretString::from(format!("whsec_{name}")),
        at: at(2),
        overlap_until,
    }
}

/// By what a delivery is signed.
pub fn signers(due: &Due) -> Vec<&str> {
    due.secrets.iter().map(|secret| secret.expose_secret()).collect()
}

async fn shown(bench: &Bench, id: &str) -> Endpoint {
    bench.store.endpoint(&tenant(), id).await.unwrap().unwrap()
}

/// A batch with this many events.
pub async fn batch_with_events(bench: &Bench, id: &str, count: usize) {
    let snapshot = bench.live(id, 1).await;
    let mut change = step(&snapshot);
    change.events = (0..count).map(|n| event(&format!("{id}-{n}"))).collect::<Vec<Event>>();
    bench.store.commit(Arc::new(change)).await.unwrap();
}

async fn unread(bench: &Bench) -> Round {
    bench.store.unread(&BTreeSet::new()).await.unwrap()
}

/// A notice of each event, as if each were a published clip's.
fn notices(round: &Round) -> Vec<Notice> {
    let notice = |news: &storyclip::store::News| Notice {
        id: format!("msg_{}_{}", news.batch, news.batch_seq),
        tenant: news.tenant.clone(),
        user: news.user.clone(),
        batch: news.batch.clone(),
        kind: NoticeKind::ClipPublished,
        body: news.body.clone(),
        created_at: news.created_at,
        pushed: true,
        webhook_url: news.webhook_url.clone(),
        emails: vec![],
    };
    round.news.iter().map(notice).collect()
}

pub async fn tell(bench: &Bench) -> usize {
    let round = unread(bench).await;
    bench.store.tell(&round.behind, &notices(&round), at(2)).await.unwrap()
}

pub async fn claim(bench: &Bench, now: u64) -> Vec<Due> {
    bench
        .store
        .claim_deliveries(at(now), at(now + 10), 100, &[])
        .await
        .unwrap()
}

async fn end(bench: &Bench, due: Due, now: u64, ending: Ending) -> Vec<(String, DisabledReason)> {
    let attempted = Attempted {
        due,
        at: at(now),
        took: Duration::from_millis(7),
        http_status: Some(if ending == Ending::Delivered { 200 } else { 500 }),
        error: (ending != Ending::Delivered).then(|| "answered 500".into()),
        ending,
    };
    bench.store.record_deliveries(&[attempted]).await.unwrap()
}

async fn statuses(bench: &Bench) -> Vec<DeliveryStatus> {
    let of = DeliveriesOf::Tenant;
    let log = bench.store.deliveries(&tenant(), &of, None, None, 100).await.unwrap();
    log.iter().map(|delivery| delivery.status).collect()
}

pub async fn every_event_is_queued_once_for_everyone_who_listens(bench: &Bench) {
    batch_with_events(bench, "b0", 2).await;
    assert_eq!(unread(bench).await.behind, [], "nobody listens");
    endpoint(bench, "wh_1").await;
    endpoint(bench, "wh_2").await;
    batch_with_events(bench, "b1", 3).await;
    let round = unread(bench).await;
    assert_eq!(round.news.len(), 5, "those of before are the endpoints' own to skip");
    let seqs: Vec<i64> = round.news.iter().map(|news| news.batch_seq).collect();
    assert_eq!(seqs, [1, 2, 1, 2, 3]);
    let told = notices(&round);
    let other = match bench.store.is_sqlite() {
        true => bench.store.clone(),
        false => Store::open(&bench.options, bench.ears.clone()).await.unwrap(),
    };
    let (first, second) = tokio::join!(
        bench.store.tell(&round.behind, &told, at(2)),
        other.tell(&round.behind, &told, at(2)),
    );
    assert_eq!(first.unwrap() + second.unwrap(), 10, "two nodes told the same");
    if !bench.store.is_sqlite() {
        other.close().await;
    }
    assert_eq!(statuses(bench).await.len(), 10);
    let but_one = bench
        .store
        .claim_deliveries(at(3), at(13), 100, &["wh_1"])
        .await
        .unwrap();
    assert_eq!(but_one.len(), 5);
    assert!(but_one.iter().all(|due| due.target == "wh_2"), "the other one is busy");
    assert_eq!(unread(bench).await.behind, []);
    batch_with_events(bench, "b2", 1).await;
    assert_eq!(unread(bench).await.news.len(), 1);
    assert_eq!(tell(bench).await, 2);
}

pub async fn an_event_older_than_an_endpoint_is_not_for_it(bench: &Bench) {
    batch_with_events(bench, "b1", 1).await;
    endpoint(bench, "wh_1").await;
    let mut late = unread(bench).await;
    for news in &mut late.news {
        news.created_at = T0 - Duration::from_millis(1);
    }
    assert_eq!(bench.store.tell(&late.behind, &notices(&late), at(2)).await.unwrap(), 0);
    assert_eq!(unread(bench).await.behind, []);
}

pub async fn a_batch_s_own_url_and_browsers_are_told_without_an_endpoint(bench: &Bench) {
    let mut new = batch("b1", 1);
    new.webhook_url = Some("https://hooks.example/mine".into());
    new.events = vec![event("created")];
    bench.store.create_batch(new).await.unwrap();
    let browser = |auth: &str| NewSubscription {
        id: format!("push_{auth}"),
        tenant: tenant(),
        user: "u1".into(),
        endpoint: "https://push.example/1".into(),
        p256dh: "key".into(),
        auth: auth.into(),
        at: T0,
    };
    let first = bench.store.subscribe(&browser("a"), |_| None).await.unwrap();
    assert_eq!(first, Subscribed::As("push_a".into()));
    assert_eq!(
        bench.store.subscribe(&browser("b"), |_| None).await.unwrap(),
        first,
        "the same browser again"
    );
    let turned = bench
        .store
        .set_batch_secret(&tenant(), &secret("batches", None), |_| None)
        .await;
    assert_eq!(turned, Ok(Turned::First));
    assert_eq!(tell(bench).await, 2);
    let mut due = claim(bench, 3).await;
    due.sort_by_key(|due| due.channel.as_str());
    let [own, pushed] = &due[..] else {
        panic!("{}", due.len())
    };
    assert_eq!(
        (own.channel, &*own.target),
        (Channel::Batch, "https://hooks.example/mine")
    );
    assert!(signers(own) == ["whsec_batches"] && own.url.is_none());
    assert_eq!(pushed.channel, Channel::Push);
    assert_eq!(pushed.keys, Some(("key".into(), "b".into())));
    let pushed = due.pop().unwrap();
    end(bench, pushed, 4, Ending::Forgotten).await;
    assert!(
        !bench.store.unsubscribe(&tenant(), "push_a").await.unwrap(),
        "it is forgotten"
    );
}

pub async fn a_claim_lapses_and_a_late_outcome_of_it_is_dropped(bench: &Bench) {
    endpoint(bench, "wh_1").await;
    batch_with_events(bench, "b1", 1).await;
    tell(bench).await;
    let mut first = claim(bench, 3).await;
    assert_eq!(first.len(), 1);
    assert_eq!(claim(bench, 4).await.len(), 0, "it is being sent");
    let mut second = claim(bench, 13).await;
    assert_eq!(second.len(), 1, "whoever sent it is dead");
    assert_eq!(first[0].notice, second[0].notice);
    end(bench, first.remove(0), 14, Ending::Failed(None)).await;
    assert_eq!(statuses(bench).await, [DeliveryStatus::Pending]);
    end(bench, second.remove(0), 14, Ending::Again(at(20))).await;
    assert_eq!(claim(bench, 19).await.len(), 0);
    let mut third = claim(bench, 20).await;
    assert_eq!((third[0].attempts, third[0].tries), (1, 1));
    let id = third[0].id.clone();
    end(bench, third.remove(0), 20, Ending::Delivered).await;
    let (delivery, tries) = bench.store.delivery(&tenant(), &id).await.unwrap().unwrap();
    assert_eq!((delivery.status, delivery.attempts), (DeliveryStatus::Delivered, 2));
    let tries: Vec<_> = tries
        .iter()
        .map(|one| (one.attempt, one.http_status, one.error.is_some()))
        .collect();
    assert_eq!(tries, [(1, Some(500), true), (2, Some(200), false)]);
    assert!(bench.store.delivery(&"other".into(), &id).await.unwrap().is_none());
    assert!(bench.store.replay_delivery(&tenant(), &id, at(21)).await.unwrap());
    let again = claim(bench, 21).await;
    assert_eq!(
        (&again[0].notice, again[0].attempts, again[0].tries),
        (&delivery.notice, 2, 0)
    );
    assert!(
        !bench.store.replay_delivery(&tenant(), &id, at(22)).await.unwrap(),
        "it is to be sent"
    );
}

pub async fn a_dead_endpoint_rests_with_all_that_is_for_it(bench: &Bench) {
    endpoint(bench, "wh_1").await;
    batch_with_events(bench, "b1", 3).await;
    tell(bench).await;
    let failing = || Ending::Failed(Some(DisabledReason::Failing));
    let mut due = claim(bench, 3).await;
    end(bench, due.remove(0), 4, Ending::Delivered).await;
    assert_eq!(
        end(bench, due.remove(0), 5, failing()).await,
        [],
        "it took another meanwhile"
    );
    let gone = end(bench, due.remove(0), 5, Ending::Failed(Some(DisabledReason::Gone))).await;
    assert_eq!(gone, [("wh_1".to_owned(), DisabledReason::Gone)]);
    assert_eq!(shown(bench, "wh_1").await.disabled_reason, Some(DisabledReason::Gone));

    let enable = EndpointChange {
        enabled: Some(true),
        ..EndpointChange::default()
    };
    bench
        .store
        .change_endpoint(&tenant(), "wh_1", &enable, at(6))
        .await
        .unwrap()
        .unwrap();
    bench
        .meddle("UPDATE webhook_endpoints SET enabled_at = created_at, delivered_at = NULL")
        .await;
    batch_with_events(bench, "b2", 4).await;
    tell(bench).await;
    let mut due = bench.store.claim_deliveries(at(7), at(17), 3, &[]).await.unwrap();
    assert_eq!(
        end(bench, due.remove(0), 8, failing()).await,
        [("wh_1".to_owned(), DisabledReason::Failing)]
    );
    end(bench, due.remove(0), 8, Ending::Delivered).await;
    end(bench, due.remove(0), 8, Ending::Again(at(9))).await;
    let count = async |status| {
        statuses(bench)
            .await
            .into_iter()
            .filter(|other| *other == status)
            .count()
    };
    assert_eq!(count(DeliveryStatus::Delivered).await, 2, "what was on its way counts");
    let mut late = claim(bench, 9).await;
    assert!(late.len() == 1 && late[0].disabled, "the one that was on its way");
    end(bench, late.remove(0), 9, Ending::Paused).await;
    assert_eq!(count(DeliveryStatus::Paused).await, 2);
    assert_eq!(claim(bench, 100).await.len(), 0);
    let counts = bench.store.counts().await.unwrap();
    assert_eq!(counts.deliveries_pending, 0, "what rests is not pending");
    let disabled = |reason| (reason, i64::from(reason == DisabledReason::Failing));
    assert_eq!(
        counts.endpoints_disabled,
        [DisabledReason::Person, DisabledReason::Gone, DisabledReason::Failing].map(disabled)
    );
    batch_with_events(bench, "b3", 1).await;
    assert_eq!(unread(bench).await.behind, [], "nobody listens");
    bench
        .store
        .change_endpoint(&tenant(), "wh_1", &enable, at(101))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(bench.store.counts().await.unwrap().deliveries_pending, 2);
    assert_eq!(claim(bench, 101).await.len(), 2);
}

pub async fn endpoints_are_the_tenants_own(bench: &Bench) {
    endpoint(bench, "wh_1").await;
    let other = "other".into();
    assert_eq!(bench.store.endpoint(&other, "wh_1").await.unwrap(), None);
    let change = EndpointChange {
        url: Some("https://evil.example".into()),
        ..EndpointChange::default()
    };
    assert_eq!(
        bench
            .store
            .change_endpoint(&other, "wh_1", &change, at(1))
            .await
            .unwrap(),
        None
    );
    assert!(!bench.store.delete_endpoint(&other, "wh_1", at(1)).await.unwrap());
    assert_eq!(shown(bench, "wh_1").await.url, "https://hooks.example/wh_1");
    batch_with_events(bench, "b1", 1).await;
    tell(bench).await;
    assert!(bench.store.delete_endpoint(&tenant(), "wh_1", at(3)).await.unwrap());
    assert_eq!(statuses(bench).await, [DeliveryStatus::Failed]);
    assert_eq!(bench.store.endpoints(&tenant(), &Page::all()).await.unwrap().rows, []);
}

pub async fn old_notices_are_deleted_with_their_deliveries(bench: &Bench) {
    endpoint(bench, "wh_1").await;
    batch_with_events(bench, "b1", 1).await;
    tell(bench).await;
    let due = claim(bench, 3).await.remove(0);
    end(bench, due, 3, Ending::Delivered).await;
    let day = Duration::from_secs(86_400);
    assert!(!bench.store.sweep_notices(T0 + 29 * day).await.unwrap());
    assert_eq!(statuses(bench).await.len(), 1);
    assert!(bench.store.sweep_notices(T0 + 31 * day).await.unwrap());
    for table in ["notices", "notice_deliveries", "notice_attempts"] {
        assert_eq!(
            bench.number(&format!("SELECT COUNT(*) FROM {table}")).await,
            0,
            "{table}"
        );
    }
}
