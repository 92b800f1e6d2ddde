-- What the outside is told of: webhooks, e-mail and Web Push. The events themselves stay in batch_events, which is the
-- outbox: a cursor per user (its events have numbers without gaps, in commit order) says how far they were read, and moves
-- in the transaction that writes what is to be delivered.

-- Finds the users with batches that name a webhook of their own. Partial, and no step of a batch writes its columns.
CREATE INDEX publish_batches_webhook ON publish_batches (tenant, user_id) WHERE webhook_url IS NOT NULL;

CREATE TABLE webhook_endpoints (
    endpoint_id     TEXT NOT NULL PRIMARY KEY,
    tenant          TEXT NOT NULL,
    url             TEXT NOT NULL,
    description     TEXT,
    events          TEXT NOT NULL,                  -- types, separated by spaces
    secret          TEXT NOT NULL,                  -- whsec_…
    disabled_reason TEXT,                           -- null: it is enabled; person, gone or failing
    disabled_at     TEXT,
    enabled_at      TEXT NOT NULL,                  -- older events are not for it
    delivered_at    TEXT,                           -- when it last took a message
    created_at      TEXT NOT NULL,
    updated_at      TEXT NOT NULL
);
CREATE INDEX webhook_endpoints_tenant ON webhook_endpoints (tenant, created_at);

-- By what the messages to the webhookUrl of a tenant's batches are signed.
CREATE TABLE webhook_batch_secrets (
    tenant     TEXT NOT NULL PRIMARY KEY,
    secret     TEXT NOT NULL,
    created_at TEXT NOT NULL
);

CREATE TABLE push_subscriptions (
    subscription_id TEXT NOT NULL PRIMARY KEY,
    tenant          TEXT NOT NULL,
    user_id         TEXT NOT NULL,
    endpoint        TEXT NOT NULL,                  -- of the browser's push service
    p256dh          TEXT NOT NULL,
    auth            TEXT NOT NULL,
    created_at      TEXT NOT NULL
);
CREATE UNIQUE INDEX push_subscriptions_endpoint ON push_subscriptions (tenant, user_id, endpoint);

CREATE TABLE notice_cursors (
    tenant   TEXT   NOT NULL,
    user_id  TEXT   NOT NULL,
    user_seq BIGINT NOT NULL,                       -- the newest event that was read
    PRIMARY KEY (tenant, user_id)
);

-- What happened before this schema is told to nobody.
INSERT INTO notice_cursors (tenant, user_id, user_seq) SELECT tenant, user_id, last_event FROM user_streams;

-- Since when a tenant's batches are mailed about: older events are not.
CREATE TABLE notice_mailed (
    tenant TEXT NOT NULL PRIMARY KEY,
    since  TEXT NOT NULL
);

-- What is told, once per event.
CREATE TABLE notices (
    notice_id  TEXT NOT NULL PRIMARY KEY,           -- the webhook-id: the event's own, so that a repeat is seen as one
    tenant     TEXT NOT NULL,
    batch_id   TEXT,
    kind       TEXT NOT NULL,
    body       TEXT NOT NULL,                       -- the JSON that is signed and sent
    created_at TEXT NOT NULL
);
CREATE INDEX notices_batch ON notices (batch_id);
CREATE INDEX notices_age ON notices (created_at);

-- To whom, and what became of it.
CREATE TABLE notice_deliveries (
    delivery_id TEXT   NOT NULL PRIMARY KEY,
    tenant      TEXT   NOT NULL,
    notice_id   TEXT   NOT NULL,
    channel     TEXT   NOT NULL,                    -- webhook, batch, email or push
    target      TEXT   NOT NULL,                    -- an endpoint's id, a URL, an address, a subscription's id
    status      TEXT   NOT NULL,                    -- pending, paused (its endpoint is disabled), delivered or failed
    attempts    BIGINT NOT NULL DEFAULT 0,
    tries       BIGINT NOT NULL DEFAULT 0,          -- of the schedule, which a replay begins anew
    began_at    TEXT   NOT NULL,                    -- when the schedule began
    due_at      TEXT   NOT NULL,
    claim       TEXT,                               -- who is sending it, until claimed_until
    claimed_until TEXT,
    http_status BIGINT,                             -- of the last attempt, like error
    error       TEXT,
    settled_at  TEXT,
    created_at  TEXT   NOT NULL
);
CREATE UNIQUE INDEX notice_deliveries_once ON notice_deliveries (notice_id, channel, target);
CREATE INDEX notice_deliveries_due ON notice_deliveries (due_at) WHERE status = 'pending';
CREATE INDEX notice_deliveries_tenant ON notice_deliveries (tenant, created_at, delivery_id);
CREATE INDEX notice_deliveries_target ON notice_deliveries (target, created_at, delivery_id);

CREATE TABLE notice_attempts (
    delivery_id TEXT   NOT NULL,
    attempt     BIGINT NOT NULL,                    -- from 1
    at          TEXT   NOT NULL,
    took_ms     BIGINT NOT NULL,
    http_status BIGINT,
    error       TEXT,                               -- null: it was taken
    PRIMARY KEY (delivery_id, attempt)
);
