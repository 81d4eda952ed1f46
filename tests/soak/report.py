"""What a long run found: a line per row, as text and as a page."""

from pathlib import Path

from msgspec import Struct
from rich.console import Console
from rich.table import Table

WIDTH = 160


class Row(Struct):
    """A row over all rounds. `figures` are those of the last round, or of the last one that failed."""

    name: str
    bound: str
    runs: int = 0
    failed: int = 0
    skipped: int = 0
    took_s: float = 0.0
    figures: str = ""

    @property
    def verdict(self) -> str:
        if self.failed:
            return f"[red]missed {self.failed} of {self.runs}[/red]"
        return "[green]held[/green]" if self.runs > self.skipped else "[yellow]not run[/yellow]"


class Report:
    """Rows in the order they were first seen."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}

    @property
    def missed(self) -> bool:
        """Whether a bound was missed, or nothing ran at all."""
        rows = self.rows.values()
        return any(row.failed for row in rows) or not any(row.runs > row.skipped for row in rows)

    def add(self, identity: str, name: str, bound: str, outcome: str, figures: str, took_s: float) -> None:
        """Count one run of a row; `outcome` as pytest says it."""
        row = self.rows.setdefault(identity, Row(name, bound))
        if figures and (outcome == "failed" or not row.failed):
            row.figures = figures
        row.runs += 1
        row.failed += outcome == "failed"
        row.skipped += outcome == "skipped"
        row.took_s += took_s

    def table(self, title: str) -> Table:
        table = Table(title=title, show_lines=True)
        for heading in ("row", "must hold", "measured", "runs", "seconds", "bound"):
            table.add_column(heading, overflow="fold")
        for row in self.rows.values():
            table.add_row(row.name, row.bound, row.figures, str(row.runs), f"{row.took_s:.0f}", row.verdict)
        return table

    def write(self, folder: Path, title: str) -> None:
        """Write `report.txt` and `report.html`."""
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "report.txt").open("w") as file:
            page = Console(record=True, width=WIDTH, file=file)
            page.print(self.table(title))
        page.save_html(str(folder / "report.html"))
