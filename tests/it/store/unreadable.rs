//! Rows that this program cannot read, as a newer one may leave them before a downgrade.

use storyclip_actors::{
    model::Wish,
    ports::{Claim, Store as _},
};

use super::{
    bench::{Bench, at, batch, intent, node},
    subject::Subject as _,
};

pub async fn an_unreadable_batch_holds_up_no_other(bench: &Bench) {
    for n in 0..5 {
        bench.store.create_batch(batch(&format!("b{n}"), 2)).await.unwrap();
    }
    let snapshot = bench.take("b3").await;
    bench
        .store
        .commit(std::sync::Arc::new(intent(&snapshot, "m", at(60))))
        .await
        .unwrap();
    bench.store.release_all(&node("n1"), &[]).await.unwrap();
    bench
        .store
        .command(&"b2".into(), &Wish::Cancel, "key", at(0))
        .await
        .unwrap();
    let (broken, mended) = (
        [
            "UPDATE publish_batches SET network = 'ether' WHERE batch_id = 'b0'",
            "UPDATE publish_batch_clips SET status = 'dreamt' WHERE batch_id = 'b1' AND clip_index = 2",
            "UPDATE batch_commands SET kind = 'sing'",
            "UPDATE delivery_attempts SET request = '{'",
        ],
        [
            "UPDATE publish_batches SET network = 'facebook' WHERE batch_id = 'b0'",
            "UPDATE publish_batch_clips SET status = 'pending' WHERE batch_id = 'b1'",
            "UPDATE batch_commands SET kind = 'cancel'",
        ],
    );
    for sql in broken {
        bench.meddle(sql).await;
    }
    let claim = async |name: &str, what, now| {
        let claimed = bench
            .store
            .claim(&node(name), what, at(now), at(now + 15))
            .await
            .unwrap();
        let ids = claimed.iter().map(|snapshot| snapshot.batch.id.to_string());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(claim("n1", Claim::Due(9), 1).await, ["b4"]);
    // Whatever is queued after the claim is written after the leases went back.
    bench.store.set_fact("x", "y", at(1)).await.unwrap();
    let leases = "SELECT COUNT(*) FROM publish_batches WHERE lease_owner = 'n1'";
    assert_eq!(
        bench.number(leases).await,
        1,
        "no node prolongs the lease of what it cannot read"
    );
    for now in [2, 590] {
        bench.store.renew(&node("n1"), at(2_000)).await.unwrap();
        assert!(claim("n2", Claim::Due(9), now).await.is_empty(), "not at every sweep");
        assert!(
            claim("n2", Claim::Named("b2".into()), now).await.is_empty(),
            "not for its command either"
        );
    }
    for sql in mended {
        bench.meddle(sql).await;
    }
    let mut again = claim("n2", Claim::Due(9), 602).await;
    again.sort();
    assert_eq!(again, ["b0", "b1", "b2"], "tried again later, and b3 is still broken");
}
