"""Runs the bench and prints its table."""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.bench.produce import Source
from tests.bench.report import Report, table
from tests.bench.runs import Load, run_backlog, run_floor, run_paced
from tests.bench.workloads import workload
from tests.integration.oracle import create_topics
from tests.integration.process import named
from tests.services.kafka import Kafka
from tests.services.registry import Registry

PARTITIONS = 6
PACE_PER_S, PACED_S = 5_000, 12


def main() -> int:
    args = _arguments()
    console = Console()
    with _services() as (bootstrap, registry), tempfile.TemporaryDirectory() as folder:
        report = asyncio.run(_bench(args, bootstrap, registry, Path(folder), console))
    shown, missed = table(report)
    console.print(shown)
    for line in missed:
        console.print(f"missed: {line}")
    return 1 if missed and args.check else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Measure a connector beside a bare loop over the same records, on a real broker (Java 17): "
        "records/s, CPU and memory while it works off a backlog, and the age of records that come at a steady pace.",
    )
    parser.add_argument("--sink", default="segment", help="whose workload (segment)")
    parser.add_argument("--records", type=int, default=400_000, help="events in the topic (400000)")
    parser.add_argument("--latency-ms", type=int, action="append", help="of the vendor, may be repeated (0 and 100)")
    parser.add_argument("--rounds", type=int, default=1, help="how often all is run; the best of each counts (1)")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a target is missed")
    args = parser.parse_args()
    args.latency_ms = args.latency_ms or [0, 100]
    return args


async def _bench(args: argparse.Namespace, bootstrap: str, registry: str, folder: Path, console: Console) -> Report:
    load, paced = (_load(args.sink, bootstrap, registry, count) for count in (args.records, PACE_PER_S * PACED_S))
    report = Report(args.sink, args.records)
    columns = (TextColumn("{task.description:28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bars:

        def bar(name: str, total: int) -> "_Bar":
            return _Bar(bars, name, total)

        source, step = _source(load), bar("produce", args.records)
        for count in source.all_at_once(args.records):
            step(count)
        report.record_bytes = source.size_bytes / source.made
        for number in range(1, args.rounds + 1):
            mark = f" ({number} of {args.rounds})" if args.rounds > 1 else ""
            report.floors.append(await run_floor(load, bar(f"floor{mark}", load.records)))
            for latency_ms in args.latency_ms:
                step = bar(f"{args.sink}, {latency_ms} ms{mark}", load.records)
                report.drained[latency_ms].append(await run_backlog(load, latency_ms, folder, step))
        for latency_ms in args.latency_ms:
            step = bar(f"{args.sink}, {latency_ms} ms, paced", paced.records)
            report.paced[latency_ms] = await run_paced(paced, _source(paced), PACE_PER_S, latency_ms, folder, step)
            paced = _load(args.sink, bootstrap, registry, paced.records)
    return report


class _Bar:
    """One line of progress."""

    def __init__(self, bars: Progress, name: str, total: int) -> None:
        self._bars = bars
        self._task = bars.add_task(name, total=total)

    def __call__(self, count: int) -> None:
        self._bars.update(self._task, completed=count)


def _load(sink: str, bootstrap: str, registry: str, records: int) -> Load:
    topic = named(f"bench-{sink}")
    create_topics(bootstrap, topic, f"{topic}.letters.{sink}", partitions=PARTITIONS)
    return Load(sink, bootstrap, registry, topic, records)


def _source(load: Load) -> Source:
    return Source(workload(load.sink), load.bootstrap, load.registry, load.topic)


@contextmanager
def _services() -> Iterator[tuple[str, str]]:
    """Use the broker and the registry that the environment names, else start some for this run."""
    given = os.environ.get("KAFKA_BOOTSTRAP_SERVERS"), os.environ.get("SCHEMA_REGISTRY_URL")
    if given[0] and given[1]:
        yield given[0], given[1]
        return
    with tempfile.TemporaryDirectory() as data:
        kafka, registry = Kafka(Path(data) / "kafka"), Registry(Path(data) / "registry")
        try:
            yield kafka.start().bootstrap, registry.start().url
        finally:
            registry.stop()
            kafka.stop()


if __name__ == "__main__":
    sys.exit(main())
