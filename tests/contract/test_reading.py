"""Reading: status, batches, history, brands, the ledger, and what lists and conditional requests are like."""

import re

from case import Case, new_user, story
from client import INSTANT
from services import BROKEN, STUCK

CLIP = ("index", "id", "url", "title", "status", "metricoolPostId", "facebookPostId", "permalink", "error", "errorCode", "attempts",
        "scheduledAt", "nextAttemptAt", "uploadedAt", "publishedAt")
BATCH = ("batchId", "jobId", "userId", "accountId", "network", "status", "publishMode", "total", "published", "failed", "cancelled",
         "currentIndex", "progress", "scheduledFor", "createdAt", "startedAt", "completedAt", "error", "clips")


class Status(Case):
    def status(self, batch_id):
        answer = self.acme.get("/api/metricool/status", batchId=batch_id)
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def test_of_a_batch_at_work(self):
        batch_id = self.publish(story("a", STUCK, "b"))["batchId"]
        self.until(batch_id, lambda message: message.get("currentStory") == "clip_2" and message["status"] == "waiting")
        status = self.status(batch_id)
        self.assertHas(status, "batchId", "tenant", "status", "progress", "createdAt", "startedAt", "completedAt", "updatedAt",
                       "posts", "currentStory", "currentStatus", "waitProgress", "clips", "error")
        self.assertEqual((status["batchId"], status["tenant"], status["status"]), (batch_id, "acme", "processing"))
        self.assertEqual(status["posts"], {"total": 3, "published": 1, "failed": 0, "cancelled": 0, "pending": 2})
        self.assertEqual((status["progress"], status["currentStory"], status["currentStatus"]), (33, "clip_2", "waiting"))
        self.assertHas(status["waitProgress"], "elapsed", "total", "attempt", "currentStatus")
        self.assertIsInstance(status["waitProgress"]["elapsed"], int)
        self.assertEqual(status["waitProgress"]["total"], 90, "the speed is fast")
        self.assertRegex(status["startedAt"], INSTANT)
        self.assertIsNone(status["completedAt"])
        for clip in status["clips"]:
            self.assertHas(clip, *CLIP)
        self.acme.post(f"/api/metricool/batch/{batch_id}/cancel")

    def test_of_a_finished_batch(self):
        status = self.status(self.published(story("a", BROKEN)))
        self.assertEqual(status["posts"], {"total": 2, "published": 1, "failed": 1, "cancelled": 0, "pending": 0})
        self.assertEqual((status["status"], status["progress"]), ("completed", 100))
        self.assertRegex(status["completedAt"], INSTANT)
        self.assertIn(status["currentStatus"], ("idle", "published", "failed"))


