"""What a process costs, from its own figures in /proc."""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
# Of the records: before it the start, after it the wait of the last batches for company.
_FROM, _TO = 0.1, 0.95


class Sample(Struct, frozen=True):
    """A process at one moment. Units: seconds, bytes."""

    records: int
    at_s: float
    cpu_s: float
    resident: int


class Cost(Struct, frozen=True):
    """A process between the first tenth of its records and the last twentieth; memory over its whole life.

    `grown` is what its peak after the middle is above that before the middle. Units: microseconds, bytes.
    """

    records_per_s: float
    cpu_us: float
    peak: int
    grown: int


class Meter:
    """Samples one process as its records pass. Shape: `count` tells how many have."""

    def __init__(self, pid: int, records: int, count: Callable[[], int]) -> None:
        self._pid = pid
        self._records = records
        self._count = count
        self._samples: list[Sample] = []

    def sample(self) -> int:
        """Look once; return the count of records."""
        count = self._count()
        self._samples.append(Sample(count, time.monotonic(), _cpu_s(self._pid), _resident(self._pid)))
        return count

    def cost(self) -> Cost:
        steady = [one for one in self._samples if _FROM * self._records <= one.records <= _TO * self._records]
        first, last = steady[0], steady[-1]
        records = last.records - first.records
        half = self._records / 2
        before = max(one.resident for one in self._samples if one.records < half)
        after = max(one.resident for one in self._samples if one.records >= half)
        return Cost(
            records / (last.at_s - first.at_s),
            1e6 * (last.cpu_s - first.cpu_s) / records,
            _peak(self._pid),
            max(0, after - before),
        )


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def _resident(pid: int) -> int:
    return _status(pid, "VmRSS")


def _peak(pid: int) -> int:
    return _status(pid, "VmHWM")


def _status(pid: int, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found, f"process {pid} has ended"
    return int(found[1]) * 1024
