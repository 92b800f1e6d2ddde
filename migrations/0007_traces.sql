-- The span under which a batch was created, as a W3C traceparent: its clips' spans hang below it, also after a restart.
ALTER TABLE publish_batches ADD COLUMN trace_parent TEXT;
