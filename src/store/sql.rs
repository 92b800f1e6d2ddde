//! The seam between SQLite and PostgreSQL: where rows come from, how rows are locked or packed, how a steady view is begun.
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
    /// A row source that takes apart a JSON text. Binary JSON on both: each cell of a row is looked up in it, and text
    /// would be parsed again for each.
    fn source(self, json: &str) -> String {
        match self {
            Self::Sqlite => format!("jsonb_each({json})"),
            Self::Postgres => format!("jsonb_array_elements(CAST({json} AS jsonb)) AS j(value)"),
        }
    }

    /// What keeps racing claimers off each other's rows.
    pub const fn lock(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR UPDATE SKIP LOCKED",
        }
    }

    /// One JSON text of all these columns; `packed` reads it.
    pub fn pack(self, columns: &str) -> String {
        match self {
            Self::Sqlite => format!("json_array({columns})"),
            Self::Postgres => format!("CAST(json_build_array({columns}) AS TEXT)"),
        }
    }

    /// What begins a transaction whose statements all see the same rows.
    pub const fn steady(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN",
            Self::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }

    /// What begins a transaction that will write: it waits for its turn at once.
    pub const fn writing(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN",
        }
    }

    /// The rows of a JSON text; a column whose name ends in `#` is a number, every other is text. SQLite keeps a number of
    /// JSON a number, and makes a path of its own of a bare place for each cell.
    fn rows(self, columns: &str, json: &str) -> String {
        let cell = |(at, name): (usize, &str)| match (self, name.strip_suffix('#')) {
            (Self::Sqlite, Some(number)) => format!("value->>'$[{at}]' AS {number}"),
            (Self::Sqlite, None) => format!("value->>'$[{at}]' AS {name}"),
            (Self::Postgres, Some(number)) => format!("CAST(value->>{at} AS BIGINT) AS {number}"),
            (Self::Postgres, None) => format!("value->>{at} AS {name}"),
        };
        let cells: Vec<String> = columns.split_whitespace().enumerate().map(cell).collect();
        format!("SELECT {} FROM {}", cells.join(", "), self.source(json))
    }

    /// The texts of a JSON list, as a subquery.
    pub fn texts(self, json: &str) -> String {
        match self {
            Self::Sqlite => format!("SELECT value FROM json_each({json})"),
            Self::Postgres => format!("SELECT value FROM jsonb_array_elements_text(CAST({json} AS jsonb)) AS j(value)"),
        }
    }

    /// A statement over the rows of `$1`.
    pub fn over(self, columns: &str, statement: &str) -> SqlStr {
        text(format!("WITH v AS ({}) {statement}", self.rows(columns, "$1")))
    }

    /// A statement over the rows of `$1` that gives back what its shape says.
    pub fn shaped(self, shape: &Shape) -> SqlStr {
        let returning = match shape.returning {
            "" => String::new(),
            columns => format!(" RETURNING {columns}"),
        };
        self.over(shape.columns, &format!("{}{returning}", shape.statement))
    }

    /// The same as a part of a trigger, over the rows of this JSON text and without giving anything back.
    pub fn part(self, shape: &Shape, json: &str) -> String {
        let rows = format!("FROM ({}) AS v ", self.rows(shape.columns, json));
        shape.statement.replacen("FROM v ", &rows, 1)
    }

    /// The same over one row whose cells are columns of `NEW` with this prefix; nothing is done where its first is null.
    pub fn single(self, shape: &Shape, prefix: &str) -> String {
        let first = shape.names().next().unwrap_or_default();
        (shape.statement)
            .replacen("FROM v CROSS JOIN ", "FROM ", 1)
            .replacen(
                "FROM v WHERE true",
                &format!("WHERE NEW.{prefix}_{first} IS NOT NULL"),
                1,
            )
            .replacen("FROM v ", "", 1)
            .replace("v.", &format!("NEW.{prefix}_"))
    }
}

/// A write that stands alone on one way and is a part of a trigger on the other.
pub struct Shape {
    /// Its rows' columns.
    pub columns: &'static str,
    /// What is done with them; they are `v`.
    pub statement: &'static str,
    /// What it gives back where it stands alone; empty for nothing.
    pub returning: &'static str,
}

impl Shape {
    /// The columns' names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let columns = self.columns.split_whitespace();
        columns.map(|column| column.strip_suffix('#').unwrap_or(column))
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
            Dialect::Sqlite.rows("b i#", "$1"),
            "SELECT value->>'$[0]' AS b, value->>'$[1]' AS i FROM jsonb_each($1)"
        );
    }
}
