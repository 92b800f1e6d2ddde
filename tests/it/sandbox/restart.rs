//! A sandbox that is started beside what an earlier one has left in a daemon's database.

use std::time::Duration;

use storyclip_actors::ports::Provider;

use super::{MINUTE, SECOND, Stage, brand};

#[tokio::test]
async fn one_that_is_started_again_gives_ids_that_were_never_given() {
    let first = Stage::set().await;
    let made = async |stage: &Stage| {
        let mut ids = Vec::new();
        for _ in 0..20 {
            let post = stage.metricool().create(&brand(), &stage.story(MINUTE)).await.unwrap();
            ids.push(post.id.as_str().parse::<i64>().unwrap());
        }
        ids
    };
    let before = made(&first).await;
    first.clock.advance(SECOND);
    let second = Stage::at(first.clock.clone(), Duration::ZERO).await;
    let after = made(&second).await;
    let all = [before, after].concat();
    assert!(all.is_sorted_by(|one, next| one < next), "{all:?}");
    assert!(all.iter().all(|id| (9..=12).contains(&id.to_string().len())), "{all:?}");
}