class Batches(Case):
    def test_a_batch(self):
        user = new_user()
        batch_id = self.published(story("a", BROKEN, user=user))
        answer = self.acme.get(f"/api/metricool/batch/{batch_id}")
        self.assertEqual(answer.status, 200)
        self.assertIs(answer.json["success"], True)
        batch = answer.json["batch"]
        self.assertHas(batch, *BATCH)
        wanted = {"batchId": batch_id, "jobId": "job_123", "userId": user, "accountId": "5372118", "network": "facebook",
                  "status": "completed", "publishMode": "now", "total": 2, "published": 1, "failed": 1, "cancelled": 0,
                  "currentIndex": 2, "progress": 100}
        self.assertEqual(batch, batch | wanted)
        good, bad = batch["clips"]
        for clip in (good, bad):
            self.assertHas(clip, *CLIP)
        self.assertEqual((good["index"], good["id"], good["status"], good["attempts"]), (1, "clip_1", "published", 1))
        for name in ("metricoolPostId", "facebookPostId", "permalink"):
            self.assertIsInstance(good[name], str, name)
        for name in ("scheduledAt", "uploadedAt", "publishedAt"):
            self.assertRegex(good[name], INSTANT, name)
        self.assertIsNone(good["error"])
        self.assertEqual((bad["index"], bad["status"], bad["publishedAt"]), (2, "failed", None))
        self.assertTrue(bad["error"] and re.fullmatch("[A-Z_]+", bad["errorCode"]), bad)

    def test_the_networks_own_id_has_one_name(self):
        batch = self.batch(self.published(story(network="instagram")))
        self.assertEqual(batch["network"], "instagram")
        self.assertIsInstance(batch["clips"][0]["facebookPostId"], str)

    def test_active_ones(self):
        user = new_user()
        self.published(story("done", user=user))
        batch_id = self.publish(story(STUCK, user=user))["batchId"]
        answers = [self.acme.get(path, userId=user) for path in
                   ("/api/metricool/batches/active", "/api/metricool/batch/user-active")]
        for answer in answers:
            self.assertEqual(answer.status, 200, answer)
            self.assertIs(answer.json["success"], True)
            self.assertEqual(answer.json["count"], 1)
            [batch] = answer.json["batches"]
            self.assertHas(batch, *BATCH)
            self.assertEqual(batch["batchId"], batch_id)
        self.assertEqual(self.acme.post(f"/api/metricool/batch/{batch_id}/pause").status, 200)
        [batch] = self.acme.get("/api/metricool/batches/active", userId=user).json["batches"]
        self.assertEqual(batch["status"], "paused")
        self.acme.post(f"/api/metricool/batch/{batch_id}/cancel")
        self.assertEqual(self.acme.get("/api/metricool/batches/active", userId=user).json["count"], 0)

    def test_an_admin_sees_the_tenant(self):
        users = [new_user(), new_user()]
        batches = {self.publish(story(STUCK, user=user))["batchId"] for user in users}
        seen = {batch["batchId"] for batch in self.admin.get("/api/metricool/batches/active", limit=200).json["batches"]}
        self.assertLessEqual(batches, seen)
        self.assertEqual(self.other.get("/api/metricool/batches/active").json["count"], 0)
        for batch_id in batches:
            self.acme.post(f"/api/metricool/batch/{batch_id}/cancel")
        self.assertEqual(self.admin.get("/api/metricool/history").status, 200)

    def test_reconcile(self):
        batch_id = self.published(story("a", BROKEN))
        answer = self.acme.get(f"/api/metricool/reconcile/{batch_id}")
        self.assertEqual(answer.status, 200, answer)
        self.assertHas(answer.json, "batchId", "status", "posts", "reconciled", "reconciledAt")
        self.assertEqual(answer.json["posts"], answer.json["posts"] | {"total": 2, "published": 1, "failed": 1, "pending": 0})
        self.assertIs(answer.json["reconciled"], True)
        self.assertRegex(answer.json["reconciledAt"], INSTANT)

    def test_the_ledger(self):
        batch_id = self.published(story("a", BROKEN))
        answer = self.acme.get(f"/api/metricool/batch/{batch_id}/attempts")
        self.assertEqual(answer.status, 200, answer)
        self.assertIsNone(answer.json["nextCursor"])
        attempts = answer.json["attempts"]
        self.assertEqual(len(attempts), 2)

    def test_an_unchanged_batch_is_not_sent_again(self):
        batch_id = self.published(story())
        for path in (f"/api/metricool/batch/{batch_id}", f"/api/metricool/status?batchId={batch_id}"):
            first = self.acme.get(path)
            tag = first.headers["ETag"]
            self.assertTrue(tag, path)
            again = self.acme.get(path, {"If-None-Match": tag})
            self.assertEqual((again.status, again.body, again.headers["ETag"]), (304, b"", tag))
            self.assertEqual(self.acme.get(path, {"If-None-Match": '"another"'}).status, 200)


