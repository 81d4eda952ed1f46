"""What a translation asks for, remembers and leaves behind."""

import asyncio

from msgspec.structs import replace

from connector.domain.events import Event
from connector.sinks.contract import Need, Payloads, Save, Scene, Skip, StoredLookup, Translation
from tests.doubles.store import ShakyStore
from tests.unit.pipeline.making import P0, PlainSink
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
