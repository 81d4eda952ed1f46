"""Run the long tests: `python -m tests.soak [--minutes N] [--only WORDS] [--faults N] [--report FOLDER]`."""

import time
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console

from tests.soak.report import WIDTH, Report

ROWS = Path(__file__).parent

app = typer.Typer(pretty_exceptions_enable=False)


class Collector:
    """A plugin of pytest that puts each row's outcome into the report."""

    def __init__(self, report: Report) -> None:
        self._report = report

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Any:
        outcome = yield
        found = outcome.get_result()
        ended = found.when == "call" or (found.when == "setup" and found.outcome != "passed")
        row = item.get_closest_marker("row")
        if ended and row is not None:
            figures = "; ".join(text for name, text in item.user_properties if name == "figures")
            self._report.add(item.nodeid, _name(item, row), row.kwargs["bound"], found.outcome, figures, found.duration)


@app.command()
def main(
    minutes: float = typer.Option(0.0, help="Begin new rounds for so long; 0 is one round."),
    only: str = typer.Option("", help="Rows to run, as pytest's -k takes them; all if empty."),
    faults: int = typer.Option(20, help="Faults by chance in a round, one after the other; 2,500 take eight hours."),
    report: str = typer.Option("soak-report", help="Folder of report.txt and report.html."),
) -> None:
    """Run every row, again and again with new seeds until the time is over. Exit status 1 if a bound was missed.

    The report is written anew after each round, so that a run that is cut short leaves one.
    """
    console, found, began_s, number = Console(width=WIDTH), Report(), time.monotonic(), 0
    folder = Path(report)
    while number == 0 or time.monotonic() - began_s < minutes * 60:
        number += 1
        console.rule(f"round {number}")
        status = pytest.main(_arguments(number, only, faults), plugins=[Collector(found)])
        title = f"{number} rounds, {(time.monotonic() - began_s) / 60:.0f} minutes"
        found.write(folder, title)
        if status == pytest.ExitCode.INTERRUPTED:
            break
    console.print(found.table(title))
    console.print(f"report in {folder}/report.txt and {folder}/report.html")
    raise typer.Exit(1 if found.missed or status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) else 0)


def _name(item: pytest.Item, row: pytest.Mark) -> str:
    variant = item.name.partition("[")[2].rstrip("]")
    return f"{row.args[0]} ({variant})" if variant else str(row.args[0])


def _arguments(number: int, only: str, faults: int) -> list[str]:
    chosen = ["-k", only] if only else []
    told = ["--round", str(number), "--faults", str(faults)]
    return [str(ROWS), "-v", "-o", "python_files=rows_*.py", *told, *chosen]


if __name__ == "__main__":
    app()