class Lists(Case):
    def test_history(self):
        user = new_user()
        batches = [self.published(story("a", BROKEN, user=user)) for _ in range(3)]
        answer = self.acme.get("/api/metricool/history", userId=user)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual([batch["batchId"] for batch in answer.json["batches"]], batches[::-1], "newest first")
        self.assertIsNone(answer.json["nextCursor"])
        newest = answer.json["batches"][0]
        self.assertEqual((newest["total"], newest["published"], newest["failed"]), (2, 1, 1))
        self.assertTrue([name for name in newest if "duration" in name.lower()], newest)

    def test_filters(self):
        user = new_user()
        done = self.published(story(user=user))
        cancelled = self.publish(story(STUCK, user=user))["batchId"]
        self.acme.post(f"/api/metricool/batch/{cancelled}/cancel")
        ids = lambda **query: [one["batchId"] for one in self.acme.get("/api/metricool/history", userId=user, **query).json["batches"]]
        self.assertEqual(ids(status="completed"), [done])
        self.assertEqual(ids(status="cancelled"), [cancelled])
        self.assertEqual(ids(from_="2099-01-01T00:00:00Z"), [])
        self.assertEqual(ids(to="2000-01-01T00:00:00Z"), [])
        self.assertEqual(ids(from_="2000-01-01T00:00:00Z", to="2099-01-01T00:00:00Z"), [cancelled, done])
        for query in ({"status": "wrong"}, {"from_": "yesterday"}, {"to": "13"}):
            self.assertProblem(self.acme.get("/api/metricool/history", userId=user, **query), 400)

    def pages(self, path, key, **query):
        """All that a list has, two at a time."""
        seen, cursor = [], None
        while True:
            answer = self.acme.get(path, limit=2, cursor=cursor, **query)
            self.assertEqual(answer.status, 200, answer)
            self.assertLessEqual(len(answer.json[key]), 2)
            seen += answer.json[key]
            if (cursor := answer.json["nextCursor"]) is None:
                return seen

    def test_pages(self):
        user = new_user()
        past = [self.published(story(user=user)) for _ in range(5)]
        told = self.pages("/api/metricool/history", "batches", userId=user)
        self.assertEqual([batch["batchId"] for batch in told], past[::-1])
        active = [self.publish(story(STUCK, user=user))["batchId"] for _ in range(4)]
        told = self.pages("/api/metricool/batches/active", "batches", userId=user)
        self.assertEqual([batch["batchId"] for batch in told], active[::-1])
        for batch_id in active:
            self.acme.post(f"/api/metricool/batch/{batch_id}/cancel")
        told = self.pages(f"/api/metricool/batch/{self.published(story(*'abcde'))}/attempts", "attempts")
        self.assertEqual(len(told), 5)

    def test_limits(self):
        batch_id = self.published(story("a", "b"))
        for path in ("/api/metricool/history?userId=u", "/api/metricool/batches/active?userId=u",
                     f"/api/metricool/batch/{batch_id}/attempts?a=b"):
            for limit in ("0", "201", "-1", "x"):
                self.assertProblem(self.acme.get(f"{path}&limit={limit}"), 400, field="limit")
            for limit in ("1", "200"):
                self.assertEqual(self.acme.get(f"{path}&limit={limit}").status, 200)
            self.assertProblem(self.acme.get(f"{path}&cursor=nonsense"), 400, field="cursor")
        page = self.acme.get(f"/api/metricool/batch/{batch_id}/attempts", limit=1).json
        self.assertEqual((len(page["attempts"]), page["nextCursor"] is None), (1, False))

    def test_brands(self):
        answer = self.acme.get("/api/metricool/brands")
        self.assertEqual(answer.status, 200, answer)
        self.assertIs(answer.json["success"], True)
        [brand] = answer.json["brands"]
        self.assertHas(brand, "id", "userId", "label", "facebook", "facebookPageId", "instagram", "tiktok", "youtube", "picture",
                       "hasInstagram", "hasFacebook", "hasTikTok")
        self.assertEqual(str(brand["id"]), "5372118", "only the tenant's own")
        for name in ("hasInstagram", "hasFacebook", "hasTikTok"):
            self.assertIsInstance(brand[name], bool)
