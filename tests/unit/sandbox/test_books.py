"""What a sandbox vendor remembers: exact counts, and a bounded tail."""

from connector.sandbox.books import MOST_IDS, Books
from connector.sandbox.vendor import Answer, Item


def items(*ids: str, reason: str = "") -> list[Item]:
    return [Item(ident, "track", b"{}", reason) for ident in ids]


def test_items_are_counted_by_what_became_of_them() -> None:
    books = Books()
    taken = books.took("POST /", Answer(200, items=items("a", "b") + items("c", reason="no_event")), 1)
    books.took("POST /", Answer(400, refused="malformed"), 2)
    assert [item.id for item in taken] == ["a", "b"]
    stats = books.stats()
    assert (stats["accepted"], stats["rejected"], stats["refused"]) == (2, {"no_event": 1}, {"malformed": 1})


def test_a_repeated_id_is_a_duplicate_within_a_request_and_across_requests() -> None:
    books = Books()
    books.took("POST /", Answer(200, items=items("a", "a", "b", "", "")), 1)
    books.took("POST /", Answer(200, items=items("b", "c")), 1)
    assert (books.accepted, books.duplicates) == (7, 2)


def test_ids_are_forgotten_by_age_yet_never_sooner_than_promised() -> None:
    books = Books(kept=1)
    ids = [str(number) for number in range(MOST_IDS + 1)]
    for start in range(0, len(ids), 1_000):
        books.took("POST /", Answer(200, items=items(*ids[start : start + 1_000])), 1)
    books.took("POST /", Answer(200, items=items("0", "0", ids[-1])), 1)
    assert books.duplicates == 3


def test_the_last_items_are_kept_newest_first() -> None:
    books = Books(kept=3)
    books.took("POST /", Answer(200, items=items("a", "b", "c", "d")), 1)
    assert [seen.item.id for seen in books.tail(10)] == ["d", "c", "b"]
    assert [seen.item.id for seen in books.tail(1)] == ["d"]
