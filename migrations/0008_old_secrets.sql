-- Secrets that were replaced and still sign beside the new one for a while, so that a receiver may change over when it likes.
CREATE TABLE webhook_old_secrets (
    tenant      TEXT NOT NULL,
    endpoint_id TEXT NOT NULL,                      -- empty: the secret for the webhookUrl of the tenant's batches
    secret      TEXT NOT NULL,
    until       TEXT NOT NULL
);
CREATE INDEX webhook_old_secrets_of ON webhook_old_secrets (tenant, endpoint_id);
