//! Reading and live events, in the document.

use serde_json::{Value, json};

use super::{bodies, operation::Operation};
use crate::http::{active, attempts, batch, brands, history, keys::Scope, page, reconcile, status};

const BATCH: &str = "batch_1761725644409_k3f9a1c2z";

fn of_batch(at: (&'static str, &'static str), id: &'static str, summary: &'static str) -> Operation {
    Operation::new("reading", at, id, summary)
        .takes(Scope::Read)
        .path("batchId", "The batch", bodies::id(BATCH))
        .fails(400, &["INVALID_BATCH_ID"])
        .fails(404, &["BATCH_NOT_FOUND"])
}

fn of_user(at: (&'static str, &'static str), id: &'static str, summary: &'static str) -> Operation {
    Operation::new("reading", at, id, summary)
        .takes(Scope::Read)
        .query_not_empty(
            "userId",
            "Whose; only a key with the scope `admin` may leave it away and then reads the whole tenant's",
            bodies::name("u1"),
        )
        .fails(400, &["MISSING_USER_ID", "INVALID_USER_ID"])
}

fn instant() -> Value {
    json!({"type": "string", "format": "date-time"})
}

pub fn operations() -> Vec<Operation> {
    let active = |path, id| {
        of_user(("get", path), id, "List what is scheduled, at work or paused")
            .paged(page::MOST)
            .answers::<active::Active>(200, "The batches, newest first")
    };
    vec![
        Operation::new(
            "reading",
            ("get", "/api/metricool/status"),
            "getStatus",
            "Tell where a batch is, for a client that polls",
        )
        .takes(Scope::Read)
        .required_query("batchId", "The batch", bodies::id(BATCH))
        .answers::<status::Status>(200, "Where it is")
        .versioned()
        .fails(400, &["MISSING_BATCH_ID", "INVALID_BATCH_ID"])
        .fails(404, &["BATCH_NOT_FOUND"]),
        of_batch(
            ("get", "/api/metricool/batch/{batchId}"),
            "getBatch",
            "Show a batch with its clips",
        )
        .says("`index` of a clip starts at 1; `currentIndex` and `progress` count settled clips.")
        .answers::<batch::Summary>(200, "The batch")
        .versioned(),
        of_batch(
            ("get", "/api/metricool/batch/{batchId}/attempts"),
            "listAttempts",
            "List every attempt with intent and outcome: why a clip is believed to be live, or not",
        )
        .paged(page::MOST)
        .answers::<attempts::Ledger>(200, "By clip, then by number"),
        active("/api/metricool/batches/active", "listActive"),
        active("/api/metricool/batch/user-active", "listUserActive"),
        Operation::new(
            "reading",
            ("get", "/api/metricool/brands"),
            "listBrands",
            "List the tenant's brands at Metricool",
        )
        .says("Asked of Metricool once a minute at most.")
        .takes(Scope::Read)
        .without_the_database()
        .paged(None)
        .answers::<brands::BrandList>(200, "The brands, all of them where no `limit` is named")
        .fails(500, &["METRICOOL_NOT_CONFIGURED"])
        .fails(502, &["METRICOOL_UNAUTHORIZED", "METRICOOL_UNREADABLE"])
        .fails(503, &["METRICOOL_THROTTLED", "METRICOOL_UNAVAILABLE"]),
        of_user(
            ("get", "/api/metricool/history"),
            "listHistory",
            "List batches that have ended",
        )
        .query("status", "How they ended", bodies::past_status())
        .query(
            "from",
            "Created at this instant or later; a date means its beginning in UTC",
            instant(),
        )
        .query("to", "Created before this instant", instant())
        .paged(history::PAGE)
        .answers::<history::History>(200, "The batches, newest first")
        .fails(400, &["INVALID_STATUS", "INVALID_TO"]),
        of_batch(
            ("get", "/api/metricool/reconcile/{batchId}"),
            "reconcile",
            "Tell the database's word, and have the network asked again",
        )
        .answers::<reconcile::Reconciled>(200, "As the rows have it now"),
        stream(),
    ]
}

fn stream() -> Operation {
    let last = json!({"type": "string", "pattern": "^[0-9]{1,18}$"});
    let event = json!({
        "description": "One event",
        "type": "object",
        "required": ["data"],
        "properties": {
            "id": {"type": "string", "pattern": "^[0-9]+$"},
            "data": {"type": "string", "contentMediaType": "application/json"},
        },
    });
    Operation::new("live", ("get", "/api/metricool/stream"), "openStream", "Hear what happens to a batch, or to a user's")
        .says(
            "Exactly one of `batchId` and `userId`. `data:` is one JSON object: first `connected` (a user stream has one per \
             active batch), then `progress`, last `completed`, `cancelled` or `error`, after which a batch's stream closes. \
             In between, `paused` (with `error`) tells that a batch waits for a person, and `resumed` that it is at work \
             again, or that the first slot of a scheduled one has come; both have the fields of the last message. \
             A message that records a change has an `id:`; `waiting` ticks have none and are not stored. `Last-Event-ID` \
             resumes without a gap or a repeat, also on another node and after a restart. A comment is sent every 15 s.",
        )
        .takes(Scope::Read)
        .or_key_in_query()
        .query("batchId", "The batch", bodies::id(BATCH))
        .query("userId", "All batches of a user on one connection", bodies::name("u1"))
        .query("lastEventId", "The newest `id:` that the client has, where it cannot send the header", last.clone())
        .header("Last-Event-ID", "The newest `id:` that the client has", last)
        .answers_as(200, "Events until the batch ends, or the client goes", "text/event-stream", event)
        .fails(400, &["MISSING_BATCH_ID", "INVALID_BATCH_ID", "INVALID_USER_ID", "INVALID_LAST_EVENT_ID"])
        .fails(404, &["BATCH_NOT_FOUND"])
}
