//! What a post that ended as `ERROR` allows, told by its `detailedStatus`: one table of texts and what they mean.
//!
//! `reading` asks it about every failed post. Metricool documents no text of its own and passes the networks' errors on, so
//! the rows are codes and words, in English and Spanish, and a text without any of them is passing. Pure data: nothing dies.

use storyclip_actors::ports::FailureKind;

/// One line of the table.
struct Row {
    kind: FailureKind,
    /// What such texts have in common, and how it is known.
    #[cfg_attr(not(test), expect(dead_code, reason = "for whoever reads or tests the table"))]
    why: &'static str,
    /// In lower case and without accents; each counts from the beginning of a word on.
    texts: &'static [&'static str],
}

/// THE TABLE, read from top to bottom: the first row with a text that occurs decides.
///
/// What must not be sent again comes first, since everything below may be. Codes come before words, because they say exactly
/// what is meant. Among the words a lost connection comes before everything else: it explains any other complaint (a page
/// that is not connected cannot take a video either), and a clip that waits for its account loses nothing. Then what is said
/// about the content in so many words, then what passes, and last the mere mention of media.
static TABLE: &[Row] = &[
    Row {
        kind: FailureKind::Permanent,
        why: "the story is, or may be, live already: Meta's 506 and 1366051 (the same post once more), and Instagram's 2207051, \
              which is also given for posts that did go live",
        texts: &[
            "2207051",
            "1366051",
            "(#506)",
            "already been posted",
            "already posted",
            "already been published",
            "already published",
            "duplicate",
            "identical",
            "restrict certain activity",
            "ya se ha publicado",
            "ya ha sido publicad",
            "duplicad",
        ],
    },
    Row {
        kind: FailureKind::Permanent,
        why: "a block of hours or a quota of a day, which seconds of waiting cannot outlast and quick repetition prolongs: \
              Meta's 368 with 1390008 and 1404112, Instagram's 2207042",
        texts: &[
            "(#368)",
            "1390008",
            "1404112",
            "2207042",
            "temporarily blocked",
            "temporarily restricted",
            "action blocked",
            "action is blocked",
            "deemed abusive",
            "misusing this feature",
            "maximum number of posts",
            "bloquead",
        ],
    },
    Row {
        kind: FailureKind::Connection,
        why: "Meta's codes for a person to reconnect, confirm or grant something: 10, 25, 31, 102, 190 and 200 to 299, of which \
              these are seen, with 1404006, 1404078, 2207050, 3858385, 4854002",
        texts: &[
            "(#10)", "(#25)", "(#31)", "(#102)", "(#190)", "(#200)", "(#210)", "(#283)", "(#299)", "1404006",
            "1404078", "2207050", "3858385", "4854002",
        ],
    },
    Row {
        kind: FailureKind::Permanent,
        why: "Meta's codes for content or parameters that are wrong and stay so",
        texts: &[
            "2207004", "2207005", "2207009", "2207010", "2207023", "2207026", "2207028", "2207035", "2207036",
            "2207037", "2207040", "2207057", "2207081", "2207085", "1346003", "1349125", "1366046", "1404102",
            "1609008", "2061006", "2069019", "(#197)", "(#352)", "(#6000)", "(#36000)", "(#36001)", "(#36003)",
            "(#36004)",
        ],
    },
    Row {
        kind: FailureKind::Passing,
        why: "Meta's codes for its own trouble, for limits of minutes, and for media that was not ready or not fetched this time",
        texts: &[
            "2207001", "2207003", "2207008", "2207020", "2207027", "2207032", "2207052", "2207053", "2207077",
            "2207082", "1363047", "1609010", "(#1)", "(#2)", "(#4)", "(#17)", "(#32)", "(#341)", "(#613)", "(#80001)",
            "(#80002)", "(#9007)",
        ],
    },
    Row {
        kind: FailureKind::Connection,
        why: "the brand's connection to the network, or the token behind it, is gone: Metricool's \"no connection for blog\", \
              and the sentences of Meta's codes above. Not \"OAuth\": Meta calls every error an OAuthException",
        texts: &[
            "reconnect",
            "disconnected",
            "not connected",
            "no longer connected",
            "connection expired",
            "connection has expired",
            "connection for blog",
            "token",
            "session has expired",
            "session expired",
            "session has been invalidated",
            "session is invalid",
            "permission",
            "not authorized",
            "not authorised",
            "unauthorized",
            "unauthorised",
            "publishing authorization",
            "must be an administrator",
            "password",
            "log in",
            "login",
            "checkpoint",
            "security check",
            "confirm your identity",
            "verify your identity",
            "not a confirmed user",
            "account is restricted",
            "account is inactive",
            "reconect",
            "desconectad",
            "vuelve a conectar",
            "vuelva a conectar",
            "volver a conectar",
            "no esta conectad",
            "conexion caducad",
            "conexion ha caducado",
            "sesion ha caducado",
            "sesion caducad",
            "inicia sesion",
            "iniciar sesion",
            "contrasena",
            "permiso",
            "no autorizad",
            "no esta autorizad",
            "credencial",
        ],
    },
    Row {
        kind: FailureKind::Permanent,
        why: "a rule, or what about the content breaks it: TikTok without privacy options, an MP4 that does not validate, an \
              aspect ratio, a policy",
        texts: &[
            "unsupported",
            "not supported",
            "not allowed",
            "not permitted",
            "invalid",
            "must be",
            "must have",
            "must contain",
            "must not",
            "required",
            "privacy",
            "exceeds",
            "too large",
            "too big",
            "too small",
            "too short",
            "is too long",
            "was too long",
            "caption too long",
            "text too long",
            "too many tags",
            "too many hashtags",
            "too many mentions",
            "aspect ratio",
            "resolution",
            "codec",
            "error validating",
            "policy",
            "policies",
            "guidelines",
            "community standards",
            "copyright",
            "spam",
            "no admitid",
            "no soportad",
            "no compatible",
            "no permitid",
            "no valid",
            "debe ser",
            "debe tener",
            "debe contener",
            "obligatori",
            "privacidad",
            "supera",
            "demasiado grande",
            "demasiado larg",
            "demasiado cort",
            "demasiado pequen",
            "relacion de aspecto",
            "resolucion",
            "politica",
            "normas",
            "derechos de autor",
        ],
    },
    Row {
        kind: FailureKind::Passing,
        why: "the network, or the way to it, had trouble at that moment or says that it may be tried again",
        texts: &[
            "timeout",
            "time out",
            "timed out",
            "took too long",
            "temporar",
            "try again",
            "retry",
            "rate limit",
            "request limit",
            "too many requests",
            "too many calls",
            "limit reached",
            "unavailable",
            "not available",
            "not ready",
            "please wait",
            "media builder",
            "re-create",
            "connection reset",
            "connection refused",
            "connection error",
            "network error",
            "internal error",
            "server error",
            "unexpected error",
            "unknown error",
            "unknown upload error",
            "tiempo de espera",
            "intentalo",
            "intentelo",
            "vuelve a intentar",
            "vuelva a intentar",
            "mas tarde",
            "temporal",
            "demasiadas solicitudes",
            "demasiadas peticiones",
            "limite de solicitudes",
            "limite de peticiones",
            "no disponible",
            "error interno",
            "error del servidor",
            "error inesperado",
            "error desconocido",
        ],
    },
    Row {
        kind: FailureKind::Permanent,
        why: "media is spoken of and nothing says that it will pass: most often it cannot be fetched or read",
        texts: &[
            "media",
            "multimedia",
            "image",
            "video",
            "photo",
            "picture",
            "file",
            "format",
            "duration",
            "thumbnail",
            "carousel",
            "caption",
            "mp4",
            "jpeg",
            "png",
            "imagen",
            "foto",
            "archivo",
            "fichero",
            "duracion",
            "carrusel",
        ],
    },
];

