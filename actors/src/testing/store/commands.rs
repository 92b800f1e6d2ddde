//! Commands as tests make them: rows of which nobody is told. The batch is due from then on, as in the real store.

use super::MemoryStore;
use crate::model::{BatchId, Command, CommandId, Timestamp, Wish};

impl MemoryStore {
    /// Makes a command durable and tells nobody.
    pub fn insert_command(&self, batch: &BatchId, wish: Wish, now: Timestamp) {
        self.command(batch, Some(wish), now);
    }

    /// A command's row of which nobody can say what is wished.
    pub fn insert_unreadable_command(&self, batch: &BatchId, now: Timestamp) {
        self.command(batch, None, now);
    }

    /// The command's id; `None` if there is no such batch.
    pub fn command(&self, batch: &BatchId, wish: Option<Wish>, now: Timestamp) -> Option<CommandId> {
        let mut rows = self.rows();
        let row = rows.batches.get_mut(batch)?;
        let id = CommandId::from(format!("command-{}", row.commands.len()));
        row.commands.push((Command { id: id.clone(), wish }, false));
        row.batch.wake_at = Some(row.batch.wake_at.map_or(now, |at| at.min(now)));
        Some(id)
    }

    /// How many commands of the batch are not applied.
    pub fn commands_waiting(&self, batch: &BatchId) -> usize {
        let rows = self.rows();
        let commands = rows.batches.get(batch).into_iter().flat_map(|row| &row.commands);
        commands.filter(|(_, applied)| !applied).count()
    }
}
