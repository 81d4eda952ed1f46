"""Letters back into records: what is read, what is taken, what is left out."""

import pytest
from msgspec.structs import replace

from connector.domain.outcome import Rejected
from connector.domain.record import Origin, Partition, Record
from connector.errors import Undecodable
from connector.pipeline.acknowledge import Failure, Holding
from connector.pipeline.dead_letter import smaller, write
from connector.pipeline.replay import Note, Selection, Wanted, describe, read_note, unwrap

LETTERS = Partition("letters.segment", 2)
NOTE = Note("segment", "bad_request", "orders", 3, 41, 1_700_000_000_000, frozenset({"item:2"}), 1, "")
ALL = Wanted("segment")


def letter(offset: int = 7, **notes: str) -> Record:
    told = {
        "sink": "segment",
        "reason": "bad_request",
        "topic": "orders",
        "partition": "3",
        "offset": "41",
        "timestamp": "1700000000000",
        "roles": "item:2",
        "replays": "1",
        **notes,
    }
    ours = tuple((f"connector.{name}", text.encode()) for name, text in told.items())
    return Record(LETTERS, offset, 1_700_000_999_000, b"key", b"value", (("theirs", b"\xff"), *ours))


def test_a_note_is_read_from_the_headers() -> None:
    assert read_note(letter()) == NOTE


def test_what_is_no_letter_of_ours_is_said_so() -> None:
    with pytest.raises(Undecodable) as fault:
        read_note(Record(LETTERS, 0, 0, None, b"value", (("theirs", b"x"),)))
    assert fault.value.reason == "not_a_letter"
    with pytest.raises(Undecodable):
        read_note(letter(partition="many"))


def test_a_record_is_as_it_was_and_is_committed_where_its_letter_sits() -> None:
    assert unwrap(letter(), NOTE) == Record(
        LETTERS,
        7,
        1_700_000_000_000,
        b"key",
        b"value",
        (("theirs", b"\xff"),),
        Origin(Partition("orders", 3), 41, 1_700_000_000_000, frozenset({"item:2"}), 2),
    )


def test_a_letter_that_a_flow_writes_is_read_back() -> None:
    source = Record(Partition("orders", 3), 41, 1_700_000_000_000, b"key", b"value", (("theirs", None),))
    opened = Holding(source.partition, 1, 0, "cluster").admit(source, 0.0)
    opened.failures = (Failure("item:2", Rejected("bad_request")), Failure("item:1", Rejected("refused")))
    written = write(opened, topic="letters.segment", sink="segment", record_id="the-id")
    back = Record(LETTERS, 0, 5, written.key, written.value, written.headers)
    found = read_note(back)
    assert (found.roles, found.replays, found.id) == (frozenset({"item:1", "item:2"}), 0, "the-id")
    record = unwrap(back, found)
    assert (record.key, record.value, record.headers) == (source.key, source.value, source.headers)
    assert record.timestamp_ms == source.timestamp_ms


def test_a_letter_whose_headers_were_trimmed_keeps_the_id_of_its_record() -> None:
    source = Record(Partition("orders", 3), 41, 5, b"key", b"value", (("ce_id", b"cloud-7"), ("large", b"x" * 99)))
    opened = Holding(source.partition, 1, 0, "cluster").admit(source, 0.0)
    opened.failures = (Failure("", Rejected("bad_request")),)
    trimmed = smaller(write(opened, topic="letters.segment", sink="segment", record_id="cloud-7"))
    assert trimmed is not None
    back = Record(LETTERS, 0, 5, trimmed.key, trimmed.value, trimmed.headers)
    assert unwrap(back, read_note(back)).header("ce_id") == b"cloud-7"


@pytest.mark.parametrize(
    ("wanted", "told", "expected"),
    [
        (ALL, {}, None),
        (Wanted("suprsend"), {}, "filtered"),
        (Wanted("segment", reasons=frozenset({"expired", "bad_request"})), {}, None),
        (Wanted("segment", reasons=frozenset({"expired"})), {}, "filtered"),
        (Wanted("segment", topics=frozenset({"orders"})), {}, None),
        (Wanted("segment", topics=frozenset({"visits"})), {}, "filtered"),
        (Wanted("segment", since_ms=1_700_000_000_000), {}, None),
        (Wanted("segment", since_ms=1_700_000_000_001), {}, "filtered"),
        (Wanted("segment", until_ms=1_700_000_000_001), {}, None),
        (Wanted("segment", until_ms=1_700_000_000_000), {}, "filtered"),
        (ALL, {"replays": 2}, None),
        (ALL, {"replays": 3}, "loop_guard"),
        (ALL, {"trimmed": "headers"}, None),
        (ALL, {"trimmed": "value"}, "trimmed"),
    ],
)
def test_a_letter_is_left_out_for_a_reason(wanted: Wanted, told: dict[str, object], expected: str | None) -> None:
    assert wanted.refusal(replace(NOTE, **told)) == expected


def test_a_selection_counts_what_it_takes_and_what_it_leaves() -> None:
    selection = Selection(Wanted("segment", reasons=frozenset({"bad_request"})))
    letters = [letter(), letter(), letter(reason="expired"), letter(replays="3"), letter(sink="suprsend")]
    taken = [selection.original(one) for one in [*letters, Record(LETTERS, 9, 0, None, b"x")]]
    assert [one is not None for one in taken] == [True, True, False, False, False, False]
    assert selection.taken == {("bad_request", "orders"): 2}
    assert selection.left_out == {"filtered": 2, "loop_guard": 1, "not_a_letter": 1}


def test_counts_are_written_largest_first() -> None:
    assert describe({"trimmed": 1, "filtered": 12, "loop_guard": 1}) == "12 filtered, 1 loop_guard, 1 trimmed"
