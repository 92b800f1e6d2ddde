//! The table row by row: every text of it, sentences that are known or likely, and which row wins where two fit.

use FailureKind::{Connection, Passing, Permanent};

use super::*;

/// Where a row stands in the table, told by a text that only it has.
fn place(of: &str) -> usize {
    let rows = TABLE.iter().enumerate();
    let found: Vec<usize> = rows
        .filter(|(_, row)| row.texts.contains(&of))
        .map(|(place, _)| place)
        .collect();
    assert_eq!(found.len(), 1, "{of} is in one row");
    found[0]
}

fn decided_by(detail: &str) -> Option<usize> {
    let row = row_of(&plain(detail))?;
    TABLE.iter().position(|known| std::ptr::eq(known, row))
}

/// Sentences by a text of the row that is to decide.
const SENTENCES: &[(&str, FailureKind, &[&str])] = &[
    (
        "duplicate",
        Permanent,
        &[
            "(#506) Duplicate status message",
            "These photos were already posted (subcode 1366051)",
            "Error 2207051: we restrict certain activity to protect our community",
            "This story has already been published",
            "La historia ya se ha publicado",
        ],
    ),
    (
        "temporarily blocked",
        Permanent,
        &[
            "(#368) The action attempted has been deemed abusive or is otherwise disallowed",
            "You have been temporarily blocked from using it, please try again later",
            "You reached maximum number of posts that is allowed to be published by Content Publishing API",
            "La cuenta está bloqueada durante unos días",
        ],
    ),
    (
        "(#190)",
        Connection,
        &[
            "(#190) This endpoint does not say why",
            "(#200) The page did not accept it",
            "(#10) Not for this application",
            "error_subcode=2207050, the account cannot publish",
        ],
    ),
    (
        "2207009",
        Permanent,
        &[
            "(#36003) rejected",
            "Media ID is not available: 2207026, please try again",
            "OAuthException (#352) 2207026",
        ],
    ),
    (
        "2207027",
        Passing,
        &[
            "(#2) Service temporarily unavailable",
            "(#4) Application request limit reached",
            "(#9007) Media ID is not available",
            "The media could not be fetched from this URI, 2207052",
            "2207020: the media you are trying to access has expired",
        ],
    ),
    (
        "reconnect",
        Connection,
        &[
            "Please reconnect the page in Metricool and try again",
            "Error validating access token: Session has expired on Monday",
            "The session has been invalidated because the user changed the password",
            "There is no facebook connection for blog: 123",
            "Permissions error",
            "The user must log in first",
            "The user must be an administrator of the page in order to impersonate it.",
            "The Instagram account is restricted",
            "Invalid OAuth access token.",
            "El token ha caducado",
            "La sesión ha caducado, vuelve a conectar la cuenta",
            "No tienes PERMISOS sobre la página",
            "Cambiaste la contraseña de Facebook",
        ],
    ),
    (
        "aspect ratio",
        Permanent,
        &[
            "Error validating MP4",
            "Publish Tiktok video error: does not specified privacy options",
            "Invalid aspect ratio 1:1",
            "Unsupported format: image/webp",
            "The image is too large to download. It should be less than 8 MiB.",
            "The caption was too long",
            "The video format is not supported. Please check it and try again.",
            "OAuthException: the submitted image has an aspect ratio that cannot be published",
            "This breaks our community standards",
            "El formato del vídeo no está permitido: formato no admitido",
            "La duración del vídeo supera los 60 segundos",
            "La relación de aspecto es errónea",
        ],
    ),
    (
        "timed out",
        Passing,
        &[
            "Could not download the media: read timed out",
            "Instagram took too long to download the media",
            "Application request limit reached",
            "An unexpected error has occurred. Please retry your request later.",
            "The service is temporarily unavailable",
            "The media is not ready for publishing, please wait a moment",
            "Create media fail, please try to re-create media",
            "Se agotó el tiempo de espera al descargar el vídeo",
            "El servicio no está disponible: servicio no disponible",
            "Error interno. Inténtalo de nuevo más tarde",
        ],
    ),
    (
        "thumbnail",
        Permanent,
        &[
            "The media could not be fetched",
            "The video could not be processed",
            "Only JPEG goes there",
            "No se pudo descargar la imagen",
        ],
    ),
];

#[test]
fn every_row_decides_the_sentences_that_are_meant_for_it() {
    for (text, kind, sentences) in SENTENCES {
        let row = place(text);
        assert_eq!(TABLE[row].kind, *kind, "{text}");
        for sentence in *sentences {
            assert_eq!(decided_by(sentence), Some(row), "{sentence}");
            assert_eq!(classify(sentence), *kind, "{sentence}");
        }
    }
    let tested: Vec<usize> = SENTENCES.iter().map(|(text, ..)| place(text)).collect();
    assert_eq!(
        tested,
        (0..TABLE.len()).collect::<Vec<_>>(),
        "every row has sentences, in the order of the table"
    );
}

#[test]
fn every_text_of_every_row_is_reached_in_any_case_and_between_other_words() {
    for (place, row) in TABLE.iter().enumerate() {
        assert!(!row.why.is_empty());
        for text in row.texts {
            assert_eq!(*text, plain(text), "texts are written as they are compared");
            assert_eq!(decided_by(&text.to_uppercase()), Some(place), "{text}");
            assert_eq!(
                decided_by(&format!("A complaint: {text}, says the network")),
                Some(place),
                "{text}"
            );
        }
    }
}

#[test]
fn no_text_is_in_two_rows() {
    let mut texts: Vec<&str> = TABLE.iter().flat_map(|row| row.texts).copied().collect();
    texts.sort_unstable();
    let all = texts.len();
    texts.dedup();
    assert_eq!(texts.len(), all);
}

#[test]
fn the_upper_row_wins_where_two_fit() {
    for (sentence, kind) in [
        // Connection before media, rules and what passes.
        ("The video could not be published: reconnect the page", Connection),
        ("Media upload failed because the access token is invalid", Connection),
        ("The session has expired, please try again", Connection),
        // A code before the words around it.
        ("(#190) The video could not be published, try again", Connection),
        ("2207026: no permission for this format", Permanent),
        ("2207027: the media is invalid", Passing),
        // What is said in so many words before what passes, and that before a mere mention.
        ("The video is not supported, try again", Permanent),
        ("The video could not be read, try again", Passing),
        ("The video could not be read", Permanent),
        // What may be live already before everything.
        ("Duplicate post: reconnect the page and try again", Permanent),
        ("2207051 (#190) try again", Permanent),
    ] {
        assert_eq!(classify(sentence), kind, "{sentence}");
    }
}

#[test]
fn a_text_that_nobody_knows_is_passing() {
    for unknown in [
        "Something nobody has seen before",
        "ERROR",
        "",
        "   ",
        "エラー",
        "Не удалось опубликовать",
    ] {
        assert_eq!(decided_by(unknown), None, "{unknown}");
        assert_eq!(classify(unknown), Passing, "{unknown}");
    }
}

#[test]
fn texts_count_from_the_beginning_of_a_word_and_numbers_as_a_whole() {
    for harmless in [
        "It could not be done immediately",
        "The profile was busy",
        "See catalog in use",
        "Object 122070261 was busy",
        "Object 22070261 was busy",
        "Error (#1900)",
    ] {
        assert_eq!(decided_by(harmless), None, "{harmless}");
    }
    assert_eq!(
        classify("The\n  session\thas   expired"),
        Connection,
        "whatever the space between words"
    );
}
