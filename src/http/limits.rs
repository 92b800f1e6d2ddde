//! What a text from outside may be: the bounds of every string that a request can carry.
//!
//! Bodies, queries and paths are checked by the same functions; each answers with what is wrong, to be put behind the
//! field's name. U+0000 passes nowhere, because PostgreSQL cannot store it.

/// Bytes of a request's body.
pub const BODY: usize = 1024 * 1024;
/// Clips of a batch.
pub const POSTS: usize = 100;
/// Characters of a URL.
pub const URL: usize = 2_048;
/// Characters of a name that the client gives to something: a job, a user, a clip.
pub const NAME: usize = 128;
/// Characters of a clip's title.
pub const TITLE: usize = 500;
/// Characters of a clip's text.
pub const TEXT: usize = 10_000;
/// Tries after the first.
pub const RETRIES: u64 = 10;

/// A name: bounded, not blank, and without control characters, so that it can stand in a log line.
pub fn name(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("must not be empty".into());
    }
    if text.chars().any(char::is_control) {
        return Err("must not contain control characters".into());
    }
    if text.trim().is_empty() {
        return Err("must not be blank".into());
    }
    at_most(text, NAME)
}

/// Free text of at most this many characters.
pub fn free(text: &str, most: usize) -> Result<(), String> {
    if text.contains('\0') {
        return Err("must not contain U+0000".into());
    }
    at_most(text, most)
}

/// The provider's account id.
pub fn account(text: &str) -> Result<(), String> {
    plain(text, "must be 1 to 64 letters, digits, dashes or underscores")
}

/// The provider's handle of a post.
pub fn post(text: &str) -> Result<(), String> {
    plain(text, "must be 1 to 64 letters, digits, dashes or underscores")
}

/// The id of a key, by its shape.
pub fn key(text: &str) -> Result<(), String> {
    plain(text, "must be the id of a key, as in key_3f9a1c2b4d5e")
}

/// The id of a batch, by its shape; whether there is such a batch is another question.
pub fn batch(text: &str) -> Result<(), String> {
    plain(text, "must be the id of a batch, as in batch_1761725644409_k3f9a1c2z")
}

/// An absolute http(s) URL that carries no credentials.
pub fn url(text: &str) -> Result<(), String> {
    at_most(text, URL)?;
    let lower = text.to_ascii_lowercase();
    let Some(rest) = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://")) else {
        return Err("must be an absolute URL that begins with http:// or https://".into());
    };
    if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
        return Err("must not contain spaces, backslashes or control characters".into());
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("must not contain credentials".into());
    }
    match reqwest::Url::parse(text) {
        Ok(_) if !authority.is_empty() => Ok(()),
        Ok(_) => Err("must name a host".into()),
        Err(error) => Err(format!("must be a valid URL ({error})")),
    }
}

fn at_most(text: &str, most: usize) -> Result<(), String> {
    if text.len() > most && text.chars().count() > most {
        return Err(format!("must have at most {most} characters"));
    }
    Ok(())
}

fn plain(text: &str, wrong: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if text.is_empty() || text.len() > 64 || !text.chars().all(plain) {
        return Err(wrong.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_absolute_http_without_credentials() {
        for good in [
            "https://cdn.example/clip.mp4",
            "HTTP://cdn.example:8080/a?b=@c#d",
            "https://[::1]/clip.mp4",
            "https://cdn.example/ünï.mp4",
        ] {
            assert_eq!(url(good), Ok(()), "{good}");
        }
        let long = format!("https://cdn.example/{}", "a".repeat(URL));
        for bad in [
            "",
            "clip.mp4",
            "//cdn.example/clip.mp4",
            "ftp://cdn.example/clip.mp4",
            "https:cdn.example/clip.mp4",
            "https:///clip.mp4",
            "https://?a",
            "https://user:secret@cdn.example/clip.mp4",
            "https://@cdn.example/clip.mp4",
            "https://cdn.example/a b.mp4",
            " https://cdn.example/a.mp4",
            "https://cdn.example\\@evil/a.mp4",
            "https://cdn.example/a\0.mp4",
            "https://cdn.example:99999/a.mp4",
            &long,
        ] {
            assert!(url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn bounds_count_characters() {
        assert_eq!(name(&"é".repeat(NAME)), Ok(()));
        assert!(name(&"é".repeat(NAME + 1)).is_err());
        for bad in ["", " ", "\u{a0}\u{3000}", "a\nb"] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
        assert!(free("a\0", TEXT).is_err() && free("a\nb", TEXT).is_ok());
    }
}
