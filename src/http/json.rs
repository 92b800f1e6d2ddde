//! JSON of a request with a bound on how many values it has, so that a body of 1 MiB cannot become a tree of 100.
//!
//! Bodies are read by it alone. A value that was half built is dropped with the error.

use std::{
    cell::{Cell, RefCell},
    fmt,
};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Values of a body, those within others included. The largest batch, of 100 clips with every field, has under 1,000.
pub const VALUES: usize = 10_000;

/// Whole numbers up to this one, 2^53, are exact as floating point.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Why a text is not taken.
#[derive(Debug)]
pub enum Refused {
    /// It is not JSON, or nested too deeply.
    Malformed(serde_json::Error),
    /// It has more than [`VALUES`] values.
    TooMany,
    /// An object has this member twice, and nobody can say which one counts.
    Twice(String),
}

/// Reads one JSON value.
pub fn parse(text: &str) -> Result<Value, Refused> {
    let bounds = Bounds {
        left: Cell::new(VALUES),
        twice: RefCell::default(),
    };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = Bounded(&bounds).deserialize(&mut deserializer);
    if let Some(name) = bounds.twice.take() {
        return Err(Refused::Twice(name));
    }
    match read.and_then(|value| deserializer.end().map(|()| value)) {
        Ok(value) => Ok(value),
        Err(_) if bounds.left.get() == 0 => Err(Refused::TooMany),
        Err(error) => Err(Refused::Malformed(error)),
    }
}

/// How many values may still come, and the member that came twice.
struct Bounds {
    left: Cell<usize>,
    twice: RefCell<Option<String>>,
}

/// Counts down with every value.
#[derive(Clone, Copy)]
struct Bounded<'a>(&'a Bounds);

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let left = self.0.left.get().saturating_sub(1);
        self.0.left.set(left);
        if left == 0 {
            return Err(D::Error::custom("too many values"));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    /// JSON has one kind of number: 2.0 is 2.
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        if value.fract() == 0.0 && value.abs() <= EXACT {
            return Ok(Value::Number((value as i64).into()));
        }
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(self)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                self.0.twice.replace(Some(name));
                return Err(A::Error::custom("a member is there twice"));
            }
            object.insert(name, members.next_value_seed(self)?);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_taken_is_what_serde_json_reads() {
        let text = r#"{"a":[1,-2,3.5,1e300,18446744073709551615,null,true,"x\u00e9\n"],"b":{"a":{}},"c":0}"#;
        assert_eq!(parse(text).unwrap(), serde_json::from_str::<Value>(text).unwrap());
        for bad in [
            "",
            "{",
            "[1,]",
            "1 2",
            "{\"a\":1}x",
            "\"\\ud800\"",
            &"[".repeat(200_000),
        ] {
            let told = serde_json::from_str::<Value>(bad).unwrap_err().to_string();
            assert!(matches!(parse(bad), Err(Refused::Malformed(error)) if error.to_string() == told));
        }
    }

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        for (text, number) in [("2.0", 2), ("-1.5e1", -15), ("0.0", 0), ("1e3", 1_000)] {
            assert_eq!(parse(text).unwrap().as_i64(), Some(number), "{text}");
        }
        assert_eq!(parse("1e300").unwrap().as_i64(), None);
    }

    #[test]
    fn an_object_has_no_member_twice() {
        for (text, name) in [
            (r#"{"a":1,"b":2,"a":1}"#, "a"),
            (r#"[{"b":{"c":1,"c":2}}]"#, "c"),
            (r#"{"a":1,"\u0061":2"#, "a"),
        ] {
            assert!(
                matches!(parse(text), Err(Refused::Twice(twice)) if twice == name),
                "{text}"
            );
        }
        assert!(parse(r#"[{"a":1},{"a":{"a":2}}]"#).is_ok());
    }

    #[test]
    fn more_values_than_that_are_not_built() {
        let list = |count: usize| format!("[{}]", vec!["0"; count].join(","));
        assert!(parse(&list(VALUES - 2)).is_ok());
        for bad in [list(VALUES), list(500_000)] {
            assert!(matches!(parse(&bad), Err(Refused::TooMany)));
        }
        let members: Vec<String> = (0..100_000).map(|n| format!("\"{n}\":0")).collect();
        let object = format!("{{{}}}", members.join(","));
        assert!(matches!(parse(&object), Err(Refused::TooMany)));
    }
}
