//! The rows of keys, and the ring that is made of them.

use futures_util::future::join_all;
use sqlx::AssertSqlSafe;
use storyclip::{
    http::Keys,
    store::{Created, IdempotencyEntry, KeyView, MOST_KEYS, Page},
};
use storyclip_actors::error::StoreError;

use super::bench::{Bench, T0, at, tenant};

fn key(id: &str) -> KeyView {
    KeyView {
        id: id.into(),
        hash: format!("{id:0>64}"),
        tenant: tenant(),
        scopes: "publish+read".into(),
        label: Some("é\u{0}".into()),
        created_by: "key_root".into(),
        created_at: T0,
        last_used_at: None,
        revoked_at: None,
    }
}

pub async fn a_key_is_read_as_it_was_stored_until_it_is_revoked(bench: &Bench) {
    let store = &bench.store;
    let mut row = key("key_1");
    assert_eq!(store.create_key(&row, None).await, Ok(Created::New));
    row.label = Some("é".into());
    assert_eq!(store.all_keys().await.unwrap(), [row.clone()]);
    assert_eq!(store.keys_of(&"other".into(), &Page::all()).await.unwrap().rows, []);
    assert!(
        matches!(store.create_key(&row, None).await, Err(StoreError::Unavailable(_))),
        "an id is one key's"
    );

    store.keys_used(&[("key_1", at(9)), ("key_none", at(9))]).await.unwrap();
    store.keys_used(&[("key_1", at(5))]).await.unwrap();
    row.last_used_at = Some(at(9));
    assert_eq!(store.all_keys().await.unwrap(), [row.clone()]);

    assert_eq!(store.revoke_key(&"other".into(), "key_1", at(10)).await, Ok(None));
    assert_eq!(store.revoke_key(&tenant(), "key_2", at(10)).await, Ok(None));
    assert_eq!(store.revoke_key(&tenant(), "key_1", at(10)).await, Ok(Some(at(10))));
    assert_eq!(store.revoke_key(&tenant(), "key_1", at(20)).await, Ok(Some(at(10))));
    row.revoked_at = Some(at(10));
    assert_eq!(store.keys_of(&tenant(), &Page::all()).await.unwrap().rows, [row]);
}

pub async fn of_one_request_sent_often_one_key_is_made(bench: &Bench) {
    let entry = IdempotencyEntry {
        tenant: tenant(),
        route: "keys".into(),
        key: "k".into(),
        body_hash: "h".into(),
        answer: "{}".into(),
    };
    let rows: Vec<KeyView> = (0..8).map(|n| key(&format!("key_{n}"))).collect();
    let made = join_all(rows.iter().map(|row| bench.store.create_key(row, Some(&entry)))).await;
    let new = made.iter().filter(|made| **made == Ok(Created::New)).count();
    let replayed = Created::Replayed {
        body_hash: "h".into(),
        answer: "{}".into(),
    };
    let again = made.iter().filter(|made| made.as_ref() == Ok(&replayed)).count();
    assert_eq!((new, again), (1, 7), "{made:?}");
    assert_eq!(bench.store.all_keys().await.unwrap().len(), 1);
}

pub async fn the_first_key_is_made_once(bench: &Bench) {
    let first = key("key_first");
    let other = KeyView {
        hash: "1".repeat(64),
        ..first.clone()
    };
    let made = join_all([&first, &other].map(|row| bench.store.create_first_key(row))).await;
    assert_eq!(made.iter().filter(|made| **made == Ok(true)).count(), 1, "{made:?}");
    bench.store.revoke_key(&tenant(), "key_first", at(1)).await.unwrap();
    let third = KeyView {
        hash: "2".repeat(64),
        id: "key_third".into(),
        ..first
    };
    assert_eq!(bench.store.create_first_key(&third).await, Ok(false), "there was one");
}

pub async fn a_tenant_has_so_many_keys_and_no_more(bench: &Bench) {
    let store = &bench.store;
    let fill = AssertSqlSafe(format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MOST_KEYS}) \
         INSERT INTO api_keys (key_id, key_hash, tenant, scopes, created_by, created_at) \
         SELECT 'key_' || CAST(i AS TEXT), CAST(i AS TEXT), '{}', 'read', 'key_root', '{T0}' FROM n",
        tenant()
    ));
    sqlx::query(fill).execute(&bench.probe).await.unwrap();
    let another = key("key_more");
    assert!(matches!(
        store.create_key(&another, None).await,
        Err(StoreError::Conflict(_))
    ));
    let of_others = KeyView {
        tenant: "other".into(),
        ..another.clone()
    };
    assert_eq!(store.create_key(&of_others, None).await, Ok(Created::New));
    store.revoke_key(&tenant(), "key_1", T0).await.unwrap();
    let another = key("key_again");
    assert_eq!(store.create_key(&another, None).await, Ok(Created::New));
}

pub async fn a_ring_takes_over_what_others_did_to_the_rows(bench: &Bench) {
    use sha2::Digest;
    let (store, keys) = (&bench.store, Keys::parse("").unwrap());
    let hash: String = sha2::Sha256::digest(b"sk_stored")
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let row = KeyView { hash, ..key("key_1") };
    store.create_key(&row, None).await.unwrap();
    assert!(keys.find("sk_stored", T0).is_none(), "nobody has told it");
    assert_eq!(keys.change().await.reload(store).await, Ok(1));
    let holder = keys.find("sk_stored", at(1)).unwrap();
    assert_eq!((&*holder.name, &holder.tenant), ("key_1", &tenant()));
    keys.find("sk_stored", at(3)).unwrap();
    keys.note_uses(store).await.unwrap();
    assert_eq!(store.all_keys().await.unwrap()[0].last_used_at, Some(at(3)));
    keys.find("sk_stored", at(4)).unwrap();
    assert_eq!(keys.change().await.reload(store).await, Ok(1));
    assert_eq!(keys.used_at("key_1"), Some(at(4)), "what is known of its use is kept");

    store.revoke_key(&tenant(), "key_1", at(5)).await.unwrap();
    assert!(!holder.is_revoked());
    assert_eq!(keys.change().await.reload(store).await, Ok(1));
    assert!(keys.find("sk_stored", at(6)).is_none() && holder.is_revoked());
}
