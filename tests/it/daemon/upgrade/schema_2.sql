-- What a daemon with the second migration may have left beside that: a held clip, and the decision of a person about it that
-- nobody has carried out and that names no attempt.

INSERT INTO publish_batches VALUES('batch_held','stories',NULL,'u3','5372123','facebook','now','fast','skip',2,NULL,'paused',1,0,0,0,0,NULL,'CLIP_HELD','1 clips are held: a person decides whether they are live',0,NULL,0,NULL,1,NULL,'2026-11-26T15:54:36.160Z','2026-11-26T15:54:36.089Z','2026-11-26T15:54:36.102Z',NULL,'2026-11-26T15:54:36.150Z');
INSERT INTO publish_batch_clips VALUES('batch_held',1,'clip_1','https://cdn.example/held_1.mp4',NULL,'','held',1,0,NULL,NULL,NULL,NULL,'CANNOT_TELL','the slot has passed','2026-11-26T15:54:36.104Z',NULL,NULL,NULL,NULL,0,'2026-11-26T15:54:36.150Z',NULL);
INSERT INTO delivery_attempts VALUES('batch_held',1,1,'5372123','facebook','{"network":"facebook","media":"https://cdn.example/held_1.mp4","text":"","slot":"2026-11-26T15:54:36.104Z"}','2026-11-26T15:54:36.104Z','https://cdn.example/held_1.mp4','2026-11-26T15:54:36.104Z','2026-11-26T15:54:36.150Z','cannot_tell','CANNOT_TELL','the slot has passed',NULL,NULL,NULL,NULL,NULL);
INSERT INTO batch_commands VALUES('command_2','batch_held','resolve','key','2026-11-26T15:54:36.160Z',NULL,'{"clip":1,"action":"retry"}');
