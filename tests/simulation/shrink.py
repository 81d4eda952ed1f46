"""A failing run made small: less of everything as long as the same rule breaks, and the lines that tell why."""

import re
from collections.abc import Callable, Iterator, Sequence

from msgspec.structs import replace

from tests.simulation.scenario import Fresh, Informed, Scenario
from tests.simulation.story import Violation

MOST_RUNS = 400
DEEDS = ("starts", "killed", "stop", "freezes", "thaws", "evicted", "lost", "faults end", "transaction", "begins at")
SAID_OF_PARTITION = ("assigned", "give up", "ends", "commits", "out of range", "passes over", "deleted", "made")


def shrink(scenario: Scenario, breaks: Callable[[Scenario], bool]) -> Scenario:
    """Take away one thing after another; what is taken away changes the course, so each step is tried."""
    runs, smaller = 0, True
    while smaller and runs < MOST_RUNS:
        smaller = False
        for simpler in _simpler(scenario):
            runs += 1
            if breaks(simpler):
                scenario, smaller = simpler, True
                break
            if runs >= MOST_RUNS:
                break
    return scenario


def _simpler(one: Scenario) -> Iterator[Scenario]:
    """Scenarios with less in them, the greatest steps first."""
    if one.records > 1:
        yield replace(one, records=one.records // 2)
    if one.replicas > 1:
        yield replace(one, replicas=1)
        yield replace(one, replicas=one.replicas - 1)
    for deed in one.deeds:
        yield replace(one, deeds=tuple(other for other in one.deeds if other is not deed))
    for window in one.windows:
        yield replace(one, windows=tuple(other for other in one.windows if other is not window))
    if len(one.partitions) > 1:
        yield replace(one, partitions=one.partitions[:1])
    for kind in one.kinds:
        if len(one.kinds) > 1:
            yield replace(one, kinds={name: weight for name, weight in one.kinds.items() if name != kind})
    for fault in one.vendor.mix:
        if fault != "ok":
            mix = {name: weight for name, weight in one.vendor.mix.items() if name != fault}
            yield replace(one, vendor=replace(one.vendor, mix=mix))
    if one.fresh != Fresh():
        yield replace(one, fresh=Fresh())
    if one.informed != Informed():
        yield replace(one, informed=Informed())
    plain_vendor = replace(one.vendor, heavy=False, quota=None, item_later=0.0)
    plain_options = replace(one.options, lanes=1)
    plain = replace(one, vendor=plain_vendor, options=plain_options, eager=False, keys=1, largest_gap=1)
    for name in ("vendor", "options", "eager", "keys", "largest_gap"):
        if getattr(one, name) != getattr(plain, name):
            yield replace(one, **{name: getattr(plain, name)})
    if 1 < one.records <= 20:
        yield replace(one, records=one.records - 1)


def short(lines: Sequence[str], violation: Violation) -> list[str]:
    """Keep what was done to processes and topics, and what concerns the violation's records and partitions."""
    numbers = set(re.findall(r"#(\d+)\(", violation.text))
    partitions = set(re.findall(r"t\d+\[\d+\]", violation.text))
    return [line for line in lines if _tells(line, numbers, partitions)]


def _tells(line: str, numbers: set[str], partitions: set[str]) -> bool:
    if "VIOLATION" in line or any(f"#{number}(" in line for number in numbers):
        return True
    listed = re.search(r"(?:sends|hears of:?) \[([\d, ]*)\]", line)
    if listed is not None:
        return not numbers.isdisjoint(listed[1].split(", "))
    if "  log " in line or "produced" in line:
        return False
    told = any(partition in line for partition in partitions) and any(word in line for word in SAID_OF_PARTITION)
    return told or any(word in line for word in DEEDS)
