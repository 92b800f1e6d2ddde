//! Members of a publish request that are not known.
//!
//! Clients that are older than this daemon may send more than it reads, so what is not known is named in `warnings` and the
//! batch is taken on. Only a member that seems to say when, where or whether to publish is an error: to go on without it
//! would publish, and that cannot be undone. Pure.

use axum::http::StatusCode;
use serde_json::Value;
use storyclip_actors::model::{Network, PublishMode};

use super::{
    posts,
    request::{MEMBERS, SETTINGS},
    schedule,
};
use crate::http::{
    fields::{Errors, NAMED, Object, UNKNOWN_FIELD},
    limits::POSTS,
    problem::FieldError,
    spelling,
};

/// Names that decide something wherever they stand, and where they would be read.
const PLACES: &[(&str, &str)] = &[
    ("schedule", "schedule"),
    ("mode", "schedule.mode"),
    ("publishMode", "schedule.mode"),
    ("scheduledAt", "schedule.scheduledAt"),
    ("scheduledFor", "schedule.scheduledAt"),
    ("network", "settings.network"),
    ("dryRun", "?dryRun=true"),
];

/// The same of a batch with slots.
const PLACES_OF_SLOTS: &[(&str, &str)] = &[
    ("timezone", "schedule.timezone"),
    ("intervalSeconds", "schedule.intervalSeconds"),
    ("minGapMinutes", "schedule.minGapMinutes"),
];

/// What the rest of the request came to.
pub struct Understood {
    pub mode: PublishMode,
    pub network: Network,
}

/// Notes what of the body nobody reads.
pub fn read(errors: &mut Errors, warnings: &mut Vec<FieldError>, body: &Object<'_>, understood: &Understood) {
    let mut reading = Reading {
        errors,
        understood,
        told: Vec::new(),
        refused: 0,
    };
    reading.of(body, MEMBERS, &["schedule", "settings"]);
    if let Some(object) = body.inner("settings") {
        reading.of(&object, SETTINGS, &["network"]);
    }
    if let Some(object) = body.inner("schedule") {
        reading.schedule(&object);
    }
    let posts = body.value("posts").and_then(Value::as_array);
    for (n, post) in posts.into_iter().flatten().take(POSTS).enumerate() {
        if let Some(fields) = post.as_object() {
            reading.of(&Object::new(format!("posts[{n}]"), fields), posts::MEMBERS, &[]);
        }
    }
    warnings.extend(reading.finish());
}

/// A name that is to be told: where it is first, what is said, how many objects have it.
struct Told {
    name: String,
    field: String,
    message: String,
    known: &'static [&'static str],
    places: usize,
}

struct Reading<'e> {
    errors: &'e mut Errors,
    understood: &'e Understood,
    told: Vec<Told>,
    refused: usize,
}

impl Reading<'_> {
    /// An object: a slip of one of the `decisive` names is refused, and so is what decides elsewhere.
    fn of(&mut self, object: &Object<'_>, known: &'static [&'static str], decisive: &[&'static str]) {
        for (name, value) in object.others(known) {
            if self.agrees(name, value) {
                continue;
            }
            let slip = decisive.iter().find(|other| spelling::is_slip_of(name, other));
            match slip.copied().or_else(|| self.misplaced(name)) {
                Some(meant) if says_something(value) => self.refuse(object, name, decides(meant)),
                Some(_) | None => self.tell(object, name, known),
            }
        }
    }

    /// The schedule: everything in it says when. Without a mode it would be that of a batch that goes out at once.
    fn schedule(&mut self, object: &Object<'_>) {
        let known = schedule::MEMBERS;
        for (name, value) in object.others(known) {
            let slip = known.iter().find(|other| spelling::is_slip_of(name, other));
            match slip {
                _ if value.is_null() => self.tell(object, name, known),
                Some(meant) => self.refuse(object, name, decides(meant)),
                None if object.value("mode").is_none() => {
                    self.refuse(
                        object,
                        name,
                        "is not known, and schedule.mode is missing beside it".to_owned(),
                    );
                }
                None => self.tell(object, name, known),
            }
        }
    }

    /// Whether a member repeats what the schedule or the settings say: the user's documents send `mode` beside `posts`.
    fn agrees(&self, name: &str, value: &Value) -> bool {
        let said = match name {
            "mode" | "publishMode" => self.understood.mode.as_str(),
            "network" => self.understood.network.as_str(),
            _ => return false,
        };
        value.as_str() == Some(said)
    }

    /// Where a member would be read that decides something and stands where nobody reads it.
    fn misplaced(&self, name: &str) -> Option<&'static str> {
        let of_slots = PLACES_OF_SLOTS.iter().filter(|_| self.understood.mode.is_by_slots());
        let mut places = PLACES.iter().chain(of_slots);
        let place = places.find(|(other, _)| spelling::is_same(name, other));
        place.map(|(_, place)| *place)
    }

    fn refuse(&mut self, object: &Object<'_>, name: &str, message: String) {
        self.refused += 1;
        if self.refused <= NAMED {
            let field = object.name(&spelling::shown(name));
            self.errors
                .add_as(StatusCode::UNPROCESSABLE_ENTITY, UNKNOWN_FIELD, field, message);
        }
    }

    /// Once for all posts, and for so many names.
    fn tell(&mut self, object: &Object<'_>, name: &str, known: &'static [&'static str]) {
        let field = object.name(&spelling::shown(name));
        let known_already = |told: &&mut Told| told.name == name && told.known == known;
        if let Some(told) = self.told.iter_mut().find(known_already) {
            told.places += 1;
        } else if self.told.len() <= NAMED {
            self.told.push(Told {
                name: name.to_owned(),
                field,
                message: spelling::not_known(name, known),
                known,
                places: 1,
            });
        }
    }

    fn finish(self) -> Vec<FieldError> {
        let named = self.told.into_iter().enumerate().map(|(n, told)| FieldError {
            field: told.field,
            message: match (n, told.places) {
                (NAMED.., _) => "is not known, and perhaps others are not".to_owned(),
                (_, 1) => told.message,
                (_, places) => format!("{} ({places} posts have it)", told.message),
            },
        });
        named.collect()
    }
}

/// A member that is null, or false, asks for nothing.
fn says_something(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false))
}

fn decides(meant: &str) -> String {
    format!("is not known: {meant}? It may decide when, where or whether to publish, so it is not passed over")
}
