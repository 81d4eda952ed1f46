"""What a translation asks for, remembers and leaves behind."""

import asyncio
import gc
from weakref import ReferenceType, ref

from msgspec.structs import replace

from connector.domain.events import Event, Track
from connector.domain.record import Record
from connector.pipeline.acknowledge import DELIVERY_OVERHEAD_BYTES, RECORD_OVERHEAD_BYTES
from connector.pipeline.decode import Ignored
from connector.sinks.contract import Need, Payloads, Save, Scene, Skip, StoredLookup, Translation
from tests.doubles.http import Answer
from tests.doubles.store import ShakyStore
from tests.unit.pipeline.making import EVENT, LIMITS, P0, PlainSink, TextDecoder, record
from tests.unit.pipeline.rig import Rig, play, records, seconds

KEPT = StoredLookup("visitor", "memory:", "wait")


class RememberingSink(PlainSink, frozen=True):
    """Keeps each event's name under `last`; a body tells what was kept before, and where that points to.

    Names that begin with `note` are kept only.
    """

    def needs(self, event: Event, scene: Scene) -> tuple[Need, ...]:
        first = Need("visitor", "last")
        last = scene.facts.get(first)
        return (first,) if last is None else (first, Need("visitor", f"of {last!r}"))

    def translate(self, event: Event, scene: Scene) -> Translation:
        name = (event.event_name or "").encode()
        saves = (Save("visitor", "last", name), Save("visitor", f"of {name!r}", b"<" + name + b">"))
        if name.startswith(b"note"):
            return Skip("kind", saves)
        made = super().translate(event, scene)
        assert isinstance(made, Payloads)
        known = b"".join(fact for fact in scene.facts.values() if isinstance(fact, bytes))
        return Payloads(tuple(replace(one, body=one.body + b"|" + known) for one in made.payloads), saves)


def remembered(names: list[str], store: ShakyStore) -> Rig:
    sink = RememberingSink(lookups=(KEPT,))
    log = records(names, keys=["k"] * len(names))
    return play(lambda: Rig(log, sink=sink, open_store=lambda lookup: store), seconds(600.0))


def test_a_need_may_follow_from_a_fact_and_facts_are_those_the_lane_saved_before() -> None:
    rig = remembered(["a", "b", "c"], ShakyStore())
    assert b",".join(rig.http.bodies) == b"a|,b|a<a>,c|b<b>"
    assert rig.stored[P0] == 3


def test_a_skipped_event_may_leave_something_behind() -> None:
    rig = remembered(["note", "b"], ShakyStore())
    assert rig.http.bodies == [b"b|note<note>"]
    assert rig.stored[P0] == 2


def test_nothing_is_acknowledged_before_what_it_taught_is_kept() -> None:
    store = ShakyStore(down_for=10**9)
    sink = RememberingSink(lookups=(KEPT,))
    rig = play(
        lambda: Rig(records(["note", "b"], keys=["k", "k"]), sink=sink, open_store=lambda lookup: store), seconds(60.0)
    )
    assert rig.stored.get(P0, 0) == 0
    assert rig.http.bodies == []
    assert store.closed


class Noticed(Track, frozen=True, weakref=True):
    """A Track of which one can tell whether anything still holds it."""


class NoticingDecoder(TextDecoder):
    def __init__(self) -> None:
        super().__init__()
        self.made: list[ReferenceType[Noticed]] = []

    def decode(self, record: Record) -> Event | Ignored:
        event = super().decode(record)
        assert isinstance(event, Track)
        noticed = Noticed(name=event.name, user_id=event.user_id)
        self.made.append(ref(noticed))
        return noticed


