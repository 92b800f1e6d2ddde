-- What a command says beyond its kind: JSON, as in {"clips":[3,5]} or {"clip":3,"action":"adopt","postId":"300000001"}.
ALTER TABLE batch_commands ADD COLUMN detail TEXT;

-- What a person ruled about a clip, until it is done: 'retry' (another try was asked for: what became of the old post is
-- found out first) or 'pass_over' (it failed, and the batch goes on past it whatever its policy). A column of its own,
-- because the error of a clip changes on the way and its code decides about the looks after a timeout.
ALTER TABLE publish_batch_clips ADD COLUMN ruling TEXT;

-- Counts batches that rest, and their clips, without reading their rows. Partial, so that the steps of a batch at work
-- write nothing into it.
CREATE INDEX publish_batches_resting ON publish_batches (status, total_clips, failed_clips) WHERE status <> 'processing';
