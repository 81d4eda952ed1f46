"""Rows of hours, in virtual time: a long outage, keys that always fail, a key that is half of the traffic."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles

import mmh3
import pytest
from msgspec.structs import replace

from connector.domain.exchange import HttpResponse
from connector.pipeline.options import Options
from tests.soak.conftest import Tell
from tests.soak.virtual import PARTITIONS, Course, Stream, follow
from tests.unit.pipeline.making import EVENT, LIMITS, PlainSink

MIB = 1 << 20
KEYS = 500
HOT = KEYS
TAKEN = HttpResponse(200, {}, b"")
OPTIONS = Options(letters_topic="letters", order_by="key")
SINK = PlainSink({"event": replace(EVENT, limits=replace(LIMITS, items=100, linger_s=0.1))})

HOUR_S = 3600.0
DOWN_S, UP_S = 60.0, 60.0 + HOUR_S


def spread(number: int) -> int:
    return number * 7919 % KEYS


def rss() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def p99(course: Course, wanted: Callable[[int], bool]) -> float:
    """Seconds from a record's making to its delivery, over the keys that are wanted."""
    ages_s = [age_s for key, ages_s in course.vendor.ages_s.items() if wanted(key) for age_s in ages_s]
    return quantiles(ages_s, n=100)[98]


@pytest.mark.row(
    "503 for an hour, 2,000 records/s",
    bound="memory 256 MiB and 1 MiB/min, circuit open in 10 s, 2 probes/min, 0 letters, back in 60 s at 80% of speed",
)
@pytest.mark.shows("V6")
def test_an_hour_without_the_vendor_costs_no_memory_and_no_record(tell: Tell) -> None:
    # A backlog settles to the speed of the lane that has the most keys; so both speeds are taken once it has.
    stream = Stream(2_000.0, spread, backlog=900_000)
    opened_s: list[float] = []
    sizes: list[int] = []
    speeds: list[float] = []

    def script(now_s: float, keys: list[int]) -> HttpResponse:
        return HttpResponse(503) if DOWN_S <= now_s < UP_S else TAKEN

    async def watch(course: Course) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(45.0)
        speeds.append(await speed(course, 10.0))
        await asyncio.sleep(DOWN_S - loop.time())
        circuit = course.flow.desk.gates["default"].circuit
        await until(lambda: circuit.state != "closed")
        opened_s.append(loop.time() - DOWN_S)
        while loop.time() < UP_S:
            sizes.append(rss())
            await asyncio.sleep(60.0)
        await until(lambda: course.vendor.taken_s[-1] >= UP_S)
        await asyncio.sleep(UP_S + 60.0 - loop.time())
        speeds.append(await speed(course, 10.0))

    baseline = rss()
    course = follow(stream, script, watch, options=OPTIONS, sink=SINK)
    probes = sum(DOWN_S + 600.0 <= at_s < UP_S for at_s in course.vendor.requests_s) / ((HOUR_S - 600.0) / 60.0)
    back_s = min(at_s for at_s in course.vendor.taken_s if at_s >= UP_S) - UP_S
    grown, slope = max(sizes) - baseline, (sizes[-1] - sizes[-31]) / 30
    tell(
        memory=f"+{grown / MIB:.0f} MiB, {slope / MIB:.2f} MiB/min",
        circuit=f"{opened_s[0]:.1f} s",
        probes=f"{probes:.1f}/min",
        back=f"{back_s:.1f} s",
        speed=f"{speeds[1]:.0f} of {speeds[0]:.0f} records/s",
        letters=course.producer.tried,
    )
    assert grown <= 256 * MIB
    assert slope < MIB
    assert opened_s[0] <= 10.0
    assert probes <= 2.0
    assert course.producer.tried == 0
    assert back_s <= 60.0
    assert speeds[1] >= 0.8 * speeds[0]
    assert course.vendor.overtaken == 0


async def until(condition: Callable[[], bool]) -> None:
    """Wait in virtual time, looking ten times a second."""
    async with asyncio.timeout(600.0):
        while not condition():  # noqa: ASYNC110  nobody tells of it
            await asyncio.sleep(0.1)


async def speed(course: Course, for_s: float) -> float:
    """Records a second that the vendor takes from now on."""
    before = course.vendor.taken
    await asyncio.sleep(for_s)
    return (course.vendor.taken - before) / for_s


@pytest.mark.row(
    "one key in twenty fails for an hour, by its own verdict",
    bound="the others' rate at least 90% of what is made, their order kept (PARK_S 60)",
)
@pytest.mark.shows("V20")
def test_an_hour_of_keys_that_always_fail_does_not_hold_up_the_others(tell: Tell) -> None:
    per_s = 100.0
    sink = PlainSink({"event": replace(EVENT, itemised=True, limits=replace(LIMITS, items=100, linger_s=0.1))})
    rates: list[float] = []

    def script(now_s: float, keys: list[int]) -> HttpResponse:
        return HttpResponse(200, {}, bytes(ord("l") if key % 20 == 0 else ord("o") for key in keys))

    async def watch(course: Course) -> None:
        for _ in range(6):
            rates.append(await speed(course, HOUR_S / 6))

    options = replace(OPTIONS, park_s=60.0)
    course = follow(Stream(per_s, spread), script, watch, options=options, sink=sink)
    good = per_s * 19 / 20
    tell(slowest=f"{min(rates):.0f} of {good:.0f} records/s", letters=course.producer.tried)
    assert min(rates) >= 0.9 * good
    assert course.vendor.overtaken == 0
    assert set(course.producer.noted("reason")) <= {"exhausted"}


def apart(key: int) -> bool:
    """Whether a key shares neither lane nor partition with the hot one."""
    lanes = OPTIONS.lanes
    same_lane = mmh3.hash(b"k%d" % key, signed=False) % lanes == mmh3.hash(b"k%d" % HOT, signed=False) % lanes
    return not same_lane and key % len(PARTITIONS) != HOT % len(PARTITIONS)


def half_hot(number: int) -> int:
    """Every other record is of one key."""
    return HOT if number % 2 else spread(number)


@pytest.mark.row(
    "one key is half of the traffic",
    bound="below a lane's capacity others' age p99 at most doubles; above it only its lane and partition age",
)
@pytest.mark.parametrize("per_s", [1_200.0, 3_000.0], ids=["below", "above"])
@pytest.mark.shows("L5")
def test_a_hot_key_ages_nothing_but_its_own_lane_and_partition(tell: Tell, per_s: float) -> None:
    async def watch(course: Course) -> None:
        await asyncio.sleep(20.0)
        course.vendor.forget_ages()
        await asyncio.sleep(60.0)

    def run(key_of: Callable[[int], int]) -> Course:
        return follow(Stream(per_s, key_of), lambda *_: TAKEN, watch, options=OPTIONS, sink=SINK)

    even, hot = run(spread), run(half_hot)
    before_s, after_s = p99(even, apart), p99(hot, apart)
    tell(others=f"{after_s:.2f} s, evenly {before_s:.2f} s", hot=f"{p99(hot, lambda key: key == HOT):.1f} s")
    assert hot.vendor.overtaken == 0
    assert after_s <= 2 * before_s
