//! The small rows: commands of persons and facts about providers.
//!
//! The drain writes them set-based. A command is durable before anybody is told of it.

use std::collections::BTreeMap;

use sqlx::{AnyConnection, SqlStr};
use storyclip_actors::error::StoreError;

use super::{
    decode::Cursor,
    fault::Fault,
    op::{Fact, NewCommand, Op},
    rows::Rows,
    sql::{Dialect, execute, returning},
};

/// The statements.
pub struct Texts {
    commands: SqlStr,
    wake: SqlStr,
    facts: SqlStr,
}

impl Texts {
    pub fn new(dialect: Dialect) -> Self {
        Self {
            commands: dialect.over(
                "id b kind detail requested_by at",
                "INSERT INTO batch_commands (command_id, batch_id, kind, detail, requested_by, created_at) \
                 SELECT v.id, v.b, v.kind, v.detail, v.requested_by, v.at FROM v JOIN publish_batches p ON p.batch_id = v.b \
                 RETURNING command_id",
            ),
            wake: dialect.over(
                "b at",
                "UPDATE publish_batches SET wake_at = v.at FROM v WHERE publish_batches.batch_id = v.b \
                 AND (publish_batches.wake_at IS NULL OR publish_batches.wake_at > v.at)",
            ),
            facts: dialect.over(
                "name value at",
                "INSERT INTO provider_facts (name, value, updated_at) SELECT v.name, v.value, v.at FROM v WHERE true \
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at",
            ),
        }
    }
}

/// Stores commands and wakes their batches; a batch that does not exist is a miss.
pub async fn commands(conn: &mut AnyConnection, texts: &Texts, ops: &[Op]) -> Result<(), Fault> {
    let mut sent: Vec<(usize, &NewCommand)> = Vec::new();
    let mut rows = Rows::default();
    let mut wakes = BTreeMap::new();
    for (place, op) in ops.iter().enumerate() {
        let Op::Command(command, _) = op else { continue };
        rows.push(&[
            &command.id,
            &command.batch,
            &command.kind,
            &command.detail,
            &command.requested_by,
            &command.at,
        ]);
        let wake = wakes.entry(&command.batch).or_insert(command.at);
        *wake = command.at.min(*wake);
        sent.push((place, command));
    }
    let returned = returning(conn, &texts.commands, rows).await?;
    if returned.len() < sent.len() {
        for row in &returned {
            let stored = Cursor::new(row).text()?;
            sent.retain(|(_, command)| command.id.as_str() != stored);
        }
        return Err(Fault::Missed(
            sent.into_iter().map(|(place, _)| (place, StoreError::Lost)).collect(),
        ));
    }
    let mut rows = Rows::default();
    for (batch, at) in wakes {
        rows.push(&[batch, &at]);
    }
    Ok(execute(conn, &texts.wake, rows).await?)
}

/// Stores facts; of several values for one name the last stays.
pub async fn facts(conn: &mut AnyConnection, texts: &Texts, ops: &[Op]) -> Result<(), Fault> {
    let mut last: BTreeMap<&str, &Fact> = BTreeMap::new();
    for op in ops {
        let Op::Fact(fact, _) = op else { continue };
        last.insert(&fact.name, fact);
    }
    let mut rows = Rows::default();
    for fact in last.values() {
        rows.push(&[&fact.name, &fact.value, &fact.at]);
    }
    Ok(execute(conn, &texts.facts, rows).await?)
}
