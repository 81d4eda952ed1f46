"""What earlier owners resolved: left out when it is read again, unless anything speaks against it."""

import pytest
from msgspec.structs import replace

from connector.domain.record import Record
from connector.pipeline.ahead import Ahead, pack, witness, write
from connector.pipeline.consume import Mark
from connector.pipeline.known import Known, told
from tests.unit.pipeline.making import record

LOG = [replace(record(offset), leader_epoch=2) for offset in (10, 11, 12, 15, 16, 20)]
FIRST = witness("cluster", LOG[0])


def known(*, leader_epoch: int = 2, of: int = FIRST, start: int = 10, cluster_id: str = "cluster") -> Known:
    """Make it of 11, 12 and of 16 to 18; 10 and 15 are open."""
    return Known(Ahead(((11, 13), (16, 19)), leader_epoch, of), start=start, cluster_id=cluster_id)


def left(one: Known, *polls: list[Record]) -> list[int]:
    return [record.offset for records in polls for record in one.unresolved(records)]


def test_what_is_resolved_is_left_out_in_however_many_reads_it_comes() -> None:
    assert left(known(), LOG) == [10, 15, 20]
    assert left(known(), *[[one] for one in LOG]) == [10, 15, 20]


def test_nothing_is_left_once_all_was_read_over() -> None:
    one = known()
    one.unresolved(LOG[:4])
    assert list(one.ranges) == [(16, 19)]
    one.passed(18)
    assert list(one.ranges) == [(16, 19)]
    one.passed(19)
    assert not one.ranges
    assert not one.doubted


@pytest.mark.parametrize(
    "one",
    [known(of=FIRST ^ 1), known(start=9), known(cluster_id="another")],
    ids=["another record there", "the record there is gone", "another cluster"],
)
def test_it_is_not_believed_of_another_log(one: Known) -> None:
    assert left(one, LOG) == [10, 11, 12, 15, 16, 20]
    assert one.doubted == "witness"
    assert one.leader_epoch == -1


def test_a_record_of_a_later_leader_may_stand_where_a_lost_one_stood() -> None:
    replaced = [*LOG[:3], *(replace(one, leader_epoch=3) for one in LOG[3:])]
    one = known()
    assert left(one, replaced) == [10, 15, 16, 20]
    assert one.doubted == "leader"


def test_a_later_leader_beyond_all_that_is_resolved_changes_nothing() -> None:
    one = known()
    assert left(one, [*LOG[:5], replace(LOG[5], leader_epoch=3)]) == [10, 15, 20]
    assert not one.doubted


@pytest.mark.parametrize("text", ["a2.0.00000000.eJw=", "AQAAAXKnr2I=", "bABC", "a1.0.00000000.????"])
def test_what_another_program_or_version_wrote_is_doubted_at_once(text: str) -> None:
    one = told(Mark(10, text), "cluster")
    assert one.doubted == "format"
    assert not one.ranges


def test_a_commit_that_says_nothing_more_is_not_doubted() -> None:
    one = told(Mark(10), "cluster")
    assert not one.doubted
    assert not one.ranges


def test_what_was_written_is_told() -> None:
    one = told(Mark(10, write(pack([(11, 13), (16, 19)], 100), 2, FIRST)), "cluster")
    assert left(one, LOG) == [10, 15, 20]
