//! Reading a JSON object field by field, so that every error names the field that is wrong.
//!
//! A parser of a request makes one [`Errors`] and passes it to each [`Object`]; all errors are told at once and the first
//! decides the problem's code. Members that no reader asks for are refused by [`Object::only`], or told by who can read on
//! without them.

use axum::http::StatusCode;
use serde_json::{Map, Value};

use super::{
    problem::{FieldError, Problem},
    spelling,
};

/// The code of a member that is not known.
pub const UNKNOWN_FIELD: &str = "UNKNOWN_FIELD";

/// Unknown members of one object that are named; a body may have thousands.
pub const NAMED: usize = 20;

/// What is wrong with a body so far.
#[derive(Default)]
pub struct Errors {
    list: Vec<FieldError>,
    first: Option<(StatusCode, &'static str)>,
}

impl Errors {
    /// Notes a wrong field.
    pub fn add(&mut self, code: &'static str, field: impl Into<String>, message: impl Into<String>) {
        self.add_as(StatusCode::BAD_REQUEST, code, field, message);
    }

    /// Notes a wrong field whose problem, if it is the first, has a status of its own.
    pub fn add_as(
        &mut self,
        status: StatusCode,
        code: &'static str,
        field: impl Into<String>,
        message: impl Into<String>,
    ) {
        self.first.get_or_insert((status, code));
        self.list.push(FieldError {
            field: field.into(),
            message: message.into(),
        });
    }

    /// The problem, if anything is wrong.
    ///
    /// # Errors
    /// That problem.
    pub fn finish(self) -> Result<(), Problem> {
        let (Some((status, code)), Some(first)) = (self.first, self.list.first()) else {
            return Ok(());
        };
        let error = format!("{} {}", first.field, first.message);
        let detail = match self.list.len() {
            1 => format!("{error}."),
            more => format!("{error}. {more} fields are wrong; errors lists them."),
        };
        Err(Problem::new(status, code, error).detail(detail).errors(self.list))
    }
}

/// An object of a body and where it is in it.
pub struct Object<'a> {
    path: String,
    fields: &'a Map<String, Value>,
}

impl<'a> Object<'a> {
    /// The object at this path; the body itself has an empty one.
    pub fn new(path: impl Into<String>, fields: &'a Map<String, Value>) -> Self {
        Self {
            path: path.into(),
            fields,
        }
    }

    /// The full name of one of its fields.
    pub fn name(&self, field: &str) -> String {
        match self.path.as_str() {
            "" => field.to_owned(),
            path => format!("{path}.{field}"),
        }
    }

    /// A field that is there and not null.
    pub fn value(&self, field: &str) -> Option<&'a Value> {
        self.fields.get(field).filter(|value| !value.is_null())
    }

    /// Its members that are none of these, with null where they say nothing.
    pub fn others(&self, known: &'static [&'static str]) -> impl Iterator<Item = (&'a str, &'a Value)> + use<'a> {
        let fields = self.fields.iter().map(|(name, value)| (name.as_str(), value));
        fields.filter(move |(name, _)| !known.contains(name))
    }

    /// Notes members that are none of these: one that is misspelled would otherwise be one that was never sent.
    pub fn only(&self, errors: &mut Errors, known: &'static [&'static str]) {
        for (name, _) in self.others(known).take(NAMED) {
            let message = spelling::not_known(name, known);
            errors.add(UNKNOWN_FIELD, self.name(&spelling::shown(name)), message);
        }
    }

    /// An object within it, if there is one.
    pub fn inner(&self, field: &str) -> Option<Object<'a>> {
        let fields = self.value(field)?.as_object()?;
        Some(Object::new(self.name(field), fields))
    }

    /// A string, if it is there. One of the wrong type is noted and counts as absent.
    pub fn text(&self, errors: &mut Errors, code: &'static str, field: &str) -> Option<&'a str> {
        let text = self.value(field)?.as_str();
        if text.is_none() {
            errors.add(code, self.name(field), "must be a string");
        }
        text
    }

    /// A string that obeys a rule, if it is there.
    pub fn checked(
        &self,
        errors: &mut Errors,
        code: &'static str,
        field: &str,
        rule: impl Fn(&str) -> Result<(), String>,
    ) -> Option<&'a str> {
        let text = self.text(errors, code, field)?;
        if let Err(why) = rule(text) {
            errors.add(code, self.name(field), why);
            return None;
        }
        Some(text)
    }

    /// A word of a vocabulary, or its default.
    pub fn word<W: std::str::FromStr<Err = storyclip_actors::model::UnknownWord>>(
        &self,
        errors: &mut Errors,
        code: &'static str,
        field: &str,
        default: W,
    ) -> W {
        let Some(text) = self.text(errors, code, field) else {
            return default;
        };
        text.parse().unwrap_or_else(|unknown: W::Err| {
            errors.add(code, self.name(field), format!("must be one of {}", unknown.allowed));
            default
        })
    }

    /// An object within it, if it is there; one of the wrong type is noted and given as `Err`.
    pub fn object(&self, errors: &mut Errors, code: &'static str, field: &str) -> Result<Option<Object<'a>>, ()> {
        let Some(value) = self.value(field) else {
            return Ok(None);
        };
        let Some(fields) = value.as_object() else {
            errors.add(code, self.name(field), "must be an object");
            return Err(());
        };
        Ok(Some(Object::new(self.name(field), fields)))
    }
}
