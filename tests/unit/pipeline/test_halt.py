"""A feed that halts its sink: nothing leaves, whatever was translated before it said so."""

import asyncio
from collections.abc import Awaitable, Callable

from msgspec import Struct

from connector.domain.exchange import HttpRequest, HttpResponse
from connector.pipeline.health import CHECKS
from connector.pipeline.options import Options
from connector.sinks.contract import Halt, Renewal
from tests.doubles.http import Answer, Sent
from tests.unit.pipeline.making import P0, PlainSink
from tests.unit.pipeline.rig import Rig, play, records

PANIC_S, ENDS_S = 5.0, 60.0


class Switch(Struct, frozen=True):
    """Polled every second: whether nothing may be sent."""

    hold: bool
    name: str = "switch"

    def request(self, last: Renewal | None, now_ms: int, nonce: bytes) -> HttpRequest:
        return HttpRequest("GET", "https://vendor.example/switch")

    def read(self, reply: HttpResponse, last: Renewal | None, now_ms: int) -> Renewal:
        return Renewal(reply.body, 1.0, halt=Halt("panic", self.hold) if reply.body == b"on" else None)


def vendor(sent: Sent) -> Answer:
    """Fail until the switch is on, so that something waits to be sent again; then take everything."""
    if sent.to == "switch":
        return Answer(body=b"on" if PANIC_S <= sent.at_s < ENDS_S else b"off")
    return Answer(503 if sent.at_s < PANIC_S else 200)


def tried(hold: bool, until: Callable[[Rig], Awaitable[None]]) -> tuple[Rig, list[float]]:
    sink, options = PlainSink(feeds=(Switch(hold),)), Options(letters_topic="letters", lanes=2)
    rig = play(lambda: Rig(records(["a", "b"]), vendor, sink=sink, options=options), until)
    return rig, [one.at_s for one in rig.http.sent if one.to != "switch"]


def waiting(wait_s: float) -> Callable[[Rig], Awaitable[None]]:
    async def until(rig: Rig) -> None:
        await asyncio.sleep(wait_s)

    return until


def test_what_waits_to_be_sent_again_is_held_until_the_halt_ends() -> None:
    rig, sent_s = tried(True, waiting(120.0))
    assert min(sent_s) < PANIC_S
    assert [at_s for at_s in sent_s if PANIC_S + 1.5 < at_s < ENDS_S] == []
    assert rig.stored[P0] == 2
    assert rig.producer.letters == []


def test_where_it_is_not_to_be_held_it_becomes_a_letter_with_the_reason() -> None:
    rig, sent_s = tried(False, waiting(50.0))
    assert [at_s for at_s in sent_s if at_s > PANIC_S + 1.5] == []
    assert rig.producer.noted("reason") == ["panic"] * 2
    assert rig.stored[P0] == 2


def test_a_halt_that_holds_fails_a_check_of_readiness_for_as_long_as_it_lasts() -> None:
    said: list[str] = []

    async def until(rig: Rig) -> None:
        for wait_s in (30.0, 60.0):
            await asyncio.sleep(wait_s)
            trouble = rig.flow.trouble()
            assert trouble.keys() <= set(CHECKS)
            said.append(trouble.get("feed", ""))

    tried(True, until)
    assert said == ["everything is held back: panic", ""]


def test_a_stop_does_not_wait_for_what_is_held() -> None:
    stopped_s = 0.0

    async def until(rig: Rig) -> None:
        nonlocal stopped_s
        await asyncio.sleep(30.0)
        stopped_s = asyncio.get_running_loop().time()

    rig, _ = tried(True, until)
    assert rig.stored.get(P0, 0) == 0
    assert rig.http.sent[-1].at_s <= stopped_s + 1.5
