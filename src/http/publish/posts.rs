//! The `posts` of a publish request: 1 to 100 clips with unique ids and usable URLs.

use std::{
    collections::{HashMap, HashSet},
    iter::once,
};

use serde_json::Value;

use crate::{
    http::{
        fields::{Errors, Object},
        limits,
    },
    store::NewClip,
};

/// What a post may have.
pub const MEMBERS: &[&str] = &["id", "url", "title", "text"];

/// Reads the clips; what is wrong is noted.
pub fn read(errors: &mut Errors, body: &Object<'_>) -> Vec<NewClip> {
    let posts = match body.value("posts") {
        None => {
            errors.add("MISSING_POSTS", "posts", "is missing");
            return Vec::new();
        }
        Some(Value::Array(posts)) => posts,
        Some(_) => {
            errors.add("INVALID_POSTS", "posts", "must be an array");
            return Vec::new();
        }
    };
    if posts.is_empty() {
        errors.add("MISSING_POSTS", "posts", "must hold at least one post");
    }
    if posts.len() > limits::POSTS {
        errors.add(
            "INVALID_POSTS",
            "posts",
            format!("must hold at most {} posts", limits::POSTS),
        );
        return Vec::new();
    }
    let given: HashSet<&str> = posts.iter().filter_map(|post| post.get("id")?.as_str()).collect();
    let clips = posts
        .iter()
        .enumerate()
        .filter_map(|(n, post)| read_one(errors, n, post, &given));
    let clips: Vec<(usize, NewClip)> = clips.collect();
    refuse_repeats(errors, &clips);
    clips.into_iter().map(|(_, clip)| clip).collect()
}

fn read_one(errors: &mut Errors, n: usize, post: &Value, given: &HashSet<&str>) -> Option<(usize, NewClip)> {
    let path = format!("posts[{n}]");
    let Some(fields) = post.as_object() else {
        errors.add("INVALID_POST", path, "must be an object");
        return None;
    };
    let post = Object::new(path, fields);
    let id = post.checked(errors, "INVALID_POST_ID", "id", limits::name);
    if post.value("url").is_none() {
        errors.add("MISSING_POST_URL", post.name("url"), "is missing");
    }
    let url = post.checked(errors, "INVALID_POST_URL", "url", limits::url);
    let title = post.checked(errors, "INVALID_POST_TITLE", "title", |text| {
        limits::free(text, limits::TITLE)
    });
    let text = post.checked(errors, "INVALID_POST_TEXT", "text", |text| {
        limits::free(text, limits::TEXT)
    });
    let clip = NewClip {
        id: id.map_or_else(|| default_id(n + 1, given), str::to_owned),
        url: with_small_scheme(url.unwrap_or_default()),
        title: title.map(str::to_owned),
        text: text.unwrap_or_default().to_owned(),
        planned_for: None,
    };
    Some((n, clip))
}

/// `clip_N`, or `clip_N_2` and so on where another post was given that.
fn default_id(number: usize, given: &HashSet<&str>) -> String {
    let usual = format!("clip_{number}");
    let others = (2..=given.len() + 2).map(|n| format!("clip_{number}_{n}"));
    let mut free = once(usual.clone())
        .chain(others)
        .filter(|id| !given.contains(id.as_str()));
    free.next().unwrap_or(usual)
}

fn refuse_repeats(errors: &mut Errors, clips: &[(usize, NewClip)]) {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for (n, clip) in clips {
        if let Some(first) = seen.get(clip.id.as_str()) {
            let message = format!("must be unique in the batch; posts[{first}] has the same");
            errors.add("INVALID_POST_ID", format!("posts[{n}].id"), message);
            continue;
        }
        seen.insert(&clip.id, *n);
    }
}

/// The URL as the standard writes it, `https` for `HTTPS`: Metricool and whoever reads its answers compare letters.
fn with_small_scheme(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => format!("{}://{rest}", scheme.to_ascii_lowercase()),
        None => url.to_owned(),
    }
}
