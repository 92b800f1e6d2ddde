-- Finds what people asked to have tried again in a batch, without reading every command there ever was.
CREATE INDEX batch_commands_retries ON batch_commands (batch_id) WHERE kind = 'retry-failed';
