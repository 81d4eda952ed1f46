"""Feeds kept fresh, in memory and on disk."""

import asyncio
import random
from collections.abc import Callable
from itertools import pairwise

from msgspec import Struct

from connector.domain.exchange import HttpRequest, HttpResponse
from connector.errors import FeedFailed, NotSent
from connector.pipeline.feed import Feeds
from connector.sinks.contract import Renewal
from tests.doubles import clock
from tests.doubles.http import Answer, ScriptedHttp, Sent


class Bucketing(Struct, frozen=True):
    name: str = "file"

    def request(self, last: Renewal | None, now_ms: int, nonce: bytes) -> HttpRequest:
        return HttpRequest("GET", "https://vendor.example/file", {"stamp": last.stamp if last else ""})

    def read(self, reply: HttpResponse, last: Renewal | None, now_ms: int) -> Renewal:
        if reply.status == 304 and last is not None:
            return last
        if reply.status != 200:
            raise FeedFailed("status", retry_after_s=29.0 if reply.status == 429 else None, stamp=reply.body.decode())
        return Renewal(reply.body, 60.0, reply.body.decode(), keep=True)


class DictShelf:
    """A disk in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def read(self, name: str) -> bytes | None:
        return self.kept.get(name)

    def write(self, name: str, content: bytes) -> None:
        self.kept[name] = content


def keep_fresh(script: Callable[[Sent], Answer], for_s: float) -> tuple[object, list[Sent]]:
    async def main() -> tuple[object, list[Sent]]:
        http = ScriptedHttp(script)
        feeds = Feeds([Bucketing()], http, clock.LoopClock(), random.Random(1))
        assert feeds.values == {"file": None}
        task = asyncio.ensure_future(feeds.run())
        await asyncio.sleep(for_s)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return feeds.values["file"], http.sent

    return clock.run(main())


def test_a_reply_that_a_feed_cannot_read_ends_no_flow() -> None:
    value, sent = keep_fresh(lambda sent: Answer(200, b"\xff" if sent.at_s < 10 else b"v1"), 120.0)
    assert value == b"v1"
    assert len(sent) > 2


def test_a_feed_is_renewed_as_often_as_it_asks_and_says_what_it_has() -> None:
    value, sent = keep_fresh(lambda sent: Answer(body=b"v1", delay_s=0.0) if sent.at_s < 1 else Answer(304), 150.0)
    assert value == b"v1"
    assert [one.headers["stamp"] for one in sent] == ["", "v1", "v1"]


def test_a_feed_stays_on_its_last_good_value() -> None:
    value, sent = keep_fresh(lambda sent: Answer(body=b"v1") if sent.at_s < 1 else Answer(500), 3600.0)
    assert value == b"v1"
    assert 3540 / 30 <= len(sent) <= 3540, "back-off up to 30 s, no storm"


def test_a_feed_that_cannot_be_reached_is_asked_again() -> None:
    value, _ = keep_fresh(lambda sent: Answer(error=NotSent("dns")) if sent.at_s < 100 else Answer(body=b"v2"), 200.0)
    assert value == b"v2"


def test_the_end_of_a_feed_ends_what_is_being_asked() -> None:
    """Simulation, seed 51."""

    async def main() -> set[object]:
        http = ScriptedHttp(lambda sent: Answer(delay_s=60.0))
        feeds = Feeds([Bucketing()], http, clock.LoopClock(), random.Random(1))
        running = asyncio.ensure_future(feeds.run())
        await asyncio.sleep(1.0)
        assert http.open == 1
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return set(asyncio.all_tasks()) - {asyncio.current_task()}

    assert clock.run(main()) == set()


def test_renewals_asked_for_at_the_same_time_share_one_request() -> None:
    async def main() -> tuple[list[bool], int]:
        http = ScriptedHttp(lambda sent: Answer(body=b"t"))
        feeds = Feeds([Bucketing()], http, clock.LoopClock(), random.Random(1))
        done = await asyncio.gather(*(feeds.renew("file") for _ in range(16)))
        return list(done), len(http.sent)

    assert clock.run(main()) == ([True] * 16, 1)


def restarted(shelf: DictShelf, script: Callable[[Sent], Answer]) -> tuple[object, list[Sent]]:
    """Renew once as a process that has just started."""

    async def main() -> tuple[object, list[Sent]]:
        http = ScriptedHttp(script)
        feeds = Feeds([Bucketing()], http, clock.LoopClock(), random.Random(1), shelf)
        await feeds.renew("file")
        return feeds.values["file"], http.sent

    return clock.run(main())


def test_a_value_kept_on_disk_stands_where_the_vendor_cannot_be_reached_at_the_start() -> None:
    shelf = DictShelf()
    assert restarted(shelf, lambda sent: Answer(body=b"v1"))[0] == b"v1"
    assert restarted(shelf, lambda sent: Answer(error=NotSent("dns")))[0] == b"v1"


def test_a_value_kept_on_disk_is_asked_for_by_its_own_stamp_and_stands_where_nothing_changed() -> None:
    shelf = DictShelf()
    restarted(shelf, lambda sent: Answer(body=b"v1"))
    value, sent = restarted(shelf, lambda sent: Answer(304))
    assert (value, [one.headers["stamp"] for one in sent]) == (b"v1", ["v1"])


def test_what_cannot_be_read_from_disk_is_as_good_as_nothing() -> None:
    shelf = DictShelf()
    shelf.kept["file"] = b"half a"
    value, sent = restarted(shelf, lambda sent: Answer(500))
    assert (value, [one.headers["stamp"] for one in sent]) == (None, [""])


def test_a_feed_says_why_it_fails_until_it_is_renewed() -> None:
    async def main() -> list[dict[str, str]]:
        answers = iter((Answer(500), Answer(body=b"v1")))
        feeds = Feeds([Bucketing()], ScriptedHttp(lambda sent: next(answers)), clock.LoopClock(), random.Random(1))
        said = []
        for _ in range(2):
            await feeds.renew("file")
            said.append(dict(feeds.failing))
        return said

    assert clock.run(main()) == [{"file": "status"}, {}]


def test_a_failed_feed_waits_as_long_as_it_was_asked_to() -> None:
    _, sent = keep_fresh(lambda sent: Answer(429, delay_s=0.0), 100.0)
    waits_s = [later.at_s - sooner.at_s for sooner, later in pairwise(sent)]
    assert len(waits_s) == 3
    assert all(29.0 <= wait_s <= 30.001 for wait_s in waits_s), "29 s were asked for"


def test_what_a_failed_reply_taught_reaches_the_next_request_and_the_value_stands() -> None:
    def script(sent: Sent) -> Answer:
        return Answer(body=b"v1") if sent.at_s < 1 else Answer(401, b"learnt")

    value, sent = keep_fresh(script, 65.0)
    assert value == b"v1"
    assert [one.headers["stamp"] for one in sent[:3]] == ["", "v1", "learnt"]


def test_credentials_are_read_anew_before_a_failed_feed_is_asked_again() -> None:
    async def main() -> tuple[int, int]:
        http = ScriptedHttp(lambda sent: Answer(401) if len(http.sent) <= 3 else Answer(body=b"v1"))
        read: list[float] = []
        now_s = asyncio.get_running_loop().time
        feeds = Feeds(
            [Bucketing()], http, clock.LoopClock(), random.Random(1), before_retry=lambda: read.append(now_s())
        )
        task = asyncio.ensure_future(feeds.run())
        await asyncio.sleep(50.0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return len(http.sent), len(read)

    assert clock.run(main()) == (4, 3)


def test_a_value_that_was_replaced_meanwhile_is_not_renewed_for_its_refusal() -> None:
    async def main() -> list[int]:
        http = ScriptedHttp(lambda sent: Answer(body=b"v%d" % len(http.sent)))
        feeds = Feeds([Bucketing()], http, clock.LoopClock(), random.Random(1))
        await feeds.renew("file")
        old, requests = feeds.values["file"], []
        assert await feeds.renew("file", old)
        requests.append(len(http.sent))
        assert await feeds.renew("file", old), "another lane was late with the same refusal"
        requests.append(len(http.sent))
        return requests

    assert clock.run(main()) == [2, 2]


def test_nobody_asks_before_the_time_that_was_told() -> None:
    async def main() -> list[tuple[bool, int]]:
        http = ScriptedHttp(lambda sent: Answer(429, delay_s=0.0) if sent.at_s < 1 else Answer(body=b"v1"))
        feeds = Feeds([Bucketing()], http, clock.LoopClock(), random.Random(1))
        seen = []
        for wait_s in (0.0, 28.0, 1.1):
            await asyncio.sleep(wait_s)
            seen.append((await feeds.renew("file"), len(http.sent)))
        return seen

    assert clock.run(main()) == [(False, 1), (False, 1), (True, 2)]
