"""Facts asked once, paced, and kept in stores that may be down."""

import asyncio
import gc
import random
import weakref
from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from connector.domain.exchange import HttpRequest, HttpResponse
from connector.errors import FeedFailed
from connector.pipeline.lookup import Lookups
from connector.sinks.contract import Need, Save, StoredLookup
from tests.doubles import clock
from tests.doubles.http import Answer, ScriptedHttp, Sent
from tests.doubles.store import ShakyStore

NEED = Need("profile", "u")


class Profile(Struct, frozen=True):
    on_failure: Literal["wait", "absent"] = "wait"
    asks: bool = True
    name: str = "profile"
    ttl_s: float = 60.0
    rate_per_s: float | None = None

    def request(self, need: Need, now_ms: int) -> HttpRequest | None:
        return HttpRequest("GET", f"https://vendor.example/{need.key}") if self.asks else None

    def read(self, need: Need, reply: HttpResponse) -> object:
        if reply.status != 200:
            raise FeedFailed("status")
        return reply.body


def look_up(
    lookup: Profile, script: Callable[[Sent], Answer], at_s: tuple[float, ...], save: Save | None = None
) -> tuple[list[object], int]:
    """Ask for one fact at several times; return the facts and the number of requests."""

    async def main() -> tuple[list[object], int]:
        http = ScriptedHttp(script)
        lookups = Lookups([lookup], http, clock.LoopClock(), random.Random(1))
        facts: list[object] = []
        if save is not None:
            await lookups.save([save])
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


def test_questions_keep_to_the_rate_of_their_lookup() -> None:
    async def main() -> list[float]:
        http = ScriptedHttp(lambda sent: Answer(body=b"f"))
        lookups = Lookups([Profile(rate_per_s=10.0)], http, clock.LoopClock(), random.Random(1))
        needs = [Need("profile", str(number)) for number in range(6)]
        await asyncio.gather(*(lookups.facts([need]) for need in needs))
        return [round(one.at_s, 3) for one in http.sent]

    assert clock.run(main()) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]


def with_store(store: ShakyStore, on_failure: Literal["wait", "absent"], saves: list[Save]) -> tuple[object, int, str]:
    """Save, then look up; return the fact, how often a record went without, and what is said to fail."""

    async def main() -> tuple[object, int, str]:
        failed: list[None] = []
        kept = StoredLookup("profile", "memory:", on_failure)
        http = ScriptedHttp(lambda sent: Answer())
        lookups = Lookups(
            [kept], http, clock.LoopClock(), random.Random(1), lambda lookup: store, lambda: failed.append(None)
        )
        await lookups.save(saves)
        fact = (await lookups.facts([NEED]))[NEED]
        said = lookups.failing.get("profile", "")
        await lookups.close()
        return fact, len(failed), said

    return clock.run(main())


def test_a_store_answers_with_what_was_saved_until_it_is_forgotten() -> None:
    store = ShakyStore()
    assert with_store(store, "wait", [Save("profile", "u", b"v")]) == (b"v", 0, "")
    assert with_store(store, "wait", [])[0] == b"v"
    assert with_store(store, "wait", [Save("profile", "u", None)])[0] is None
    assert store.closed


def test_a_store_that_must_answer_is_waited_for() -> None:
    store = ShakyStore(down_for=3)
    assert with_store(store, "wait", [Save("profile", "u", b"v")]) == (b"v", 0, "")
    assert store.asked == 5


def test_records_go_on_without_a_store_that_may_be_absent_and_are_counted() -> None:
    store = ShakyStore(down_for=99)
    assert with_store(store, "absent", [Save("profile", "u", b"v")]) == (None, 2, "timeout")
    assert store.asked == 1, "a store that is down is left alone for a while"


def test_forgetting_is_waited_for_even_where_records_go_on_without_the_store() -> None:
    store = ShakyStore(down_for=3)
    store.values["u"] = b"v"
    with_store(store, "absent", [Save("profile", "u", None)])
    assert store.values == {}


def test_a_waiting_question_goes_on_with_what_was_made_anew() -> None:
    class Later(Profile):
        def request(self, need: Need, now_ms: int) -> HttpRequest | None:
            return HttpRequest("GET", "https://vendor.example/mended")

    async def main() -> object:
        http = ScriptedHttp(lambda sent: Answer(200 if sent.to == "mended" else 403, b"f"))
        lookups = Lookups([Profile()], http, clock.LoopClock(), random.Random(1))
        waiting = asyncio.ensure_future(lookups.facts([NEED]))
        await asyncio.sleep(60.0)
        lookups.adopt([Later()])
        return (await waiting)[NEED]

    assert clock.run(main()) == b"f"


def test_a_reply_that_a_lookup_cannot_read_is_as_good_as_none() -> None:
    class Fragile(Profile):
        def read(self, need: Need, reply: HttpResponse) -> object:
            return reply.body.decode()

    script = lambda sent: Answer(200, b"\xff" if sent.at_s < 60 else b"f")  # noqa: E731
    assert look_up(Fragile(), script, (0.0,))[0] == ["f"]


def test_the_address_of_a_store_is_shown_by_nothing() -> None:
    assert "hunter2" not in repr(StoredLookup("profile", "redis://:hunter2@cache", "wait"))


def test_a_fact_whose_time_is_over_is_forgotten_by_what_comes_after() -> None:
    class Value:
        """Something that can be told to be gone."""

    async def main() -> list[bool]:
        lookups = Lookups(
            [Profile(asks=False)], ScriptedHttp(lambda sent: Answer()), clock.LoopClock(), random.Random(1)
        )
        values = [Value() for _ in range(4)]
        gone = [weakref.ref(value) for value in values]
        for number, value in enumerate(values):
            await lookups.save([Save("profile", str(number), value)])  # type: ignore[arg-type]
        del values, value
        await asyncio.sleep(61.0)
        for number in range(4, 6):
            await lookups.save([Save("profile", str(number), b"new")])
        gc.collect()
        return [one() is None for one in gone]

    assert clock.run(main()) == [True] * 4
