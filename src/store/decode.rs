//! Rows on their way out: a cursor that reads one column after the other into the model's types, packed or not.
//!
//! Every read uses it. A value that no word or type matches is an error that names the column; nothing is guessed.

use std::{str::FromStr, sync::Arc};

use sqlx::{Decode, Row, Type, any::AnyRow, error::UnexpectedNullError};
use storyclip_actors::{
    events::EventKind,
    model::{PostId, PostRef, Timestamp, Trouble},
};

use super::packed::{self, Cell};

/// Reads a row from its first column on.
pub struct Cursor<'r> {
    row: Source<'r>,
    next: usize,
}

#[derive(Clone, Copy)]
enum Source<'r> {
    Row(&'r AnyRow),
    Packed(&'r [Cell<'r>]),
}

impl<'r> Cursor<'r> {
    /// Before the first column.
    pub fn new(row: &'r AnyRow) -> Self {
        let row = Source::Row(row);
        Self { row, next: 0 }
    }

    /// What is in the next column's packed row.
    pub fn unpack<T>(&mut self, read: impl FnOnce(&mut Cursor<'_>) -> sqlx::Result<T>) -> sqlx::Result<T> {
        let column = self.next;
        let cells = packed::cells(self.text()?).map_err(|error| bad(column, error))?;
        let row = Source::Packed(&cells);
        read(&mut Cursor { row, next: 0 })
    }

    /// The next column, by its way of reading it from a row and from a packed one.
    fn take<T: Decode<'r, sqlx::Any> + Type<sqlx::Any>>(
        &mut self,
        unpacked: impl FnOnce(&'r Cell<'r>) -> Option<T>,
    ) -> sqlx::Result<Option<T>> {
        let column = self.next;
        self.next += 1;
        match self.row {
            Source::Row(row) => row.try_get(column),
            Source::Packed(cells) => match cells.get(column) {
                None => Err(sqlx::Error::ColumnIndexOutOfBounds {
                    index: column,
                    len: cells.len(),
                }),
                Some(Cell::Null) => Ok(None),
                Some(cell @ (Cell::Number(_) | Cell::Text(_))) => match unpacked(cell) {
                    Some(value) => Ok(Some(value)),
                    None => Err(bad(column, std::io::Error::other("a value of another type"))),
                },
            },
        }
    }

    /// A column that is never null.
    fn never_null<T>(&self, value: Option<T>) -> sqlx::Result<T> {
        value.ok_or_else(|| bad(self.next - 1, UnexpectedNullError))
    }

    /// A text that is never null.
    pub fn text(&mut self) -> sqlx::Result<&'r str> {
        let text = self.maybe()?;
        self.never_null(text)
    }

    /// A text.
    pub fn maybe(&mut self) -> sqlx::Result<Option<&'r str>> {
        self.take(Cell::text)
    }

    /// An owned text.
    pub fn maybe_owned(&mut self) -> sqlx::Result<Option<String>> {
        Ok(self.maybe()?.map(str::to_owned))
    }

    /// A shared text.
    pub fn maybe_shared(&mut self) -> sqlx::Result<Option<Arc<str>>> {
        Ok(self.maybe()?.map(Arc::from))
    }

    /// A number that is never null.
    pub fn int(&mut self) -> sqlx::Result<i64> {
        let number = self.take(Cell::number)?;
        self.never_null(number)
    }

    /// A count or an index.
    pub fn count(&mut self) -> sqlx::Result<u32> {
        let column = self.next;
        u32::try_from(self.int()?).map_err(|error| bad(column, error))
    }

    /// A count or an index.
    pub fn maybe_count(&mut self) -> sqlx::Result<Option<u32>> {
        self.maybe_int()
    }

    /// A small number.
    pub fn maybe_small(&mut self) -> sqlx::Result<Option<u16>> {
        self.maybe_int()
    }

    fn maybe_int<T: TryFrom<i64, Error = std::num::TryFromIntError>>(&mut self) -> sqlx::Result<Option<T>> {
        let column = self.next;
        let value = self.take(Cell::number)?;
        value.map(T::try_from).transpose().map_err(|error| bad(column, error))
    }

    /// A word of a vocabulary, or an instant.
    pub fn parsed<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(&mut self) -> sqlx::Result<T> {
        let column = self.next;
        self.text()?.parse().map_err(|error| bad(column, error))
    }

    /// A word of a vocabulary.
    pub fn maybe_parsed<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
        &mut self,
    ) -> sqlx::Result<Option<T>> {
        let column = self.next;
        (self.maybe()?.map(str::parse).transpose()).map_err(|error| bad(column, error))
    }

    /// An instant.
    pub fn maybe_time(&mut self) -> sqlx::Result<Option<Timestamp>> {
        self.maybe_parsed()
    }

    /// A JSON text.
    pub fn maybe_json<T: serde::de::DeserializeOwned>(&mut self) -> sqlx::Result<Option<T>> {
        let column = self.next;
        (self.maybe()?.map(serde_json::from_str).transpose()).map_err(|error| bad(column, error))
    }

    /// The two columns `error_code` and `error_msg`.
    pub fn trouble(&mut self) -> sqlx::Result<Option<Trouble>> {
        let (code, message) = (self.maybe()?, self.maybe()?);
        Ok(code.map(|code| Trouble::new(code, message.unwrap_or_default())))
    }

    /// The two columns of a post's id and uuid.
    pub fn post(&mut self) -> sqlx::Result<Option<PostRef>> {
        let (id, uuid) = (self.maybe()?, self.maybe_shared()?);
        Ok(id.map(|id| PostRef {
            id: PostId::from(id),
            uuid,
        }))
    }

    /// The kind of a stored event.
    pub fn event_kind(&mut self) -> sqlx::Result<EventKind> {
        let column = self.next;
        match self.text()? {
            "connected" => Ok(EventKind::Connected),
            "progress" => Ok(EventKind::Progress),
            "completed" => Ok(EventKind::Completed),
            "cancelled" => Ok(EventKind::Cancelled),
            "error" => Ok(EventKind::Error),
            "paused" => Ok(EventKind::Paused),
            "resumed" => Ok(EventKind::Resumed),
            other => Err(bad(
                column,
                std::io::Error::other(format!("\"{other}\" is no kind of event")),
            )),
        }
    }
}

fn bad(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::ColumnDecode {
        index: column.to_string(),
        source: Box::new(error),
    }
}
