//! Rows on their way into a statement: one JSON text of arrays, bound once, whatever their number; or, of a step that is
//! alone, the values themselves.
//!
//! Every set-based write makes one. It is also the border at which U+0000 is dropped, because PostgreSQL refuses it and
//! SQLite does not. A text half made dies with its drain.

use std::{fmt::Write, sync::Arc};

use storyclip_actors::{
    events::EventKind,
    model::{
        AccountId, BatchId, BatchStatus, ClipStatus, CommandId, CommandKind, Network, NodeId, OnFailure, PostId,
        PublishMode, Ruling, Speed, Tenant, Timestamp, UserId,
    },
};

/// What takes rows.
pub trait Table {
    /// Adds one row; its cells stand in the order of the statement's columns.
    fn row(&mut self, cells: &[&dyn Cell]);
}

/// The growing text.
#[derive(Default)]
pub struct Rows {
    json: String,
    count: usize,
}

impl Table for Rows {
    fn row(&mut self, cells: &[&dyn Cell]) {
        self.push(cells);
    }
}

impl Rows {
    /// Adds one row; its cells stand in the order of the statement's columns.
    pub fn push(&mut self, cells: &[&dyn Cell]) {
        self.json.push(if self.count == 0 { '[' } else { ',' });
        self.count += 1;
        for (column, cell) in cells.iter().enumerate() {
            self.json.push(if column == 0 { '[' } else { ',' });
            cell.write(&mut self.json);
        }
        self.json.push(']');
    }

    /// Whether there is nothing to bind.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The text to bind.
    pub fn into_json(mut self) -> String {
        self.json.push_str(if self.count == 0 { "[]" } else { "]" });
        self.json
    }
}

/// Text as the database keeps it: without U+0000.
pub fn clean(text: &str) -> String {
    text.replace('\0', "")
}

/// Rows as values, a list for each.
#[derive(Default)]
pub struct Values(pub Vec<Vec<Value>>);

impl Table for Values {
    fn row(&mut self, cells: &[&dyn Cell]) {
        self.0.push(cells.iter().map(|cell| cell.value()).collect());
    }
}

/// A value to bind.
#[derive(Clone)]
pub enum Value {
    Null,
    Text(String),
    Number(i64),
}

/// A value that knows how it looks in JSON, and how it is bound.
pub trait Cell {
    /// Appends it.
    fn write(&self, json: &mut String);

    /// The same, alone.
    fn value(&self) -> Value;
}

impl Cell for str {
    fn write(&self, json: &mut String) {
        json.reserve(self.len() + 2);
        json.push('"');
        let mut rest = self;
        while let Some(at) = rest
            .bytes()
            .position(|byte| byte < b' ' || byte == b'"' || byte == b'\\')
        {
            json.push_str(&rest[..at]);
            match rest.as_bytes()[at] {
                0 => {}
                quoted @ (b'"' | b'\\') => json.extend(['\\', char::from(quoted)]),
                control => number(json, format_args!("\\u{control:04x}")),
            }
            rest = &rest[at + 1..];
        }
        json.push_str(rest);
        json.push('"');
    }

    fn value(&self) -> Value {
        Value::Text(clean(self))
    }
}

impl<T: Cell> Cell for Option<T> {
    fn write(&self, json: &mut String) {
        match self {
            Some(value) => value.write(json),
            None => json.push_str("null"),
        }
    }

    fn value(&self) -> Value {
        self.as_ref().map_or(Value::Null, Cell::value)
    }
}

impl<T: Cell + ?Sized> Cell for &T {
    fn write(&self, json: &mut String) {
        (**self).write(json);
    }

    fn value(&self) -> Value {
        (**self).value()
    }
}

impl Cell for Timestamp {
    fn write(&self, json: &mut String) {
        number(json, format_args!("\"{self}\""));
    }

    fn value(&self) -> Value {
        Value::Text(self.to_string())
    }
}

impl Cell for bool {
    fn write(&self, json: &mut String) {
        json.push(if *self { '1' } else { '0' });
    }

    fn value(&self) -> Value {
        Value::Number((*self).into())
    }
}

macro_rules! cells {
    (text: $($text:ty),*; words: $($word:ty),*; numbers: $($number:ty),*;) => {
        $(impl Cell for $text {
            fn write(&self, json: &mut String) {
                AsText::text(self).write(json);
            }

            fn value(&self) -> Value {
                AsText::text(self).value()
            }
        })*
        $(impl Cell for $word {
            fn write(&self, json: &mut String) {
                self.as_str().write(json);
            }

            fn value(&self) -> Value {
                self.as_str().value()
            }
        })*
        $(impl Cell for $number {
            fn write(&self, json: &mut String) {
                number(json, format_args!("{self}"));
            }

            fn value(&self) -> Value {
                Value::Number(*self as i64)
            }
        })*
    };
}

cells! {
    text: String, Arc<str>;
    words: AccountId, BatchId, CommandId, NodeId, PostId, Tenant, UserId, BatchStatus, ClipStatus, CommandKind, EventKind,
        Network, OnFailure, PublishMode, Ruling, Speed;
    numbers: i64, u32, u16, usize;
}

trait AsText {
    fn text(&self) -> &str;
}

impl<T: AsRef<str>> AsText for T {
    fn text(&self) -> &str {
        self.as_ref()
    }
}

/// Formats into a `String`, which takes everything.
fn number(json: &mut String, value: std::fmt::Arguments<'_>) {
    let written = json.write_fmt(value);
    debug_assert!(written.is_ok());
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn rows_are_json_and_lose_nothing_but_nul() {
        let hostile = "a\"b\\c\n\u{1}\u{7f}\u{2028}é🎬'; DROP TABLE x; --";
        let mut rows = Rows::default();
        rows.push(&[&hostile, &Some("x\0y"), &None::<i64>, &-3_i64, &true, &ClipStatus::Held]);
        rows.push(&[&Timestamp::from_millis(0)]);
        let read: serde_json::Value = serde_json::from_str(&rows.into_json()).unwrap();
        assert_eq!(
            read,
            serde_json::json!([[hostile, "xy", null, -3, 1, "held"], ["1970-01-01T00:00:00.000Z"]])
        );
        assert_eq!(Rows::default().into_json(), "[]");
    }
}