def test_what_waits_to_be_translated_waits_without_its_event() -> None:
    """The budget knows of a record's bytes alone, and its event may take many times as much."""
    decoder, held = NoticingDecoder(), list[tuple[int, int]]()

    async def until(rig: Rig) -> None:
        await asyncio.sleep(30.0)
        gc.collect()
        held.append((rig.flow.ledger.count, sum(made() is not None for made in decoder.made)))

    store = ShakyStore(down_for=10**9)
    log = records([f"e{number}" for number in range(400)])
    sink = RememberingSink(lookups=(KEPT,))
    play(lambda: Rig(log, sink=sink, open_store=lambda lookup: store, decoder=decoder), until)
    assert held == [(400, 0)]


def test_large_records_are_decoded_a_few_at_a_time() -> None:
    """Of 100 kB each, all forty come with one poll."""

    class Counting(NoticingDecoder):
        most = 0

        def decode(self, record: Record) -> Event | Ignored:
            event = super().decode(record)
            self.most = max(self.most, sum(made() is not None for made in self.made))
            return event

    decoder = Counting()
    log = [record(offset, b"k%d" % offset, b"%d" % offset + b"x" * 100_000) for offset in range(40)]
    sink = PlainSink({"event": replace(EVENT, limits=replace(LIMITS, request_bytes=200_000, item_bytes=200_000))})
    rig = play(lambda: Rig(log, sink=sink, decoder=decoder), seconds(9.0))
    assert rig.stored[P0] == 40
    assert decoder.most <= 3, "256 KiB hold two of them, and the third is over it"


def test_a_record_of_many_deliveries_is_charged_for_each() -> None:
    """`a` goes to three endpoints; `b` to one, within what is charged for the record itself."""
    endpoints = {name: replace(EVENT, name=name) for name in ("one", "two", "three")}
    sink = PlainSink(endpoints, goes_to=lambda name, endpoint: name == "a" or endpoint == "one")
    charged: list[list[int]] = []

    async def until(rig: Rig) -> None:
        await asyncio.sleep(1.0)
        charged.append([opened.charged for opened in rig.flow.ledger.holdings[P0].open.values()])

    play(lambda: Rig(records(["a", "b"]), lambda sent: Answer(delay_s=5.0), sink=sink), until)
    bytes_of_one = RECORD_OVERHEAD_BYTES + len("a") * 2
    assert charged == [[bytes_of_one + 3 * len("a") + 2 * DELIVERY_OVERHEAD_BYTES, bytes_of_one + len("b")]]


class SlowStore(ShakyStore):
    """Takes ten seconds to answer."""

    async def get(self, key: str) -> bytes | None:
        await asyncio.sleep(10.0)
        return await super().get(key)


class StumblingSink(RememberingSink, frozen=True):
    """Fails once it has learned something."""

    def needs(self, event: Event, scene: Scene) -> tuple[Need, ...]:
        if scene.facts:
            raise ValueError("cannot go on from here")
        return (Need("visitor", "last"),)


def test_a_store_is_not_asked_on_for_a_record_that_was_lost_and_the_lane_goes_on() -> None:
    async def until(rig: Rig) -> None:
        await asyncio.sleep(5.0)
        await rig.consumer.lose(P0)
        asked.append(store.asked)
        await asyncio.sleep(60.0)

    asked: list[int] = []
    store = ShakyStore(down_for=10**9)
    rig = play(
        lambda: Rig(records(["a"]), sink=RememberingSink(lookups=(KEPT,)), open_store=lambda lookup: store), until
    )
    assert store.asked == asked[0]
    assert rig.producer.letters == []


def test_a_fault_after_a_record_was_lost_makes_no_letter_of_it() -> None:
    def stumbled(*, lost: bool) -> list[str]:
        async def until(rig: Rig) -> None:
            await asyncio.sleep(5.0)
            if lost:
                await rig.consumer.lose(P0)
            await asyncio.sleep(600.0)

        store = SlowStore()
        sink = StumblingSink(lookups=(KEPT,))
        rig = play(lambda: Rig(records(["a"]), sink=sink, open_store=lambda lookup: store), until)
        assert store.asked == 1
        return rig.producer.noted("reason")

    assert stumbled(lost=False) == ["translator_fault"]
    assert stumbled(lost=True) == []
