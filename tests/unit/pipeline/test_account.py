"""Deliveries into resolved records, or one letter."""

import asyncio
import random
from collections.abc import Callable
from functools import partial

from connector.domain.outcome import Rejected
from connector.pipeline.account import Account
from connector.pipeline.acknowledge import Holding, Ledger, OpenRecord
from connector.pipeline.batch import Batch, Delivery
from connector.pipeline.dead_letter import Letters
from connector.pipeline.guard import Guard
from connector.sinks.contract import Payload
from tests.doubles import clock
from tests.doubles.broker import ListProducer
from tests.unit.pipeline.making import EVENT, P0, record, silent_metrics


class Books:
    """An account over a ledger with one partition."""

    def __init__(self) -> None:
        self.producer = ListProducer()
        self.stale = 0
        self.ledger = Ledger(self._stale)
        self.holding: Holding = self.ledger.begin(P0, 0, "cluster")
        metrics, time = silent_metrics(), clock.LoopClock()
        self.account = Account(
            self.ledger,
            partial(Letters, self.producer, Guard(on=True), time, random.Random(1), metrics),
            time,
            metrics,
            sink="plain",
            letters_topic="letters",
        )

    def _stale(self, partition: object) -> None:
        self.stale += 1

    def open(self, offset: int, roles: str) -> tuple[OpenRecord, Batch]:
        """Open a record with a delivery per letter of `roles`, all in one batch."""
        opened = self.holding.admit(record(offset), 0.0)
        opened.pending = len(roles)
        made = (Delivery(opened, Payload("event", b"x", "id", role=role), b"k", 0.0) for role in roles)
        return opened, Batch(EVENT, tuple((one,) for one in made), "time", sends=2)


def run(story: Callable[[Books], None]) -> Books:
    async def main() -> Books:
        books = Books()
        story(books)
        await asyncio.sleep(1.0)
        return books

    return clock.run(main())


def test_a_record_is_resolved_by_its_last_delivery() -> None:
    def story(books: Books) -> None:
        _, batch = books.open(0, "ab")
        first, second = batch.deliveries()
        books.account.delivered(batch, [first])
        assert books.holding.committable == 0
        books.account.delivered(batch, [second])
        assert books.holding.committable == 1

    assert run(story).producer.letters == []


def test_one_letter_per_record_once_all_of_it_is_final() -> None:
    def story(books: Books) -> None:
        _, batch = books.open(0, "abc")
        first, second, third = batch.deliveries()
        books.account.rejected(first, Rejected("refused"), batch)
        books.account.rejected(second, Rejected("expired"), batch)
        assert books.producer.tried == 0
        books.account.delivered(batch, [third])
        assert books.producer.tried == 1
        assert books.holding.committable == 0, "the broker's answer comes first"

    books = run(story)
    assert books.producer.noted("roles") == ["a,b"]
    assert books.producer.noted("reason") == ["refused"]
    assert books.producer.noted("attempts") == ["2"]
    assert books.holding.committable == 1


def test_a_record_of_which_nothing_could_be_made_is_a_letter_without_roles() -> None:
    books = run(lambda books: books.account.failed(books.open(0, "")[0], Rejected("malformed", "field")))
    assert (books.producer.noted("roles"), books.producer.noted("detail")) == ([""], ["field"])
    assert books.holding.committable == 1


def test_a_skipped_record_is_resolved_at_once() -> None:
    books = run(lambda books: books.account.skipped(books.open(0, "")[0], "kind"))
    assert (books.holding.committable, books.producer.tried) == (1, 0)


def test_what_ends_after_its_epoch_marks_nothing_and_writes_nothing() -> None:
    def story(books: Books) -> None:
        _, late = books.open(0, "a")
        _, refused = books.open(1, "a")
        books.ledger.end(P0)
        books.account.delivered(late, late.deliveries())
        for one in refused.deliveries():
            books.account.rejected(one, Rejected("refused"), refused)

    books = run(story)
    assert (books.stale, books.producer.tried, books.holding.committable) == (2, 0, 0)


def test_the_fifty_first_refusal_stays_open_and_the_offset_stays() -> None:
    def story(books: Books) -> None:
        for offset in range(60):
            books.account.failed(books.open(offset, "")[0], Rejected("refused"))

    books = run(story)
    assert len(books.producer.letters) == 50
    assert books.holding.committable == 50
    assert books.account.letters.guard.tripped


def test_expired_records_do_not_halt_the_sink() -> None:
    def story(books: Books) -> None:
        for offset in range(500):
            _, batch = books.open(offset, "a")
            books.account.rejected(batch.deliveries()[0], Rejected("expired"), batch)

    books = run(story)
    assert (len(books.producer.letters), books.holding.committable) == (500, 500)
