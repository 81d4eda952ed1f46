"""The bench's table, and the targets it is held to."""

from collections import defaultdict

from rich.table import Table

from tests.bench.measure import Cost
from tests.bench.runs import Drained
from tests.bench.vendor import Seen
from tests.bench.workloads import workload

MB = 1_000_000
MOST_BYTES = 160 * MB
MOST_GROWN = 0.1
SLOW_MS, LEAST_PER_S = 100, 13_500


class Report:
    """All that was measured; the best of several runs counts, but the worst for memory, order and age."""

    def __init__(self, sink: str, records: int) -> None:
        self.sink = sink
        self.records = records
        self.record_bytes = 0.0
        self.floors: list[Cost] = []
        self.drained: dict[int, list[Drained]] = defaultdict(list)
        self.paced: dict[int, Seen] = {}

    @property
    def floor_us(self) -> float:
        return min(cost.cpu_us for cost in self.floors)


def table(report: Report) -> tuple[Table, list[str]]:
    """Return the table, and a line for each target that was missed."""
    title = f"{report.sink}: {report.records:,} records of {report.record_bytes:.0f} bytes"
    shown = Table(title=title)
    for column in ("", "records/s", "CPU us", "x floor", "peak MB", "grown MB", "p99 ms", "twice"):
        shown.add_column(column, justify="right" if column else "left", no_wrap=True)
    floor_us, missed = report.floor_us, list[str]()
    shown.add_row(*_row("floor", report.floors, floor_us), "", "")
    for latency_ms, runs in report.drained.items():
        costs = [run.cost for run in runs]
        name = f"at {latency_ms} ms"
        twice = sum(len(run.seen.ages_ms) - report.records for run in runs)
        shown.add_row(*_row(name, costs, floor_us), str(_p99(report.paced[latency_ms].ages_ms)), str(twice))
        missed += [f"{name}: {line}" for line in _missed(report, latency_ms, runs)]
    return shown, missed


def _row(name: str, costs: list[Cost], floor_us: float) -> list[str]:
    best_us = min(cost.cpu_us for cost in costs)
    return [
        name,
        f"{max(cost.records_per_s for cost in costs):,.0f}",
        f"{best_us:.1f}",
        f"{best_us / floor_us:.2f}",
        f"{max(cost.peak for cost in costs) / MB:.0f}",
        f"{max(cost.grown for cost in costs) / MB:.0f}",
    ]


def _missed(report: Report, latency_ms: int, runs: list[Drained]) -> list[str]:
    missed = []
    ratio = min(run.cost.cpu_us for run in runs) / report.floor_us
    most = workload(report.sink).most_of_floor
    if latency_ms == 0 and ratio > most:
        missed.append(f"{ratio:.2f} x the floor's CPU, {most} allowed")
    per_s = max(run.cost.records_per_s for run in runs)
    if latency_ms == SLOW_MS and per_s < LEAST_PER_S:
        missed.append(f"{per_s:,.0f} records/s, {LEAST_PER_S:,} wanted")
    for run in runs:
        if run.cost.peak > MOST_BYTES:
            missed.append(f"peak memory {run.cost.peak / MB:.0f} MB, {MOST_BYTES / MB:.0f} allowed")
        if run.cost.grown > MOST_GROWN * run.cost.peak:
            missed.append(f"memory grew by {run.cost.grown / MB:.0f} MB")
        if run.seen.late:
            missed.append(f"{run.seen.late} events came after a later one of their key")
    return missed


def _p99(ages_ms: list[int]) -> int:
    return sorted(ages_ms)[len(ages_ms) * 99 // 100]
