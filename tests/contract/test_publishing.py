"""Publishing: what a request may say, and what is answered."""

from datetime import datetime, timedelta, timezone

import case
from case import ACCOUNT, PUBLISH, Case, new_user, story
from client import INSTANT


def in_(**span):
    return (datetime.now(timezone.utc) + timedelta(**span)).isoformat(timespec="seconds")


class Answers(Case):
    def test_the_answer_has_what_is_promised(self):
        answer = self.publish(story("a", "b", user="u1"))
        self.assertHas(answer, "batchId", "tenant", "status", "posts", "schedule", "settings", "createdAt")
        self.assertRegex(answer["batchId"], r"^batch_\d{13}_[a-z0-9]{9}$")
        self.assertEqual((answer["tenant"], answer["status"]), ("acme", "processing"))
        self.assertEqual(answer["posts"], {"total": 2, "queued": 2})
        self.assertRegex(answer["createdAt"], INSTANT)

    def test_schedule_and_every_setting_but_the_account_have_defaults(self):
        answer = self.publish(story())
        self.assertEqual(answer["schedule"]["mode"], "now")
        settings = answer["settings"]
        self.assertHas(settings, "accountId", "publishSpeed", "network", "onFailure", "maxRetries", "webhookUrl")
        self.assertEqual(settings["accountId"], ACCOUNT)
        self.assertEqual([settings[name] for name in ("publishSpeed", "network", "onFailure", "maxRetries", "webhookUrl")],
                         ["fast", "facebook", "skip", 2, None])

    def test_every_word_is_taken(self):
        for name, words in {"publishSpeed": ("safe", "fast", "ultra", "hyper"), "network": ("facebook", "instagram"),
                            "onFailure": ("skip", "stop", "hold")}.items():
            for word in words:
                self.assertEqual(self.publish(story(**{name: word}))["settings"][name], word)
            self.assertProblem(self.acme.post(PUBLISH, story(**{name: "wrong"})), 400, field=f"settings.{name}")

    def test_the_account_has_two_names(self):
        body = story()
        body["settings"] = {"metricoolAccountId": ACCOUNT}
        self.assertEqual(self.publish(body)["settings"]["accountId"], ACCOUNT)

    def test_another_tenants_account_is_unknown(self):
        self.assertProblem(self.acme.post(PUBLISH, story(account="5372119")), 404)

    def test_ids_have_a_default_and_titles_are_kept(self):
        body = story("a", "b")
        body["posts"] = [{"url": "https://cdn.example/a.mp4", "title": "First"}, {"url": "https://cdn.example/b.mp4"}]
        clips = self.batch(self.publish(body)["batchId"])["clips"]
        self.assertEqual([(clip["index"], clip["id"], clip["title"]) for clip in clips],
                         [(1, "clip_1", "First"), (2, "clip_2", clips[1]["title"])])

    def test_the_text_of_a_story_is_named_in_warnings(self):
        body = story("with-text")
        body["posts"][0]["text"] = "Hello"
        answer = self.publish(body)
        self.assertTrue(any("text" in str(warning) for warning in answer["warnings"]), answer)
        self.follow(answer["batchId"])
        sent = [post for post in case.services.at_sandbox("GET", "posts")["posts"] if "with-text" in str(post)]
        self.assertTrue(sent)
        self.assertNotIn("Hello", str(sent))
        body["posts"][0]["text"] = ""
        self.assertFalse(self.publish(body).get("warnings"), "an empty text is none")


class Refusals(Case):
    def refused(self, body, field, status=400):
        before = self.count(body["userId"])
        self.assertProblem(self.acme.post(PUBLISH, body), status, field=field)
        self.assertEqual(self.count(body["userId"]), before, "half-written")

    def count(self, user):
        return self.acme.get("/api/metricool/batches/active", userId=user).json["count"]

    def test_urls(self):
        long = "https://cdn.example/" + "a" * 2048
        for url in ("", "clip.mp4", "/clip.mp4", "ftp://cdn.example/a.mp4", "https://", "https://me:pw@cdn.example/a.mp4",
                    "https://me@cdn.example/a.mp4", long, long[:2049], None, 7, {}, "file:///etc/passwd"):
            body = story()
            body["posts"][0]["url"] = url
            self.refused(body, "posts[0].url")
        body = story()
        body["posts"][0]["url"] = long[:2048]
        self.publish(body)

    def test_the_number_of_posts(self):
        self.refused(story(*"a" * 101), "posts")
        self.assertEqual(self.publish(story(*"a" * 100))["posts"]["total"], 100)

    def test_ids_are_unique(self):
        body = story("a", "b")
        body["posts"][1]["id"] = body["posts"][0]["id"]
        self.refused(body, "posts[1].id")

    def test_types(self):
        for name, value in {"userId": 7, "jobId": [], "posts": {}, "schedule": "now", "settings": []}.items():
            answer = self.acme.post(PUBLISH, story() | {name: value})
            self.assertProblem(answer, 400)
        for name, value in {"maxRetries": -1, "webhookUrl": "nowhere", "network": 1}.items():
            self.refused(story(**{name: value}), f"settings.{name}")

    def test_schedules(self):
        madrid, new_york = "Europe/Madrid", "America/New_York"
        year = datetime.now().year + 1
        gap = next(day for day in range(31, 24, -1) if datetime(year, 3, day).weekday() == 6)
        for schedule, field in (
            ({"mode": "later"}, "schedule.mode"),
            ({"mode": "scheduled"}, "schedule.scheduledAt"),
            ({"mode": "scheduled", "scheduledAt": in_(days=-1)}, "schedule.scheduledAt"),
            ({"mode": "scheduled", "scheduledAt": "tomorrow"}, "schedule.scheduledAt"),
            ({"mode": "scheduled", "scheduledAt": f"{year}-06-01T10:00:00"}, "schedule.timezone"),
            ({"mode": "scheduled", "scheduledAt": f"{year}-06-01T10:00:00", "timezone": "Europe/Nowhere"}, "schedule.timezone"),
            ({"mode": "scheduled", "scheduledAt": f"{year}-03-{gap}T02:30:00", "timezone": madrid}, "schedule.scheduledAt"),
            ({"mode": "scheduled", "scheduledAt": f"{year}-02-30T10:00:00Z"}, "schedule.scheduledAt"),
        ):
            with self.subTest(schedule):
                self.refused(story() | {"schedule": schedule}, field)
        answer = self.acme.post(PUBLISH, story() | {
            "schedule": {"mode": "scheduled", "scheduledAt": f"{year}-03-{gap}T02:30:00", "timezone": madrid}})
        self.assertRegex(str(answer.json["errors"]), "03:00", "the next valid instant is named")


