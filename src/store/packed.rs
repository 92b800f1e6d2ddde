//! Rows that come out as one JSON text each. A driver takes apart, copies and types every value that it is asked for; with
//! many columns of many rows that is most of the work of a read.
//!
//! Snapshots are read so: after a restart they are the columns of every clip of every batch. [`super::sql::Dialect`] says
//! how a row is packed, `decode` reads it.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

/// One column's value.
#[derive(Debug, PartialEq, Eq)]
pub enum Cell<'r> {
    Null,
    Number(i64),
    Text(Cow<'r, str>),
}

impl Cell<'_> {
    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null | Self::Number(_) => None,
        }
    }

    /// The number, if it is one.
    pub fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Null | Self::Text(_) => None,
        }
    }
}

/// The columns of a packed row, in order.
pub fn cells(row: &str) -> serde_json::Result<Vec<Cell<'_>>> {
    serde_json::from_str(row)
}

impl<'de> Deserialize<'de> for Cell<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyCell)
    }
}

struct AnyCell;

impl<'de> Visitor<'de> for AnyCell {
    type Value = Cell<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a whole number or null")
    }

    fn visit_unit<E: Error>(self) -> Result<Cell<'de>, E> {
        Ok(Cell::Null)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Cell<'de>, E> {
        Ok(Cell::Number(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Cell<'de>, E> {
        i64::try_from(number).map(Cell::Number).map_err(E::custom)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Cell<'de>, E> {
        Ok(Cell::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Cell<'de>, E> {
        Ok(Cell::Text(Cow::Owned(text.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_row_has_texts_numbers_and_nothing_else() {
        let row = r#"["a \"b\" \u00e9\n", "plain", -3, 9223372036854775807, null, ""]"#;
        let expected = [
            Cell::Text("a \"b\" é\n".into()),
            Cell::Text("plain".into()),
            Cell::Number(-3),
            Cell::Number(i64::MAX),
            Cell::Null,
            Cell::Text("".into()),
        ];
        assert_eq!(cells(row).unwrap(), expected);
        for bad in ["", "[", "{}", "[1.5]", "[true]", "[[]]", "[9223372036854775808]"] {
            assert!(cells(bad).is_err(), "{bad}");
        }
    }
}
