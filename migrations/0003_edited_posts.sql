-- A post that a person edits gets a new id and keeps its uuid: whose it is must be known by either.
CREATE INDEX delivery_attempts_uuid ON delivery_attempts (account_id, post_uuid) WHERE post_uuid IS NOT NULL;
