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
    Offset,
    Since,
    StartFrom,
    choose_start,
    noted,
)

NOW_MS = 1_700_000_000_000


def test_a_committed_offset_stands_whatever_start_from_says() -> None:
    commits = {2: Committed(17, "n=4")}
    assert choose_start(2, 6, commits, Latest(), NOW_MS) == Choice(Offset(17), "n=4")


def test_a_committed_offset_of_zero_is_an_offset() -> None:
    assert choose_start(0, 1, {0: Committed(0, "n=1")}, Latest(), NOW_MS) == Choice(Offset(0), "n=1")


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
    assert (choice.at, choice.note) == (at, "n=6")


def test_a_partition_beyond_the_first_count_was_added_later() -> None:
    commits = {0: Committed(5, "n=4"), 1: Committed(6, "n=4")}
    assert choose_start(4, 6, commits, Latest(), NOW_MS) == Choice(Earliest(), "n=4")


def test_a_partition_another_member_has_not_chosen_yet_follows_start_from() -> None:
    commits = {0: Committed(5, "n=6"), 1: Committed(6, "n=6")}
    assert choose_start(5, 6, commits, Latest(), NOW_MS) == Choice(Latest(), "n=6")


def test_of_several_first_counts_the_smallest_decides() -> None:
    commits = {0: Committed(5, "n=6"), 1: Committed(6, "n=3")}
    assert choose_start(3, 6, commits, Latest(), NOW_MS) == Choice(Earliest(), "n=3")
    assert choose_start(2, 6, commits, Latest(), NOW_MS) == Choice(Latest(), "n=3")


@pytest.mark.parametrize("metadata", ["", "n=", "n=-1", "n=6 ", "v2;n=6", "n=6,k=1", "written by a tool"])
def test_a_commit_without_our_note_never_lets_a_neighbour_skip(metadata: str) -> None:
    commits = {0: Committed(5, metadata), 1: Committed(6, "n=6")}
    assert choose_start(5, 6, commits, Latest(), NOW_MS) == Choice(Earliest(), "n=0")
    assert choose_start(0, 6, commits, Latest(), NOW_MS) == Choice(Offset(5), "n=0", metadata)


@pytest.mark.parametrize("ahead", ["", "a1.0.00000000.eJw=", "z9 of a later version;\nin two lines"])
def test_what_was_committed_with_an_offset_comes_with_it(ahead: str) -> None:
    commits = {1: Committed(6, noted("n=6", ahead))}
    assert choose_start(1, 6, commits, Latest(), NOW_MS) == Choice(Offset(6), "n=6", ahead)
    assert choose_start(2, 6, commits, Latest(), NOW_MS) == Choice(Latest(), "n=6")


@given(st.integers(1, 12), st.data())
def test_members_of_a_new_group_choose_alike_in_any_order(count: int, data: st.DataObject) -> None:
    commits: dict[int, Committed] = {}
    for number in data.draw(st.permutations(range(count))):
        choice = choose_start(number, count, commits, Latest(), NOW_MS)
        assert choice == Choice(Latest(), f"n={count}")
        commits[number] = Committed(100 + number, choice.note)


@given(st.integers(1, 8), st.integers(1, 8), st.data())
def test_every_partition_added_later_is_read_from_its_beginning(first: int, added: int, data: st.DataObject) -> None:
    commits = {
        number: Committed(9, f"n={first}") for number in data.draw(st.sets(st.integers(0, first - 1), min_size=1))
    }
    for number in data.draw(st.permutations(range(first, first + added))):
        choice = choose_start(number, first + added, commits, Latest(), NOW_MS)
        assert choice == Choice(Earliest(), f"n={first}")
        commits[number] = Committed(0, choice.note)
