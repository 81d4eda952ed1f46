"""Payloads for topics of ours: written in order behind the id of their schema, and acknowledged by the broker first."""

import asyncio

from msgspec.structs import replace

from connector.domain.events import Event
from connector.domain.record import Outgoing
from connector.errors import SchemaRefused, SchemaUnavailable
from connector.pipeline.options import Options
from connector.sinks.contract import Endpoint, Payloads, Scene, Topic, Translation
from tests.doubles.http import Answer
from tests.unit.pipeline.making import EVENT, LIMITS, P0, PlainSink
from tests.unit.pipeline.rig import Rig, play, records, seconds

TOPIC = Topic("told", '{"type": "string"}')
TOLD = Endpoint("told", replace(LIMITS, items=10), quota="topic", topic=TOPIC)
OPTIONS = Options(letters_topic="letters", lanes=2, park_s=5.0)
HEAD = b"\x00\x00\x00\x00\x07"


class Registered:
    """A registry that knows our schema as 7, once it has refused or not answered as often as it should."""

    def __init__(self, failures: int = 0, error: type[Exception] = SchemaUnavailable) -> None:
        self.asked: list[tuple[str, str]] = []
        self._failures = failures
        self._error = error

    async def register(self, subject: str, schema: str) -> int:
        self.asked.append((subject, schema))
        if len(self.asked) <= self._failures:
            raise self._error("no")
        return 7


class Telling(PlainSink, frozen=True):
    """Sends each event, and tells of it."""

    def translate(self, event: Event, scene: Scene) -> Translation:
        made = super().translate(event, scene)
        assert isinstance(made, Payloads)
        return Payloads(
            tuple(replace(one, key=b"of " + one.body) if one.endpoint == "told" else one for one in made.payloads)
        )


SINK = Telling({"event": EVENT, "told": TOLD})
NAMES = [f"e{number}" for number in range(30)]


def told(rig: Rig) -> list[Outgoing]:
    return [one for one in rig.producer.letters if one.topic == "told"]


def test_records_carry_the_id_of_their_schema_and_keep_the_order_of_their_key() -> None:
    registry = Registered()
    log = records(NAMES, keys=["k"] * len(NAMES))
    rig = play(lambda: Rig(log, sink=SINK, options=OPTIONS, registrar=registry), seconds(10.0))
    assert [(one.key, one.value) for one in told(rig)] == [(f"of {n}".encode(), HEAD + n.encode()) for n in NAMES]
    assert registry.asked == [("told-value", TOPIC.schema)]
    assert rig.stored[P0] == 30
    assert {sent.to for sent in rig.http.sent} == {"event"}


def test_no_offset_passes_before_the_broker_has_the_record_and_none_is_lost() -> None:
    stored: list[int] = []

    async def until(rig: Rig) -> None:
        await asyncio.sleep(30.0)
        stored.append(rig.stored.get(P0, 0))
        assert "told" in rig.flow.trouble()["topics"]
        up.append(True)
        await asyncio.sleep(120.0)
        stored.append(rig.stored[P0])
        assert rig.flow.trouble() == {}

    up: list[bool] = []
    refuse = lambda record: "" if up or record.topic != "told" else "timed_out"  # noqa: E731
    rig = play(lambda: Rig(records(NAMES), sink=SINK, options=OPTIONS, refuse=refuse, registrar=Registered()), until)
    assert stored == [0, 30]
    assert sorted(one.value or b"" for one in told(rig)) == sorted(HEAD + name.encode() for name in NAMES)


def test_a_record_too_large_for_its_topic_costs_itself_only() -> None:
    refuse = lambda record: "too_large" if record.topic == "told" and b"e7" in record.value else ""  # noqa: E731
    rig = play(
        lambda: Rig(records(NAMES), sink=SINK, options=OPTIONS, refuse=refuse, registrar=Registered()), seconds(9.0)
    )
    letters = [dict(one.headers) for one in rig.producer.letters if one.topic == "letters"]
    assert [(one["connector.reason"], one["connector.roles"]) for one in letters] == [(b"too_large", b"told")]
    assert len(told(rig)) == 29
    assert rig.stored[P0] == 30


def test_a_registry_that_is_down_is_waited_for_and_what_the_vendor_takes_goes_on() -> None:
    rig = play(
        lambda: Rig(records(NAMES), sink=SINK, options=OPTIONS, registrar=Registered(failures=20)), seconds(300.0)
    )
    assert len([body for sent in rig.http.sent for body in sent.bodies]) == 30
    assert min(sent.at_s for sent in rig.http.sent) < 1.0
    assert len(told(rig)) == 30
    assert rig.stored[P0] == 30


def test_a_refused_schema_shows_at_the_start_and_stops_the_topic_until_it_is_mended() -> None:
    async def until(rig: Rig) -> None:
        await asyncio.sleep(1.0)
        said.append(rig.flow.trouble()["topics"])
        rig.consumer.add(records(NAMES))
        await asyncio.sleep(300.0)

    said: list[str] = []
    registry = Registered(failures=3, error=SchemaRefused)
    rig = play(
        lambda: Rig([], lambda sent: Answer(), sink=SINK, options=OPTIONS, starts={P0: 0}, registrar=registry), until
    )
    assert said == ["told cannot be written: no"]
    assert len(told(rig)) == 30
    assert [one.topic for one in rig.producer.letters if one.topic != "told"] == []
