import msgspec
import pytest

from connector.domain.record import Partition, Record
from connector.pipeline.consume import Mark
from connector.pipeline.dead_letter import Letter
from tests.simulation.draw import draw
from tests.simulation.loop import Host, VirtualLoop
from tests.simulation.oracle import Oracle
from tests.simulation.records import Fate
from tests.simulation.scenario import Informed
from tests.simulation.sink import Entry, make_endpoints
from tests.simulation.story import Story

AT = Partition("t0", 0)
KEY = (AT, "key", b"k")
ONE = Entry("1", 1, "event")


class Scene:
    """An oracle over one partition with three good records of one key, offsets 0 to 2, assigned to one process."""

    def __init__(self) -> None:
        scenario = draw(1)
        limits = next(iter(scenario.endpoints.values())).limits
        endpoints = make_endpoints("two", limits, 5.0, one_quota=True, rate=None)
        plain = {"informed": Informed(), "theme": "crashes"}
        scenario = msgspec.structs.replace(scenario, partitions=(AT,), endpoints=endpoints, **plain)
        self.story = Story(VirtualLoop(), None)
        self.oracle = Oracle(scenario, self.story)
        self.host = Host("a")
        for number in (1, 2, 3):
            record = Record(AT, number - 1, 0, b"k", b"v")
            self.oracle.produced(Fate(number, "good", record, ("event",), KEY))
        self.tenure = self.oracle.begin(self.host, AT, Mark(0))

    @property
    def broken(self) -> list[str]:
        return [violation.rule for violation in self.story.violations]

    def deliver(self, *numbers: int, host: Host | None = None) -> None:
        entries = [(Entry(str(number), number, "event"), b"v") for number in numbers]
        for one in self.oracle.sending(host or self.host, "event", entries):
            self.oracle.taken(one)
            self.oracle.heard(one, "ok")


def test_a_commit_up_to_what_was_delivered_is_fine() -> None:
    scene = Scene()
    scene.deliver(1, 2)
    scene.oracle.committed(scene.tenure, Mark(2))
    assert scene.broken == []


def test_a_commit_over_an_open_record_is_found() -> None:
    scene = Scene()
    scene.deliver(1)
    scene.oracle.committed(scene.tenure, Mark(2))
    assert scene.broken == ["I2"]


def test_a_commit_of_what_only_another_process_has_seen_is_found() -> None:
    scene, other = Scene(), Host("b")
    scene.deliver(1)
    scene.oracle.committed(scene.oracle.begin(other, AT, Mark(0)), Mark(1))
    assert scene.broken == ["I2"]


def test_a_record_that_overtakes_one_of_its_key_is_found() -> None:
    scene = Scene()
    scene.deliver(2)
    assert scene.broken == ["I3"]


def test_records_of_a_key_may_share_a_request_in_their_order() -> None:
    scene = Scene()
    scene.deliver(1, 2, 3)
    assert scene.broken == []


def test_a_second_delivery_of_what_was_told_is_found() -> None:
    scene = Scene()
    scene.deliver(1)
    scene.deliver(1)
    assert scene.broken == ["I4"]


@pytest.mark.parametrize(("ending", "broken"), [("killed", []), ("lost", []), ("revoked", ["I4"])])
def test_a_second_delivery_needs_a_process_that_could_not_commit(ending: str, broken: list[str]) -> None:
    scene, other = Scene(), Host("b")
    scene.deliver(1, 2, 3)
    scene.oracle.end(scene.tenure, ending)
    scene.oracle.begin(other, AT, Mark(0))
    scene.deliver(1, host=other)
    assert scene.broken == broken


def test_other_bytes_on_a_second_attempt_are_found() -> None:
    scene = Scene()
    scene.oracle.sending(scene.host, "event", [(ONE, b"v")])
    scene.oracle.sending(scene.host, "event", [(ONE, b"w")])
    assert scene.broken == ["I4"]


def test_sending_after_the_partition_was_given_up_is_found() -> None:
    scene = Scene()
    scene.oracle.end(scene.tenure, "revoked")
    scene.oracle.sending(scene.host, "event", [(ONE, b"v")])
    assert scene.broken == ["handover"]


def test_a_letter_of_a_good_record_is_found() -> None:
    scene = Scene()
    notes = {"topic": b"t0", "partition": b"0", "offset": b"0", "reason": b"refused"}
    headers = tuple(("connector." + name, text) for name, text in notes.items())
    scene.oracle.letter(scene.host, Letter("dead", b"k", b"v", headers), 0)
    assert scene.broken == ["I1"]
