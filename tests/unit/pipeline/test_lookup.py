"""Feeds kept fresh and facts asked once."""

import asyncio
import random
from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from connector.domain.exchange import HttpRequest, HttpResponse
from connector.errors import FeedFailed, NotSent
from connector.pipeline.lookup import Feeds, Lookups
from connector.sinks.contract import Need, Renewal, Save
from tests.doubles import clock
from tests.doubles.http import Answer, ScriptedHttp, Sent

NEED = Need("profile", "u")


class Bucketing(Struct, frozen=True):
    name: str = "file"

    def request(self, last: Renewal | None, now_ms: int, nonce: bytes) -> HttpRequest:
        return HttpRequest("GET", "https://vendor.example/file", {"stamp": last.stamp if last else ""})

    def read(self, reply: HttpResponse, last: Renewal | None, now_ms: int) -> Renewal:
        if reply.status == 304 and last is not None:
            return last
        if reply.status != 200:
            raise FeedFailed("status")
        return Renewal(reply.body, 60.0, reply.body.decode())


class Profile(Struct, frozen=True):
    on_failure: Literal["wait", "absent"] = "wait"
    asks: bool = True
    name: str = "profile"
    quota: str = "default"
    ttl_s: float = 60.0

    def request(self, need: Need, now_ms: int) -> HttpRequest | None:
        return HttpRequest("GET", f"https://vendor.example/{need.key}") if self.asks else None

    def read(self, need: Need, reply: HttpResponse) -> object:
        if reply.status != 200:
            raise FeedFailed("status")
        return reply.body


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


def test_renewals_asked_for_at_the_same_time_share_one_request() -> None:
    async def main() -> tuple[list[bool], int]:
        http = ScriptedHttp(lambda sent: Answer(body=b"t"))
        feeds = Feeds([Bucketing()], http, clock.LoopClock(), random.Random(1))
        done = await asyncio.gather(*(feeds.renew("file") for _ in range(16)))
        return list(done), len(http.sent)

    assert clock.run(main()) == ([True] * 16, 1)


def look_up(
    lookup: Profile, script: Callable[[Sent], Answer], at_s: tuple[float, ...], save: Save | None = None
) -> tuple[list[object], int]:
    """Ask for one fact at several times; return the facts and the number of requests."""

    async def main() -> tuple[list[object], int]:
        http = ScriptedHttp(script)
        lookups = Lookups([lookup], http, clock.LoopClock(), random.Random(1))
        facts: list[object] = []
        if save is not None:
            lookups.save([save])
        for moment_s in at_s:
            await asyncio.sleep(max(0.0, moment_s - asyncio.get_running_loop().time()))
            facts.append((await lookups.facts([NEED]))[NEED])
        return facts, len(http.sent)

    return clock.run(main())


def test_a_fact_is_asked_for_once_within_its_time() -> None:
    facts, requests = look_up(Profile(), lambda sent: Answer(body=b"%d" % int(sent.at_s)), (0.0, 30.0, 59.0, 61.0))
    assert (facts, requests) == ([b"0", b"0", b"0", b"61"], 2)


def test_a_fact_that_may_be_absent_is_none_where_it_cannot_be_had() -> None:
    assert look_up(Profile("absent"), lambda sent: Answer(500), (0.0,))[0] == [None]


def test_a_fact_that_is_needed_is_waited_for() -> None:
    facts, requests = look_up(Profile(), lambda sent: Answer(500 if sent.at_s < 60 else 200, b"f"), (0.0,))
    assert facts == [b"f"]
    assert requests > 3


def test_a_saved_value_answers_without_a_request() -> None:
    found = look_up(Profile(asks=False), lambda sent: Answer(), (0.0, 61.0), Save("profile", "u", b"saved"))
    assert found == ([b"saved", None], 0)
