//! Commands as tests make them: rows of which nobody is told.

use super::MemoryStore;
use crate::model::{BatchId, Command, CommandId, Wish};

impl MemoryStore {
    /// Makes a command durable and tells nobody.
    pub fn insert_command(&self, batch: &BatchId, wish: Wish) {
        self.insert_command_row(batch, Some(wish));
    }

    /// A command's row of which nobody can say what is wished.
    pub fn insert_unreadable_command(&self, batch: &BatchId) {
        self.insert_command_row(batch, None);
    }

    fn insert_command_row(&self, batch: &BatchId, wish: Option<Wish>) {
        if let Some(row) = self.rows().batches.get_mut(batch) {
            let id = CommandId::from(format!("command-{}", row.commands.len()));
            row.commands.push((Command { id, wish }, false));
        }
    }

    /// How many commands of the batch are not applied.
    pub fn commands_waiting(&self, batch: &BatchId) -> usize {
        let rows = self.rows();
        let commands = rows.batches.get(batch).into_iter().flat_map(|row| &row.commands);
        commands.filter(|(_, applied)| !applied).count()
    }
}
