//! API keys, in the document.

use serde_json::json;

use super::{bodies, operation::Operation};
use crate::http::{api_keys, keys::Scope, page};

pub fn operations() -> Vec<Operation> {
    let key = |at, id, summary| Operation::new("keys", at, id, summary).takes(Scope::Admin);
    vec![
        key(
            ("get", "/api/keys"),
            "listKeys",
            "List the tenant's keys, revoked ones included",
        )
        .paged(page::MOST)
        .answers::<api_keys::KeyList>(200, "Newest first; those of the environment on every page"),
        key(("post", "/api/keys"), "createKey", "Make a key of this tenant")
            .says("The key itself is in this answer and nowhere else; only its hash is kept.")
            .repeatable()
            .body(
                true,
                bodies::key(),
                json!({"name": "frontend", "scopes": ["publish", "read"]}),
            )
            .answers::<api_keys::Made>(201, "The key; `secret` is null where the answer is given again")
            .fails(400, &["INVALID_NAME", "MISSING_SCOPES", "INVALID_SCOPES"])
            .fails(409, &["TOO_MANY_KEYS"]),
        key(
            ("delete", "/api/keys/{id}"),
            "revokeKey",
            "Revoke a key; repeating it changes nothing",
        )
        .path("id", "The key", bodies::id("key_3f9a1c2b4d5e"))
        .answers::<api_keys::Revoked>(200, "It opens nothing any more")
        .fails(400, &["INVALID_KEY_ID"])
        .fails(404, &["KEY_NOT_FOUND"])
        .fails(409, &["KEY_OF_ENVIRONMENT"]),
    ]
}
