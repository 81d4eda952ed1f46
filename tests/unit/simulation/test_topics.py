from msgspec.structs import replace

from connector.domain.record import Partition
from tests.simulation.draw import draw
from tests.simulation.loop import VirtualLoop
from tests.simulation.oracle import Oracle
from tests.simulation.story import Story
from tests.simulation.topics import Topics

AT = Partition("t0", 0)


class Scene:
    """One partition without gaps, and the offsets of it that can be read."""

    def __init__(self) -> None:
        scenario = replace(draw(1), partitions=(AT,), largest_gap=1)
        story = Story(VirtualLoop(), None)
        self.oracle = Oracle(scenario, story)
        self.topics = Topics(scenario, self.oracle, story)

    def produce(self, count: int) -> None:
        for _ in range(count):
            self.topics.produce(0)

    @property
    def readable(self) -> list[int]:
        return [fate.record.offset for fate in self.topics.fetch(AT, 0, 1000)]


def test_nothing_behind_the_begin_of_an_open_transaction_can_be_read() -> None:
    scene = Scene()
    scene.produce(2)
    scene.topics.begin(AT)
    scene.produce(3)
    assert scene.readable == [0, 1]
    assert scene.topics.stable(AT) == 2


def test_a_committed_transaction_shows_all_and_its_marker_takes_an_offset() -> None:
    scene = Scene()
    scene.topics.begin(AT)
    scene.produce(3)
    scene.topics.finish(AT, aborted=False)
    scene.produce(1)
    assert scene.readable == [0, 1, 2, 4]


def test_an_aborted_transaction_leaves_gaps_and_nobody_owes_what_was_in_it() -> None:
    scene = Scene()
    scene.topics.begin(AT)
    scene.produce(100)
    scene.topics.finish(AT, aborted=True)
    assert 0 < len(scene.readable) < 100
    assert len(list(scene.oracle.fates)) == len(scene.readable)
    assert scene.topics.stable(AT) == 101


def test_retention_cuts_off_at_least_what_nobody_has_committed_yet() -> None:
    scene = Scene()
    scene.produce(10)
    scene.topics.retain(AT, 4)
    assert 4 < scene.topics.firsts[AT] <= 10


def test_a_topic_made_anew_begins_at_0_and_nobody_owes_the_old_one() -> None:
    scene = Scene()
    scene.produce(3)
    scene.topics.create(scene.topics.delete("t0"))
    scene.produce(1)
    assert scene.readable == [0]
    assert sum(not fate.gone for fate in scene.oracle.fates.values()) == 1
