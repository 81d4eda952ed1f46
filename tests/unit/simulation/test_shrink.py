from msgspec.structs import replace

from tests.simulation.draw import draw
from tests.simulation.scenario import Deed, Scenario, Window
from tests.simulation.shrink import short, shrink
from tests.simulation.story import Violation

KILL = Deed("kill", 3.0, 0, 1.0)
DOWN = Window("down", 2.0, 4.0)


def _busy() -> Scenario:
    deeds = (Deed("stop", 1.0, 0, 1.0), KILL, Deed("evict", 5.0, 1))
    windows = (Window("slow", 0.0, 1.0), DOWN, Window("registry", 5.0, 6.0))
    return replace(draw(1), deeds=deeds, windows=windows, records=160, replicas=3, keys=50)


def test_only_what_the_failure_needs_is_left() -> None:
    needed = shrink(_busy(), lambda one: KILL in one.deeds and DOWN in one.windows and one.records >= 7)
    assert (needed.deeds, needed.windows, needed.records) == ((KILL,), (DOWN,), 7)
    assert (needed.replicas, needed.keys) == (1, 1)


def test_a_failure_that_needs_everything_stays_as_it_is() -> None:
    busy = _busy()
    assert shrink(busy, lambda one: one == busy) == busy


def test_the_short_story_tells_of_deeds_and_of_the_records_concerned() -> None:
    lines = [
        "    0.1  produced t0[0]@4#4(good) key b'k'",
        "    0.1  produced t0[0]@5#5(good) key b'k'",
        "    0.2  r0.1 sends [4, 7] to event (82 bytes)",
        "    0.2  r0.1 sends [14, 5] to event (82 bytes)",
        "    0.3  r0.1 is killed",
        "    0.4  log info {'event': 'partitions lost'}",
        "    0.5  r1.1 commits t0[0]@5",
        "    0.5  r1.1 commits t0[1]@5",
        "    0.5  VIOLATION I2: r1.1 commits 5 over unresolved t0[0]@4#4(good)",
    ]
    told = short(lines, Violation("I2", 0.5, "r1.1 commits 5 over unresolved t0[0]@4#4(good)"))
    assert told == [lines[0], lines[2], lines[4], lines[6], lines[8]]
