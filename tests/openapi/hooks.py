"""What JSON Schema cannot say about requests, for Schemathesis: values of the formats that the document names, and what
must fit together. Only requests that are meant to be right are touched."""

import itertools
import pathlib
import sys
from datetime import datetime, timedelta, timezone

import schemathesis
from hypothesis import strategies as st

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from stage import BRAND, CLIPS, Stage  # noqa: E402


def of(name, *values):
    schemathesis.openapi.format(name, st.sampled_from(values))


# Names that nobody has: nothing is sent to anybody.
HOSTS = ("cdn.example", "media.example:8443")
of("uri", *(f"{scheme}://{host}/{path}" for scheme in ("https", "HTTP") for host in HOSTS for path in ("a.mp4", "b.mp4?b=@c#d")))
of("push-endpoint", "https://push.example/send/1", "https://push.example/send/2")
of("p256dh", "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4")
of("push-auth", "BTBZMqHH6r4Tts7J_aSIgg")
of("time-zone", "Europe/Madrid", "America/New_York", "Asia/Kolkata", "UTC")
of("cursor", "")

# In the future and within ten years, for whoever schedules.
NOW = datetime.now(timezone.utc).replace(microsecond=0)
of("date-time", *((NOW + timedelta(days=days, minutes=7)).isoformat() for days in (1, 40, 400, 3000)))


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.meta is not None and case.meta.generation.mode.is_negative:
        return
    if isinstance(case.body, dict):
        unique_ids(case.body)
        one_account(case.body)
    query = case.query or {}
    # A span has its end after its beginning.
    if "from" in query and "to" in query:
        del query["to"]
    # A live stream is about a batch or a user. A user's has no end, nor has that of a batch which waits for a person:
    # tests/it/http/stream.rs is about those.
    if case.path.endswith("/stream"):
        query.pop("userId", None)
        query["batchId"] = STAGE.failed_batch()
        case.query = query
    if case.path.endswith("/retry-failed"):
        what_failed(case)
    if case.path.endswith("/resolve"):
        what_is_held(case)
    if case.path.endswith("/replay"):
        case.path_parameters["id"] = STAGE.delivery()


STAGE, POSTS = Stage(), itertools.count(1)


def what_failed(case):
    """Clips that there are and that failed."""
    case.path_parameters["batchId"] = STAGE.failed_batch()
    if isinstance(case.body, dict) and case.body.get("clips"):
        case.body["clips"] = [(clip - 1) % CLIPS + 1 for clip in case.body["clips"]]


def what_is_held(case):
    """A clip that is held, in the attempt that is."""
    batch_id, clip = STAGE.held_clip()
    case.path_parameters |= {"batchId": batch_id, "index": clip["index"]}
    if isinstance(case.body, dict):
        if "attempt" in case.body:
            case.body["attempt"] = clip["attempts"]
        # A post belongs to one clip.
        if case.body.get("postId") is not None:
            case.body["postId"] = f"post-{next(POSTS)}"


def one_account(body):
    """The brand that the tenant may use, by whichever name."""
    settings = body.get("settings")
    if not isinstance(settings, dict):
        return
    for name in ("accountId", "metricoolAccountId"):
        if settings.get(name) is not None:
            settings[name] = BRAND


def unique_ids(body):
    """Ids of clips are unique in a batch."""
    posts = body.get("posts")
    seen = set()
    for post in posts if isinstance(posts, list) else []:
        if isinstance(post, dict) and isinstance(post.get("id"), str):
            if post["id"] in seen:
                del post["id"]
            else:
                seen.add(post["id"])
