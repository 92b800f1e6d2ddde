//! How near a name that nobody knows is to one that is known.
//!
//! Readers of bodies ask it about members that they do not read. Pure.

/// Longer names are no misspelling of any of ours.
const LONGEST: usize = 40;

/// A name as an answer repeats it.
const SHOWN: usize = 64;

/// The known name that was meant, if one is near enough to ask: two letters off at most, and fewer in short names.
pub fn meant<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let near = known.iter().map(|other| (edits(name, other), *other));
    near.filter(|(edits, other)| *edits <= 2 && edits * 3 <= other.len())
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, other)| other)
}

/// Whether it is that name but for one letter, or its case.
pub fn is_slip_of(name: &str, known: &str) -> bool {
    edits(name, known) <= 1
}

/// Whether it is that name but for case and the way in which words are joined.
pub fn is_same(name: &str, known: &str) -> bool {
    edits(name, known) == 0
}

/// The name, or the beginning of one that is too long to be repeated.
pub fn shown(name: &str) -> String {
    let mut shown: String = name.chars().take(SHOWN).collect();
    if shown.len() < name.len() {
        shown.push('…');
    }
    shown
}

/// What is said about a member that is none of these.
pub fn not_known(name: &str, known: &[&str]) -> String {
    match meant(name, known) {
        Some(meant) => format!("is not known: {meant}?"),
        None => format!("is not known; the members here are {}", known.join(", ")),
    }
}

/// Letters to change, to add, to leave out or to swap with the next.
fn edits(one: &str, other: &str) -> usize {
    if one.len() > LONGEST {
        return usize::MAX / 4;
    }
    let (one, other) = (letters(one), letters(other));
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, letter) in one.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, wanted) in other.iter().enumerate() {
            let mut least = (row[j] + usize::from(letter != wanted))
                .min(row[j + 1] + 1)
                .min(next[j] + 1);
            if i > 0 && j > 0 && *letter == other[j - 1] && one[i - 1] == *wanted {
                least = least.min(before[j - 1] + 1);
            }
            next.push(least);
        }
        before = row;
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

/// Neither the case nor the way in which words are joined makes another name.
fn letters(name: &str) -> Vec<char> {
    let letters = name.chars().filter(|letter| !matches!(letter, '_' | '-' | ' '));
    letters.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_one_letter_or_the_case() {
        for (name, known) in [
            ("schedul", "schedule"),
            ("schedules", "schedule"),
            ("scheduel", "schedule"),
            ("shcedule", "schedule"),
            ("Schedule", "schedule"),
            ("scheduled_at", "scheduledAt"),
            ("scheduledAT", "scheduledAt"),
        ] {
            assert!(is_slip_of(name, known), "{name} {known}");
        }
        for (name, known) in [
            ("scheduleId", "schedule"),
            ("", "mode"),
            ("shedul", "schedule"),
            ("text", "mode"),
        ] {
            assert!(!is_slip_of(name, known), "{name} {known}");
        }
        assert!(is_same("Publish-Mode", "publishMode"));
        assert!(!is_same("publishModes", "publishMode"));
    }

    #[test]
    fn the_nearest_is_asked_for_and_nothing_far_away() {
        let known = ["onFailure", "url", "publishSpeed", "maxRetries"];
        for (name, meant_by_it) in [
            ("onFailur", Some("onFailure")),
            ("publishspeed", Some("publishSpeed")),
            ("maxRetrys", Some("maxRetries")),
            ("uri", Some("url")),
            ("id", None),
            ("foo", None),
            ("", None),
        ] {
            assert_eq!(meant(name, &known), meant_by_it, "{name}");
        }
        assert_eq!(meant(&"u".repeat(1_000_000), &known), None);
        assert_eq!(shown(&"é".repeat(1_000)).chars().count(), SHOWN + 1);
        assert_eq!(shown("é"), "é");
        assert_eq!(not_known("URL", &known), "is not known: url?");
        assert_eq!(not_known("foo", &["a", "b"]), "is not known; the members here are a, b");
    }
}
