"""Where a partition is first read from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.pipeline.start import (
    Back,
    Choice,
    Committed,
    Earliest,
    Latest,
    Note,
    Offset,
    OnOutOfRange,
    Since,
    StartFrom,
    choose_start,
    log_of,
    noted,
    read_note,
)

NOW_MS = 1_700_000_000_000


def test_a_committed_offset_stands_whatever_start_from_says() -> None:
    commits = {2: Committed(17, "n=4")}
    assert choose_start(2, 6, commits, Latest(), NOW_MS) == Choice(Offset(17), Note(4))


def test_a_committed_offset_of_zero_is_an_offset() -> None:
    assert choose_start(0, 1, {0: Committed(0, "n=1")}, Latest(), NOW_MS) == Choice(Offset(0), Note(1))


@pytest.mark.parametrize(
    ("start_from", "at"),
    [
        (Earliest(), Earliest()),
        (Latest(), Latest()),
        (Since(1_600_000_000_000), Since(1_600_000_000_000)),
        (Back(3600.0), Since(1_699_996_400_000)),
        (Back(9e12), Since(0)),
    ],
)
def test_a_group_without_commits_starts_where_it_is_told(start_from: StartFrom, at: object) -> None:
    choice = choose_start(3, 6, {}, start_from, NOW_MS)
    assert (choice.at, choice.note) == (at, Note(6))


def test_a_partition_beyond_the_first_count_was_added_later() -> None:
    commits = {0: Committed(5, "n=4"), 1: Committed(6, "n=4")}
    assert choose_start(4, 6, commits, Latest(), NOW_MS) == Choice(Earliest(), Note(4))


def test_a_partition_another_member_has_not_chosen_yet_follows_start_from() -> None:
    commits = {0: Committed(5, "n=6"), 1: Committed(6, "n=6")}
    assert choose_start(5, 6, commits, Latest(), NOW_MS) == Choice(Latest(), Note(6))


def test_of_several_first_counts_the_smallest_decides() -> None:
    commits = {0: Committed(5, "n=6"), 1: Committed(6, "n=3")}
    assert choose_start(3, 6, commits, Latest(), NOW_MS) == Choice(Earliest(), Note(3))
    assert choose_start(2, 6, commits, Latest(), NOW_MS) == Choice(Latest(), Note(3))


@pytest.mark.parametrize(
    "metadata",
    [
        "",
        "n=",
        "n=-1",
        "n=6 ",
        "v2;n=6",
        "n=6,k=1",
        "n=6,t=",
        "n=6,t=01234567",
        "n=6,t=0123456g-id",
        "written by a tool",
    ],
)
def test_a_commit_without_our_note_never_lets_a_neighbour_skip(metadata: str) -> None:
    commits = {0: Committed(5, metadata), 1: Committed(6, "n=6")}
    assert choose_start(5, 6, commits, Latest(), NOW_MS) == Choice(Earliest(), Note(0))
    assert choose_start(0, 6, commits, Latest(), NOW_MS) == Choice(Offset(5), Note(0), metadata)


@pytest.mark.parametrize("ahead", ["", "a1.0.00000000.eJw=", "z9 of a later version;\nin two lines"])
def test_what_was_committed_with_an_offset_comes_with_it(ahead: str) -> None:
    commits = {1: Committed(6, noted(Note(6), ahead))}
    assert choose_start(1, 6, commits, Latest(), NOW_MS) == Choice(Offset(6), Note(6), ahead)
    assert choose_start(2, 6, commits, Latest(), NOW_MS) == Choice(Latest(), Note(6))


@given(st.integers(1, 12), st.data())
def test_members_of_a_new_group_choose_alike_in_any_order(count: int, data: st.DataObject) -> None:
    commits: dict[int, Committed] = {}
    for number in data.draw(st.permutations(range(count))):
        choice = choose_start(number, count, commits, Latest(), NOW_MS)
        assert choice == Choice(Latest(), Note(count))
        commits[number] = Committed(100 + number, str(choice.note))


@given(st.integers(1, 8), st.integers(1, 8), st.data())
def test_every_partition_added_later_is_read_from_its_beginning(first: int, added: int, data: st.DataObject) -> None:
    commits = {
        number: Committed(9, f"n={first}") for number in data.draw(st.sets(st.integers(0, first - 1), min_size=1))
    }
    for number in data.draw(st.permutations(range(first, first + added))):
        choice = choose_start(number, first + added, commits, Latest(), NOW_MS)
        assert choice == Choice(Earliest(), Note(first))
        commits[number] = Committed(0, str(choice.note))


FIRST, SECOND, ELSEWHERE = log_of("here", "fCdcgC2cQJyHWyQnvoWqTw"), log_of("here", "w2"), log_of("there", "w3")


def test_a_log_is_named_by_a_checksum_of_its_cluster_and_its_id() -> None:
    # zlib.crc32(b"123456789") is the check value of CRC-32.
    assert log_of("123456789", "fCdcgC2cQJyHWyQnvoWqTw") == "cbf43926fCdcgC2cQJyHWyQnvoWqTw"
    assert (log_of("", "id"), log_of("cluster", "")) == ("", "")


def test_a_note_tells_its_log_and_what_follows_it() -> None:
    assert noted(Note(6, "cbf43926a+/b"), "") == "n=6,t=cbf43926a+/b"
    assert read_note("n=6,t=cbf43926a+/b;a1.0") == (Note(6, "cbf43926a+/b"), "a1.0")


@pytest.mark.parametrize(
    ("before", "now", "after"),
    [
        ("", FIRST, FIRST),
        (FIRST, FIRST, FIRST),
        (FIRST, "", FIRST),
        (FIRST, ELSEWHERE, ELSEWHERE),
    ],
    ids=["told for the first time", "the same", "not told this time", "offsets moved to another cluster"],
)
@pytest.mark.parametrize("policy", ["halt", "earliest", "latest"])
def test_an_offset_stands_where_nothing_says_that_its_log_is_gone(
    before: str, now: str, after: str, policy: OnOutOfRange
) -> None:
    commits = {0: Committed(5, noted(Note(6, before), "a1.x"))}
    chosen = choose_start(0, 6, commits, Latest(), NOW_MS, log=now, on_out_of_range=policy)
    assert chosen == Choice(Offset(5), Note(6, after), "a1.x")


@pytest.mark.parametrize(
    ("policy", "chosen"),
    [
        ("halt", Choice(Offset(5), Note(6, FIRST), "a1.x", anew=True)),
        ("earliest", Choice(Earliest(), Note(6, SECOND), anew=True)),
        ("latest", Choice(Latest(), Note(6, SECOND), anew=True)),
    ],
)
@pytest.mark.shows("K14")
def test_an_offset_of_a_topic_that_was_deleted_is_not_one_of_the_topic_made_anew(
    policy: OnOutOfRange, chosen: Choice
) -> None:
    commits = {0: Committed(5, noted(Note(6, FIRST), "a1.x"))}
    assert choose_start(0, 6, commits, Since(3), NOW_MS, log=SECOND, on_out_of_range=policy) == chosen


def test_beside_offsets_of_a_topic_that_was_deleted_nothing_of_the_one_made_anew_is_skipped() -> None:
    commits = {0: Committed(5, noted(Note(6, FIRST), ""))}
    assert choose_start(1, 6, commits, Latest(), NOW_MS, log=SECOND) == Choice(Earliest(), Note(6, SECOND))
    assert choose_start(1, 6, commits, Latest(), NOW_MS, log=FIRST) == Choice(Latest(), Note(6, FIRST))
