"""Partitions that wait for a schema."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterable

from msgspec.structs import replace

from connector.errors import ConnectorError, SchemaChanged, SchemaMissing, SchemaUnavailable
from connector.pipeline.acknowledge import Holding, OpenRecord
from connector.pipeline.schema_wait import SchemaWait
from tests.doubles import clock
from tests.unit.pipeline.making import P0, P1, TextDecoder, record


class Waits:
    """Waiting records and what became of them; `answer` is asked what the registry says at a time."""

    def __init__(self, answer: Callable[[float], ConnectorError | None]) -> None:
        self.decoder = TextDecoder(self._ask)
        self.known: list[int] = []
        self.missing: list[tuple[int, float]] = []
        self._answer = answer
        self.waits = SchemaWait(self.decoder, clock.LoopClock(), random.Random(1), 60.0, self._known, self._missing)

    def _ask(self, schema: int) -> None:
        error = self._answer(asyncio.get_running_loop().time())
        if error is not None:
            raise error

    def _known(self, records: Iterable[OpenRecord]) -> None:
        """Take records up again as a flow does: from the first whose schema is still unknown, all of them wait."""
        for one in records:
            partition = one.record.partition
            if partition in self.waits.waiting:
                self.waits.waiting[partition].append(one)
            elif 7 in self.decoder.known:
                self.known.append(one.record.offset)
            else:
                self.waits.hold(one, 7)

    def _missing(self, one: OpenRecord) -> None:
        self.missing.append((one.record.offset, asyncio.get_running_loop().time()))


def opened(offset: int, *, old: bool = False) -> OpenRecord:
    made = record(offset)
    return Holding(P0, 1, 0, "c").admit(replace(made, timestamp_ms=made.timestamp_ms - 120_000 * old), 0.0)


def run(story: Callable[[], Coroutine[object, object, Waits]]) -> Waits:
    return clock.run(story())


def test_records_go_on_in_order_once_the_schema_is_known() -> None:
    async def story() -> Waits:
        made = Waits(lambda at_s: SchemaMissing("") if at_s < 20.0 else None)
        made.waits.hold(opened(0), 7)
        made.waits.waiting[P0].extend(opened(offset) for offset in (1, 2))
        await asyncio.sleep(19.0)
        assert made.known == []
        await asyncio.sleep(30.0)
        return made

    made = run(story)
    assert (made.known, made.missing, made.waits.waiting) == ([0, 1, 2], [], {})


def test_an_absent_schema_is_given_up_after_the_grace_and_not_before() -> None:
    async def story() -> Waits:
        made = Waits(lambda at_s: SchemaMissing(""))
        made.waits.hold(opened(0), 7)
        await asyncio.sleep(120.0)
        return made

    ((offset, at_s),) = run(story).missing
    assert offset == 0
    assert 60.0 <= at_s <= 75.0, "the grace, and at most one back-off"


def test_one_denial_is_not_enough_however_old_the_record() -> None:
    async def story() -> Waits:
        made = Waits(lambda at_s: SchemaMissing("") if at_s == 0.0 or at_s < 0.001 else SchemaUnavailable(""))
        made.waits.hold(opened(0, old=True), 7)
        await asyncio.sleep(600.0)
        return made

    made = run(story)
    assert made.missing == []
    assert len(made.decoder.asked) > 10


def test_a_registry_that_is_down_is_waited_for_and_told() -> None:
    async def story() -> Waits:
        made = Waits(lambda at_s: SchemaUnavailable("hangs") if at_s < 3600.0 else None)
        made.waits.hold(opened(0, old=True), 7)
        await asyncio.sleep(3000.0)
        assert made.waits.failing == "hangs"
        await asyncio.sleep(700.0)
        return made

    made = run(story)
    assert (made.known, made.missing, made.waits.failing) == ([0], [], "")


def test_partitions_that_want_one_schema_share_the_question() -> None:
    async def story() -> Waits:
        made = Waits(lambda at_s: None)
        made.waits.hold(opened(0), 7)
        other = Holding(P1, 2, 0, "c").admit(replace(record(5), partition=P1), 0.0)
        made.waits.hold(other, 7)
        await asyncio.sleep(1.0)
        return made

    made = run(story)
    assert (made.decoder.asked, sorted(made.known)) == ([7], [0, 5])


def test_a_schema_nobody_wants_any_more_is_asked_for_no_more() -> None:
    async def story() -> Waits:
        made = Waits(lambda at_s: SchemaUnavailable(""))
        made.waits.hold(opened(0), 7)
        await asyncio.sleep(1.0)
        made.waits.forget([P0])
        asked = len(made.decoder.asked)
        await asyncio.sleep(600.0)
        assert len(made.decoder.asked) == asked
        return made

    assert run(story).waits.waiting == {}


def test_a_schema_that_means_something_else_stops_its_partition() -> None:
    async def story() -> Waits:
        made = Waits(lambda at_s: SchemaChanged("schema 7"))
        made.waits.hold(opened(0, old=True), 7)
        await asyncio.sleep(600.0)
        return made

    made = run(story)
    assert (made.waits.changed, made.known, made.missing) == ("schema 7", [], [])
    assert list(made.waits.waiting) == [P0]
