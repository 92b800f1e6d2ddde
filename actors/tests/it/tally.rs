//! What became of the clips of a test's batches, counted at the network and told where it is seen although the test passes.

use storyclip_actors::{
    model::{BatchId, ClipStatus},
    testing::World,
};

use super::tell;

/// See the file's first line. Clips of one batch have media of their own.
#[derive(Default)]
pub struct Tally {
    clips: u64,
    live: u64,
    duplicates: u64,
    /// Neither settled nor held, or not what their rows say.
    lost: u64,
    held: u64,
}

impl Tally {
    /// Adds a batch that has come to its end.
    pub fn count(&mut self, world: &World, batch: &BatchId) {
        let (posts, now) = (world.network.posts(), world.now());
        for clip in world.store.read(batch).1 {
            let own = posts.iter().filter(|post| *post.request.media == *clip.url);
            let live = own.filter(|post| post.is_live(now)).count() as u64;
            let held = clip.status == ClipStatus::Held;
            let settled = clip.status.is_terminal() && (clip.status == ClipStatus::Published) == (live > 0);
            self.clips += 1;
            self.live += live.min(1);
            self.duplicates += live.saturating_sub(1);
            self.held += u64::from(held);
            self.lost += u64::from(!settled && !held);
        }
    }

    /// Says what was counted of these.
    pub fn tell(&self, what: &str) {
        let Self {
            clips,
            live,
            duplicates,
            lost,
            held,
        } = self;
        tell(&format!(
            "{what}: clips {clips}, live posts {live}, duplicates {duplicates}, lost {lost}, held {held}"
        ));
    }
}
