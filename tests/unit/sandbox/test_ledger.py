"""The demo's books: they add up only if every record ended once, as the vendor and the letters say."""

from collections.abc import Mapping

import pytest

from connector.domain.record import Partition
from connector.sandbox.ledger import Balance, Ledger
from connector.sandbox.vendor import Item

P = Partition("events", 0)
A, B, C = (f"00000000-0000-4000-8000-00000000000{number}" for number in range(3))
NONE_TORN: Mapping[str, int] = {}
COUNTED = {"delivered": 2, "dead_lettered": 1, "skipped": 1}


def item(identifier: str, body: bytes = b"{}") -> Item:
    return Item(identifier, "track", body)


def ledger() -> Ledger:
    """Three events and a tombstone are produced; the first two were taken 1 and 3 seconds later."""
    books = Ledger(["segment"])
    for offset, identifier in enumerate((A, B, C, "")):
        if identifier:
            books.sent(identifier, b"", 1_000)
        books.placed(identifier, P, offset)
    books.took("segment", [item(A)], 2_000)
    books.took("segment", [item("other", b'{"order":"%s"}' % B.encode())], 4_000)
    return books


def closed(
    books: Ledger,
    letters: tuple[int, ...] = (2,),
    counted: Mapping[str, int] = COUNTED,
    parts: Mapping[str, int] = NONE_TORN,
) -> Balance:
    return books.balance("segment", [(P, offset) for offset in letters], counted, parts)


def test_a_record_that_was_taken_lettered_or_skipped_is_accounted_for() -> None:
    assert closed(ledger()) == Balance("segment", 4, 2, 1, 1, duplicates=0, age_p50_s=3.0, age_p99_s=3.0)


def test_an_item_that_comes_again_is_a_duplicate_and_no_second_delivery() -> None:
    books = ledger()
    books.took("segment", [item(A), item("other", b'{"order":"%s"}' % B.encode())], 9_000)
    balance = closed(books)
    assert (balance.delivered, balance.duplicates, balance.faults) == (2, 2, ())


def test_a_record_of_which_a_part_was_given_up_is_dead_lettered() -> None:
    balance = closed(ledger(), (1, 2), {"delivered": 1, "dead_lettered": 2, "skipped": 1})
    assert (balance.delivered, balance.dead_lettered, balance.faults) == (1, 2, ())


@pytest.mark.parametrize(
    ("letters", "counted"),
    [
        ((), COUNTED),
        ((2, 2), COUNTED),
        ((7,), COUNTED),
        ((2,), {**COUNTED, "skipped": 0}),
        ((2,), {**COUNTED, "delivered": 3}),
        ((), {"delivered": 2, "skipped": 1}),
        ((2,), {"delivered": 2, "dead_lettered": 0, "skipped": 1}),
    ],
)
def test_a_record_lost_or_counted_twice_or_otherwise_is_told(
    letters: tuple[int, ...], counted: Mapping[str, int]
) -> None:
    assert closed(ledger(), letters, counted).faults


def test_an_item_of_no_record_is_told() -> None:
    books = ledger()
    books.took("segment", [item("stranger")], 2_000)
    assert closed(books).faults == ("1 items of no record that was produced",)


def test_a_record_of_which_only_a_part_came_is_told() -> None:
    books = ledger()
    books.took("segment", [item("other", b'{"order":"%s"}' % B.encode())], 4_500)
    assert closed(books, parts={A: 1, B: 2}).faults == ("1 records of which the vendor took only a part",)
    books.took("segment", [item("second", b'{"order":"%s","line":2}' % B.encode())], 5_000)
    assert closed(books, parts={A: 1, B: 2}).faults == ()
