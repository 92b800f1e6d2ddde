//! How SQLite means to run a statement: for the unit tests that hold statements to their indexes.

#![allow(clippy::unwrap_used)]

use sqlx::{AnyConnection, AssertSqlSafe, Connection, Row, SqlStr};

use super::schema;

/// An empty database of the newest schema.
pub struct Planner(AnyConnection);

impl Planner {
    /// In memory.
    pub async fn new() -> Self {
        sqlx::any::install_default_drivers();
        let mut conn = AnyConnection::connect("sqlite::memory:").await.unwrap();
        schema::migrate(&mut conn).await.unwrap();
        Self(conn)
    }

    /// The steps of this statement's query plan.
    pub async fn plan(&mut self, sql: &SqlStr) -> String {
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", sql.as_str()));
        let rows = sqlx::query(explain).fetch_all(&mut self.0).await.unwrap();
        let steps: Vec<String> = rows.iter().map(|row| row.get(3)).collect();
        steps.join("; ")
    }
}
