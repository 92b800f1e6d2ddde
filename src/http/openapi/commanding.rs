//! Commands, in the document.

use serde_json::json;

use super::{bodies, operation::Operation};
use crate::http::{command::Done, fields::UNKNOWN_FIELD, keys::Scope};

fn command(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new("commanding", ("post", path), id, summary)
        .takes(Scope::Publish)
        .path("batchId", "The batch", bodies::id("batch_1761725644409_k3f9a1c2z"))
        .fails(400, &["INVALID_BATCH_ID"])
        .fails(404, &["BATCH_NOT_FOUND"])
        .answers::<Done>(
            200,
            "The wish is durable; `applied` says whether `status` is already that after it was carried out",
        )
}

pub fn operations() -> Vec<Operation> {
    vec![
        command(
            "/api/metricool/batch/{batchId}/cancel",
            "cancelBatch",
            "Start no further clip and withdraw what can be",
        )
        .says("What is published stays published; a clip on its way is withdrawn only where that can be proved.")
        .fails(409, &["BATCH_NOT_CANCELLABLE"]),
        command(
            "/api/metricool/batch/{batchId}/pause",
            "pauseBatch",
            "Start no further clip until it is resumed",
        )
        .fails(409, &["BATCH_NOT_PAUSABLE"]),
        command(
            "/api/metricool/batch/{batchId}/resume",
            "resumeBatch",
            "Let a paused batch go on",
        )
        .fails(409, &["BATCH_NOT_RESUMABLE"]),
        command(
            "/api/metricool/batch/{batchId}/retry-failed",
            "retryFailed",
            "Try failed clips again",
        )
        .says(
            "The network is asked first what became of the old posts. A clip that is named and has not failed is a 409, and \
             none of the others is tried again either; except where an earlier request named it, too: that is a repeat, and \
             `clips` leaves it out. Without a list nothing is in the way.",
        )
        .body(false, bodies::retry_failed(), json!({"clips": [3, 5]}))
        .fails(400, &["INVALID_CLIPS"])
        .fails(409, &["BATCH_NOT_RETRYABLE", "CLIP_NOT_FAILED"]),
        command(
            "/api/metricool/batch/{batchId}/clips/{index}/resolve",
            "resolveClip",
            "Decide about a held clip: adopt a post, send it again, or drop it",
        )
        .path(
            "index",
            "The number of the clip, from 1",
            json!({"type": "integer", "minimum": 1, "maximum": u32::MAX}),
        )
        .body(
            true,
            bodies::resolve(),
            json!({"action": "adopt", "postId": "190340514"}),
        )
        .fails(
            400,
            &[
                "INVALID_CLIP_INDEX",
                "MISSING_ACTION",
                "INVALID_ACTION",
                "MISSING_POST_ID",
                "INVALID_POST_ID",
                "INVALID_ATTEMPT",
                UNKNOWN_FIELD,
            ],
        )
        .fails(404, &["CLIP_NOT_FOUND"])
        .fails(
            409,
            &["CLIP_NOT_HELD", "ATTEMPT_NOT_HELD", "POST_TAKEN", "BATCH_NOT_RETRYABLE"],
        ),
    ]
}
