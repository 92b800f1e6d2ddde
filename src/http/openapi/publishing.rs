//! Publishing, in the document.

use serde_json::json;

use super::{bodies, operation::Operation};
use crate::http::{fields::UNKNOWN_FIELD, keys::Scope, publish};

pub fn operations() -> Vec<Operation> {
    let example = json!({
        "jobId": "job_123",
        "userId": "u1",
        "posts": [{"id": "clip_1", "url": "https://cdn.example/clip_1.mp4"}],
        "schedule": {"mode": "now"},
        "settings": {"accountId": "5372118", "publishSpeed": "fast", "network": "facebook", "onFailure": "skip"},
    });
    let stories = Operation::new(
        "publishing",
        ("post", "/api/metricool/publish/stories"),
        "publishStories",
        "Take a batch of stories on",
    )
    .says(
        "Answered when the batch is durable and before any clip is sent. `warnings` names what was chosen, is not used or is not known. \
         `webhookUrl` is told of this batch alone, signed by the secret of `POST /api/webhooks/batch-secret`; \
         as long as the tenant has none, `warnings` says that its messages are not signed.",
    )
    .takes(Scope::Publish)
    .query_not_empty(
        "dryRun",
        "Validate everything, also with the network, and create nothing; any other parameter is refused, so that this one is \
         never misspelled in vain",
        json!({"type": "boolean", "default": false}),
    )
    .repeatable()
    .body(true, bodies::publish(), example)
    .answers::<publish::Answer<'static>>(202, "The batch is durable")
    .answers::<publish::Answer<'static>>(200, "Of a dry run: what would happen")
    .fails(
        400,
        &[
            "MISSING_USER_ID", "INVALID_USER_ID", "INVALID_JOB_ID", "MISSING_POSTS", "INVALID_POSTS", "INVALID_POST",
            "MISSING_POST_URL", "INVALID_POST_URL", "INVALID_POST_ID", "INVALID_POST_TITLE", "INVALID_POST_TEXT",
            "INVALID_SETTINGS", "MISSING_ACCOUNT_ID", "INVALID_ACCOUNT_ID", "INVALID_PUBLISH_SPEED", "INVALID_NETWORK",
            "INVALID_ON_FAILURE", "INVALID_MAX_RETRIES", "INVALID_WEBHOOK_URL", "INVALID_SCHEDULE", "MISSING_SCHEDULED_AT",
            "INVALID_SCHEDULED_AT", "SCHEDULED_AT_IN_THE_PAST", "NONEXISTENT_LOCAL_TIME", "MISSING_TIMEZONE",
            "UNKNOWN_TIMEZONE", "INVALID_INTERVAL", "INVALID_MIN_GAP",
        ],
    )
    .fails(404, &["ACCOUNT_NOT_FOUND"])
    .fails(
        422,
        &[
            UNKNOWN_FIELD, "NO_BEST_TIMES", "NOT_ENOUGH_BEST_TIMES", "NETWORK_NOT_CONNECTED", "MEDIA_NOT_READABLE",
            "QUOTA_EXCEEDED", "ACCOUNT_UNAUTHORIZED", "PROVIDER_REFUSED",
        ],
    )
    .fails(500, &["METRICOOL_NOT_CONFIGURED"])
    .fails(503, &["DRAINING", "PROVIDER_UNAVAILABLE"]);
    vec![stories]
}
