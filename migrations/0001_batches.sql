-- One set of migrations for SQLite and PostgreSQL: TEXT and BIGINT only, instants as RFC 3339 UTC text of fixed width
-- with milliseconds (they sort as text). Table and column names of the two publish_batch tables are those of the user's
-- documents (seeds 001 and 002), whose printed queries run unchanged.

CREATE TABLE publish_batches (
    batch_id           TEXT   NOT NULL PRIMARY KEY,
    tenant             TEXT   NOT NULL,
    job_id             TEXT,
    user_id            TEXT   NOT NULL,
    account_id         TEXT   NOT NULL,
    network            TEXT   NOT NULL,
    publish_mode       TEXT   NOT NULL,
    publish_speed      TEXT   NOT NULL,
    on_failure         TEXT   NOT NULL,
    max_retries        BIGINT NOT NULL,
    webhook_url        TEXT,
    status             TEXT   NOT NULL,
    total_clips        BIGINT NOT NULL,
    published_clips    BIGINT NOT NULL DEFAULT 0,
    failed_clips       BIGINT NOT NULL DEFAULT 0,
    cancelled_clips    BIGINT NOT NULL DEFAULT 0,
    current_clip_index BIGINT NOT NULL DEFAULT 0,   -- settled clips
    scheduled_for      TEXT,
    error_code         TEXT,
    error_msg          TEXT,
    restarts           BIGINT NOT NULL DEFAULT 0,   -- of its actor, within the window that began at restarted_at
    restarted_at       TEXT,
    last_event         BIGINT NOT NULL DEFAULT 0,   -- the newest batch_seq
    lease_owner        TEXT,
    lease_epoch        BIGINT NOT NULL DEFAULT 0,
    lease_expires_at   TEXT,
    wake_at            TEXT,                        -- when a daemon is to claim it; null: nothing to do by itself
    created_at         TEXT   NOT NULL,
    started_at         TEXT,
    completed_at       TEXT,
    updated_at         TEXT   NOT NULL
);
CREATE INDEX publish_batches_due ON publish_batches (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX publish_batches_owner ON publish_batches (lease_owner) WHERE lease_owner IS NOT NULL;
CREATE INDEX publish_batches_user ON publish_batches (tenant, user_id, created_at);

CREATE TABLE publish_batch_clips (
    batch_id          TEXT   NOT NULL REFERENCES publish_batches (batch_id),
    clip_index        BIGINT NOT NULL,              -- from 1
    clip_id           TEXT   NOT NULL,              -- the client's own name
    clip_url          TEXT   NOT NULL,
    clip_title        TEXT,
    clip_text         TEXT   NOT NULL DEFAULT '',   -- stored, never sent with a story
    status            TEXT   NOT NULL,
    attempts          BIGINT NOT NULL DEFAULT 0,    -- number of the current attempt
    retries           BIGINT NOT NULL DEFAULT 0,    -- spent of max_retries
    metricool_post_id TEXT,                         -- the provider's handle, whatever the provider
    post_uuid         TEXT,
    facebook_post_id  TEXT,                         -- the network's own id, whatever the network
    permalink         TEXT,
    error_code        TEXT,
    error_msg         TEXT,
    scheduled_at      TEXT,                         -- the slot of the current attempt
    next_attempt_at   TEXT,
    uploaded_at       TEXT,
    published_at      TEXT,
    timed_out_at      TEXT,
    late_looks        BIGINT NOT NULL DEFAULT 0,
    updated_at        TEXT   NOT NULL,
    PRIMARY KEY (batch_id, clip_index)
);

-- The ledger: one row per attempt, with the exact request (the intent) before the call and the outcome after it.
CREATE TABLE delivery_attempts (
    batch_id    TEXT   NOT NULL,
    clip_index  BIGINT NOT NULL,
    attempt     BIGINT NOT NULL,
    account_id  TEXT   NOT NULL,
    network     TEXT   NOT NULL,
    request     TEXT,                               -- JSON of the request as it was, or was to be, sent
    slot        TEXT,
    media       TEXT,
    intent_at   TEXT,
    outcome_at  TEXT,
    verdict     TEXT,
    code        TEXT,
    message     TEXT,
    http_status BIGINT,
    request_id  TEXT,
    post_id     TEXT,
    post_uuid   TEXT,
    permalink   TEXT,
    PRIMARY KEY (batch_id, clip_index, attempt)
);
-- A post belongs to one attempt, and two attempts of one account never share slot and media: what is found by
-- listing can then belong to one clip only.
CREATE UNIQUE INDEX delivery_attempts_post ON delivery_attempts (account_id, post_id) WHERE post_id IS NOT NULL;
CREATE UNIQUE INDEX delivery_attempts_slot ON delivery_attempts (account_id, network, slot, media) WHERE slot IS NOT NULL;

CREATE TABLE batch_events (
    batch_id   TEXT   NOT NULL,
    batch_seq  BIGINT NOT NULL,                     -- 1, 2, 3 … of the batch
    tenant     TEXT   NOT NULL,
    user_id    TEXT   NOT NULL,
    user_seq   BIGINT NOT NULL,                     -- 1, 2, 3 … of the tenant's user
    kind       TEXT   NOT NULL,
    clip_index BIGINT,
    body       TEXT   NOT NULL,                     -- the JSON that subscribers receive
    created_at TEXT   NOT NULL,
    PRIMARY KEY (batch_id, batch_seq)
);
CREATE UNIQUE INDEX batch_events_user ON batch_events (tenant, user_id, user_seq);

CREATE TABLE user_streams (
    tenant     TEXT   NOT NULL,
    user_id    TEXT   NOT NULL,
    last_event BIGINT NOT NULL,                     -- the newest user_seq
    PRIMARY KEY (tenant, user_id)
);

CREATE TABLE batch_commands (
    command_id   TEXT NOT NULL PRIMARY KEY,
    batch_id     TEXT NOT NULL REFERENCES publish_batches (batch_id),
    kind         TEXT NOT NULL,
    requested_by TEXT NOT NULL,
    created_at   TEXT NOT NULL,
    applied_at   TEXT
);
CREATE INDEX batch_commands_waiting ON batch_commands (batch_id, created_at) WHERE applied_at IS NULL;

CREATE TABLE idempotency_keys (
    tenant     TEXT   NOT NULL,
    route      TEXT   NOT NULL,
    key        TEXT   NOT NULL,
    body_hash  TEXT   NOT NULL,
    answer     TEXT   NOT NULL,                     -- the body of the first answer
    created_at TEXT   NOT NULL,
    PRIMARY KEY (tenant, route, key)
);

-- What was learned about a provider and must survive a restart, such as "this token's list shows published posts".
CREATE TABLE provider_facts (
    name       TEXT NOT NULL PRIMARY KEY,
    value      TEXT NOT NULL,
    updated_at TEXT NOT NULL
);
