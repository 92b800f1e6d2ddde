"""Commanding: what a person may say about a batch."""

from case import Case, story
from client import INSTANT, eventually
from services import BROKEN, LOST, STUCK


class Commands(Case):
    def command(self, batch_id, command, body=None):
        return self.acme.post(f"/api/metricool/batch/{batch_id}/{command}", body)

    def accepted(self, batch_id, command, body=None):
        answer = self.command(batch_id, command, body)
        self.assertEqual(answer.status, 200, answer)
        self.assertHas(answer.json, "success", "batchId", "action", "status", "timestamp")
        self.assertIs(answer.json["success"], True)
        self.assertEqual((answer.json["batchId"], answer.json["action"]), (batch_id, command))
        self.assertRegex(answer.json["timestamp"], INSTANT)
        return answer.json

    def impossible(self, batch_id, command, status, body=None):
        answer = self.command(batch_id, command, body)
        self.assertProblem(answer, 409)
        self.assertEqual(answer.json["currentStatus"] if "currentStatus" in answer.json else None, status, answer)

    def waiting(self, *names, **settings):
        """A batch whose first clip waits for the network's word, which never comes."""
        batch_id = self.publish(story(STUCK, *names, **settings))["batchId"]
        self.until(batch_id, lambda message: message.get("status") == "waiting")
        return batch_id

    def test_cancel(self):
        batch_id = self.waiting("a", "b")
        self.assertEqual(self.accepted(batch_id, "cancel")["status"], "cancelled")
        self.assertEqual(self.accepted(batch_id, "cancel")["status"], "cancelled", "repeating it is harmless")
        batch = self.batch(batch_id)
        self.assertEqual((batch["status"], batch["cancelled"]), ("cancelled", 2))
        for command in ("pause", "resume"):
            self.impossible(batch_id, command, "cancelled")

    def test_pause_and_resume(self):
        batch_id = self.waiting("a")
        for _ in range(2):
            self.assertEqual(self.accepted(batch_id, "pause")["status"], "paused")
        self.assertEqual(self.batch(batch_id)["status"], "paused")
        for _ in range(2):
            self.assertEqual(self.accepted(batch_id, "resume")["status"], "processing")
        self.assertEqual(self.batch(batch_id)["status"], "processing")
        self.accepted(batch_id, "cancel")

    def test_what_is_settled_cannot_be_paused_resumed_or_cancelled(self):
        batch_id = self.published(story())
        for command in ("cancel", "pause", "resume"):
            self.impossible(batch_id, command, "completed")

    def test_retry_failed(self):
        batch_id = self.published(story(BROKEN, "a", BROKEN, f"{BROKEN}-too"))
        self.assertEqual(self.batch(batch_id)["failed"], 3)
        self.accepted(batch_id, "retry-failed", {"clips": [1, 3]})
        tried = lambda *counts: [clip["attempts"] for clip in self.batch(batch_id)["clips"]] == list(counts)
        settled = lambda: self.batch(batch_id)["status"] == "completed"
        eventually(lambda: tried(2, 1, 2, 1) and settled(), "the two that were named are tried again")
        self.accepted(batch_id, "retry-failed")
        eventually(lambda: tried(3, 1, 3, 2) and settled(), "all that failed are tried again")
        for clips, field in (([9], "clips[0]"), ([1, 0], "clips[1]"), ([], "clips"), ("all", "clips")):
            self.assertProblem(self.command(batch_id, "retry-failed", {"clips": clips}), 400, field=field)

    def test_where_nothing_failed_there_is_nothing_to_retry(self):
        batch_id = self.published(story())
        self.assertEqual(self.accepted(batch_id, "retry-failed")["clips"], [])
        self.impossible(batch_id, "retry-failed", "published", {"clips": [1]})
        self.assertEqual(self.batch(batch_id)["status"], "completed")

    def held(self):
        batch_id = self.publish(story(LOST, "a"))["batchId"]
        eventually(lambda: self.batch(batch_id)["status"] == "paused", "the batch waits for a person")
        clip = self.batch(batch_id)["clips"][0]
        self.assertEqual(clip["status"], "held", clip)
        return batch_id

    def test_resolving(self):
        resolve = "clips/1/resolve"
        for body, ends in (({"action": "drop"}, "cancelled"), ({"action": "retry"}, None), ({"action": "adopt", "postId": "1"}, None)):
            with self.subTest(body):
                batch_id = self.held()
                answer = self.command(batch_id, resolve, body)
                self.assertEqual(answer.status, 200, answer)
                self.assertHas(answer.json, "success", "batchId", "action", "status", "timestamp")
                if ends:
                    eventually(lambda: self.batch(batch_id)["status"] == "completed", "resolving the last one settles the batch")
                else:
                    self.acme.post(f"/api/metricool/batch/{batch_id}/cancel")

    def test_what_cannot_be_resolved(self):
        batch_id = self.published(story())
        self.assertProblem(self.command(batch_id, "clips/1/resolve", {"action": "retry"}), 409)
        self.assertProblem(self.command(batch_id, "clips/2/resolve", {"action": "retry"}), 404)
        for body, field in (({"action": "wrong"}, "action"), ({"action": "adopt"}, "postId"), ({}, "action")):
            self.assertProblem(self.command(batch_id, "clips/1/resolve", body), 400, field=field)
        self.assertIn(self.command(batch_id, "clips/x/resolve", {"action": "retry"}).status, (400, 404))

    def test_a_batch_that_does_not_exist(self):
        for command in ("cancel", "pause", "resume", "retry-failed"):
            self.assertProblem(self.command("batch_1_none", command), 404, "BATCH_NOT_FOUND")
        self.assertProblem(self.command("batch_1_none", "clips/1/resolve", {"action": "retry"}), 404, "BATCH_NOT_FOUND")
