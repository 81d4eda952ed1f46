"""Facts asked for once, and kept in stores that may be down."""

import asyncio
from collections.abc import Sequence
from typing import Literal

import pytest
from structlog.testing import capture_logs

from connector.errors import StoreFailed
from connector.pipeline.lookup import REST_S, Lookups, Unanswered
from connector.sinks.contract import Need, Save, StoredLookup
from tests.doubles import clock
from tests.doubles.store import ShakyStore
from tests.unit.pipeline.making import Profile

NEED = Need("profile", "u")


def test_a_fact_is_asked_for_again_once_its_time_is_over() -> None:
    async def main() -> list[object]:
        lookups = Lookups([Profile(ttl_s=60.0)], clock.LoopClock())
        found = [await lookups.find(NEED)]
        lookups.learn(NEED, b"f", 1)
        for wait_s in (59.0, 2.0):
            await asyncio.sleep(wait_s)
            found.append(await lookups.find(NEED))
        return found

    unanswered = Unanswered(NEED, Profile().endpoint)
    assert clock.run(main()) == [unanswered, b"f", unanswered]


class Kept:
    """One store, looked up or saved to; what fails for good is None."""

    def __init__(self, store: ShakyStore, on_failure: Literal["wait", "absent"]) -> None:
        self.gone_without = 0
        lookup = StoredLookup("profile", "memory:", on_failure)
        self.lookups = Lookups([lookup], clock.LoopClock(), lambda _: store, self._count)

    def _count(self) -> None:
        self.gone_without += 1

    async def ask(self) -> object:
        return await self.lookups.find(NEED)

    async def save(self, value: bytes | None) -> None:
        await self.lookups.save([Save("profile", "u", value)])


def test_a_store_answers_with_what_was_saved_until_it_is_forgotten() -> None:
    async def main(store: ShakyStore) -> list[object]:
        kept = Kept(store, "wait")
        await kept.save(b"v")
        before = await kept.ask()
        await kept.save(None)
        after = await kept.ask()
        await kept.lookups.close()
        return [before, after, store.closed]

    assert clock.run(main(ShakyStore())) == [b"v", None, True]


def test_a_store_that_must_answer_fails_what_asks_it_and_is_left_alone_for_a_while() -> None:
    async def main(store: ShakyStore) -> Sequence[object]:
        kept = Kept(store, "wait")
        for _ in range(5):
            with pytest.raises(StoreFailed):
                await kept.ask()
        asked, said = store.asked, dict(kept.lookups.failing)
        await asyncio.sleep(REST_S)
        return asked, said, await kept.ask(), kept.lookups.failing, kept.gone_without

    assert clock.run(main(ShakyStore(down_for=1))) == (1, {"profile": "timeout"}, None, {}, 0)


def test_records_go_on_without_a_store_that_may_be_absent_and_are_counted() -> None:
    async def main(store: ShakyStore) -> Sequence[object]:
        kept = Kept(store, "absent")
        await kept.save(b"v")
        return await kept.ask(), kept.gone_without, kept.lookups.failing, store.asked

    assert clock.run(main(ShakyStore(down_for=99))) == (None, 2, {"profile": "timeout"}, 1)


def test_forgetting_is_insisted_on_even_where_records_go_on_without_the_store() -> None:
    async def main(store: ShakyStore) -> Sequence[object]:
        store.values["u"] = b"v"
        kept = Kept(store, "absent")
        with pytest.raises(StoreFailed):
            await kept.save(None)
        await asyncio.sleep(REST_S)
        await kept.save(None)
        return store.values, kept.gone_without

    assert clock.run(main(ShakyStore(down_for=1))) == ({}, 0)


def test_the_address_of_a_store_is_shown_by_nothing() -> None:
    assert "hunter2" not in repr(StoredLookup("profile", "redis://:hunter2@cache", "wait"))


def test_a_store_that_can_only_be_read_is_told_of_once_until_it_keeps_again() -> None:
    async def main(store: ShakyStore) -> int:
        kept = Kept(store, "absent")
        for full in (True, True, True, False, True):
            store.full = full
            await asyncio.sleep(2 * REST_S)
            await kept.ask()
            await kept.save(b"v")
        return kept.gone_without

    with capture_logs() as logs:
        assert clock.run(main(ShakyStore())) == 4
    assert [line["reason"] for line in logs] == ["full", "full"]