/// What a post that failed with this text allows.
pub(super) fn classify(detail: &str) -> FailureKind {
    row_of(&plain(detail)).map_or(FailureKind::Passing, |row| row.kind)
}

fn row_of(plain: &str) -> Option<&'static Row> {
    TABLE
        .iter()
        .find(|row| row.texts.iter().any(|text| occurs(plain, text)))
}

/// Whether the text occurs at the beginning of a word ("file", but not in "profile"); a number only as a whole.
fn occurs(plain: &str, text: &str) -> bool {
    plain.match_indices(text).any(|(at, _)| {
        let (before, after) = (&plain[..at], &plain[at + text.len()..]);
        let in_a_word = text.starts_with(char::is_alphanumeric) && before.ends_with(char::is_alphanumeric);
        let in_a_number =
            text.ends_with(|c: char| c.is_ascii_digit()) && after.starts_with(|c: char| c.is_ascii_digit());
        !in_a_word && !in_a_number
    })
}

/// In lower case, without the accents of Spanish, with single spaces.
fn plain(detail: &str) -> String {
    let unaccented = |c: char| match c {
        'á' => 'a',
        'é' => 'e',
        'í' => 'i',
        'ó' => 'o',
        'ú' | 'ü' => 'u',
        'ñ' => 'n',
        other => other,
    };
    let words: Vec<&str> = detail.split_whitespace().collect();
    words.join(" ").to_lowercase().chars().map(unaccented).collect()
}

#[cfg(test)]
mod tests;
