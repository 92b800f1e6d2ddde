//! The seam between SQLite and PostgreSQL: where rows come from, how rows are locked, how a steady view is begun.
//!
//! Every statement of the store is one text for both engines, built once when the database is opened.

use std::sync::Arc;

use sqlx::{AnyConnection, AssertSqlSafe, SqlSafeStr, SqlStr, any::AnyRow};

use super::rows::Rows;

/// Which engine answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// One file, one daemon.
    Sqlite,
    /// One server, any number of daemons.
    Postgres,
}

impl Dialect {
    /// A row source that takes apart the JSON text bound as `$1`, once: `json_each` would print and parse each row again.
    const fn source(self) -> &'static str {
        match self {
            Self::Sqlite => "jsonb_each($1)",
            Self::Postgres => "jsonb_array_elements(CAST($1 AS jsonb)) AS j(value)",
        }
    }

    /// What keeps racing claimers off each other's rows.
    pub const fn lock(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR UPDATE SKIP LOCKED",
        }
    }

    /// What begins a transaction whose statements all see the same rows.
    pub const fn steady(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN",
            Self::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }

    /// `WITH v(…) AS (…)` over the rows of `$1`; a column whose name ends in `#` is a number, every other is text.
    pub fn with(self, columns: &str) -> String {
        let names: Vec<&str> = columns.split_whitespace().collect();
        let values: Vec<String> = (names.iter().enumerate())
            .map(|(at, name)| match name.ends_with('#') {
                true => format!("CAST(value->>{at} AS BIGINT)"),
                false => format!("value->>{at}"),
            })
            .collect();
        let names = names.join(", ").replace('#', "");
        format!(
            "WITH v({names}) AS (SELECT {} FROM {}) ",
            values.join(", "),
            self.source()
        )
    }

    /// A statement over the rows of `$1`.
    pub fn over(self, columns: &str, statement: &str) -> SqlStr {
        text(self.with(columns) + statement)
    }
}

/// A statement text made of constants only, ready to be used again and again.
pub fn text(sql: impl Into<Arc<str>>) -> SqlStr {
    AssertSqlSafe(sql.into()).into_sql_str()
}

/// Runs a statement over these rows and gives what it returns; nothing is sent when there are none.
pub async fn returning(conn: &mut AnyConnection, sql: &SqlStr, rows: Rows) -> sqlx::Result<Vec<AnyRow>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query(sql.clone()).bind(rows.into_json()).fetch_all(conn).await
}

/// Runs a statement over these rows; nothing is sent when there are none.
pub async fn execute(conn: &mut AnyConnection, sql: &SqlStr, rows: Rows) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(sql.clone()).bind(rows.into_json()).execute(conn).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_counted_by_the_list_alone() {
        assert_eq!(
            Dialect::Sqlite.with("b i#"),
            "WITH v(b, i) AS (SELECT value->>0, CAST(value->>1 AS BIGINT) FROM jsonb_each($1)) "
        );
    }
}
