-- The slot that was chosen for a clip at its birth; null in batches that publish one clip after the other. The slot that the
-- clip gets (scheduled_at) may be later, when it could not be handed over in time or was taken back by a pause.
ALTER TABLE publish_batch_clips ADD COLUMN planned_for TEXT;
