//! The bodies of requests about endpoints, checked field by field.

use std::str::FromStr;

use serde_json::{Map, Value};

use crate::{
    http::{
        fields::{Errors, Object},
        limits,
        problem::Problem,
    },
    notifications,
    store::{EndpointChange, NoticeKind},
};

/// What a body may have.
pub const MEMBERS: &[&str] = &["url", "description", "events", "enabled"];

/// Reads what of an endpoint is named in a body.
///
/// # Errors
/// 400 that names every wrong field.
pub fn read(fields: &Map<String, Value>, private_addresses: bool, new: bool) -> Result<EndpointChange, Problem> {
    let object = Object::new("", fields);
    let mut errors = Errors::default();
    let url = object.checked(&mut errors, "INVALID_URL", "url", |text| url(text, private_addresses));
    if new && object.value("url").is_none() {
        errors.add("MISSING_URL", "url", "is missing");
    }
    let about = |text: &str| limits::free(text, limits::TITLE);
    let text = object.checked(&mut errors, "INVALID_DESCRIPTION", "description", about);
    let change = EndpointChange {
        url: url.map(str::to_owned),
        description: fields.get("description").map(|_| text.map(str::to_owned)),
        events: events(&object, &mut errors),
        enabled: flag(&object, &mut errors),
    };
    object.only(&mut errors, MEMBERS);
    errors.finish()?;
    Ok(change)
}

/// A URL that may be called from here.
pub fn url(text: &str, private_addresses: bool) -> Result<(), String> {
    limits::url(text)?;
    match reqwest::Url::parse(text) {
        Ok(url) if private_addresses || notifications::url_allowed(&url) => Ok(()),
        Ok(_) => Err("must be on the public internet".into()),
        Err(error) => Err(format!("must be a valid URL ({error})")),
    }
}

fn flag(object: &Object<'_>, errors: &mut Errors) -> Option<bool> {
    let flag = object.value("enabled")?.as_bool();
    if flag.is_none() {
        errors.add("INVALID_ENABLED", "enabled", "must be true or false");
    }
    flag
}

fn events(object: &Object<'_>, errors: &mut Errors) -> Option<Vec<NoticeKind>> {
    let mut wrong = |field: String, message: String| errors.add("INVALID_EVENTS", field, message);
    let offered: Vec<NoticeKind> = (NoticeKind::ALL.iter().copied().filter(|kind| kind.is_offered())).collect();
    let value = object.value("events")?;
    let Some(list) = value
        .as_array()
        .filter(|list| !list.is_empty() && list.len() <= offered.len())
    else {
        wrong(
            "events".into(),
            format!("must be a list of 1 to {} types", offered.len()),
        );
        return None;
    };
    let mut events = Vec::new();
    for (n, word) in list.iter().enumerate() {
        let kind = word.as_str().and_then(|word| NoticeKind::from_str(word).ok());
        match kind.filter(|kind| offered.contains(kind)) {
            Some(kind) if events.contains(&kind) => {}
            Some(kind) => events.push(kind),
            None => {
                let words: Vec<&str> = offered.iter().map(|kind| kind.as_str()).collect();
                wrong(format!("events[{n}]"), format!("must be one of {}", words.join(", ")));
            }
        }
    }
    Some(events)
}
