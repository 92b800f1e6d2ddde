-- Keys that were made by the daemon: only their hashes, so that whoever reads this table can call nothing.
CREATE TABLE api_keys (
    key_id       TEXT NOT NULL PRIMARY KEY,         -- names it in records and lists
    key_hash     TEXT NOT NULL,                     -- SHA-256 of the key, hexadecimal
    tenant       TEXT NOT NULL,
    scopes       TEXT NOT NULL,                     -- as in publish+read
    label        TEXT,                              -- what a person calls it
    created_by   TEXT NOT NULL,                     -- the key that asked for it, or 'first start'
    created_at   TEXT NOT NULL,
    last_used_at TEXT,                              -- a minute late at most
    revoked_at   TEXT
);
CREATE UNIQUE INDEX api_keys_hash ON api_keys (key_hash);
CREATE INDEX api_keys_tenant ON api_keys (tenant, created_at);

-- A tenant's history without its users. Partial, so that a batch is entered when it ends and its steps write nothing into it.
CREATE INDEX publish_batches_past ON publish_batches (tenant, created_at)
    WHERE status IN ('completed', 'failed', 'cancelled');