class Schedules(Case):
    def schedule(self, **schedule):
        body = story("a", "b") | {"schedule": schedule}
        answer = self.publish(body)
        self.addCleanup(self.acme.post, f"/api/metricool/batch/{answer['batchId']}/cancel")
        return answer

    def test_with_an_offset(self):
        at = "2036-12-01T18:00:00+01:00"
        answer = self.schedule(mode="scheduled", scheduledAt=at)
        self.assertEqual(answer["status"], "scheduled")
        self.assertEqual(self.batch(answer["batchId"])["scheduledFor"], "2036-12-01T17:00:00.000Z")

    def test_local_time_with_a_zone(self):
        answer = self.schedule(mode="scheduled", scheduledAt="2036-07-01T18:00:00", timezone="Europe/Madrid")
        batch = self.batch(answer["batchId"])
        self.assertEqual((batch["publishMode"], batch["scheduledFor"]), ("scheduled", "2036-07-01T16:00:00.000Z"))
        active = self.acme.get("/api/metricool/batches/active", userId=batch["userId"]).json
        self.assertEqual([one["status"] for one in active["batches"]], ["scheduled"])

    def test_the_best_time(self):
        answer = self.schedule(mode="bestTime", timezone="Europe/Madrid")
        self.assertEqual(answer["status"], "scheduled")
        self.assertEqual(len(answer["plan"]), 2)


class DryRun(Case):
    def test_it_tells_the_plan_and_creates_nothing(self):
        user = new_user()
        answer = self.acme.post(PUBLISH, story("dry", "dry", user=user), dryRun="true")
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(len(answer.json["plan"]), 2)
        active = self.acme.get("/api/metricool/batches/active", userId=user).json
        self.assertEqual(active, {"success": True, "batches": [], "count": 0} | active)
        self.assertEqual(active["count"], 0)
        self.assertEqual(self.acme.get("/api/metricool/history", userId=user).json["batches"], [])
        self.assertNotIn("dry", str(case.services.at_sandbox("GET", "posts")))

    def test_it_refuses_what_publishing_refuses(self):
        self.assertProblem(self.acme.post(PUBLISH, story() | {"posts": []}, dryRun="true"), 400, "MISSING_POSTS")
        self.assertProblem(self.acme.post(PUBLISH, story(account="5372119"), dryRun="true"), 404)
        self.assertProblem(self.acme.post(PUBLISH, story(), dryRun="perhaps"), 400)


class Idempotency(Case):
    def test_the_same_request_gives_the_first_answer_again(self):
        body, key = story("once"), {"Idempotency-Key": "order-1"}
        first, second = (self.acme.post(PUBLISH, body, key) for _ in range(2))
        self.assertEqual((first.status, second.status), (202, 202))
        self.assertEqual(first.json, second.json)
        self.assertIsNone(first.headers["Idempotency-Replayed"])
        self.assertEqual(second.headers["Idempotency-Replayed"], "true")
        self.follow(first.json["batchId"])
        live = [post for post in case.services.at_sandbox("GET", "posts")["posts"] if "once" in str(post)]
        self.assertEqual(len(live), 1)

    def test_another_body_is_refused_and_another_tenants_key_is_another(self):
        key = {"Idempotency-Key": "order-2"}
        self.assertEqual(self.acme.post(PUBLISH, story("a"), key).status, 202)
        self.assertProblem(self.acme.post(PUBLISH, story("b"), key), 422)
        self.assertEqual(self.other.post(PUBLISH, story("c", account="5372119"), key).status, 202)

    def test_an_error_is_not_kept(self):
        key, body = {"Idempotency-Key": "order-3"}, story()
        self.assertProblem(self.acme.post(PUBLISH, body | {"posts": []}, key), 400)
        answer = self.acme.post(PUBLISH, body, key)
        self.assertEqual((answer.status, answer.headers["Idempotency-Replayed"]), (202, None))

    def test_other_posts_that_create_take_it(self):
        for path, body in (("/api/keys", {"scopes": ["read"]}), ("/api/webhooks", {"url": "https://hooks.example/a"})):
            key = {"Idempotency-Key": "created-1"}
            first, second = (self.admin.post(path, body, key) for _ in range(2))
            self.assertEqual((first.status, second.status), (201, 201))
            self.assertEqual(second.headers["Idempotency-Replayed"], "true")
            self.assertTrue(first.json["secret"])
            self.assertEqual(second.json, first.json | {"secret": None}, "no secret is kept to be shown again")
