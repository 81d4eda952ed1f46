"""The report of a long run."""

from pathlib import Path

from tests.soak.report import Report


def add(report: Report, outcome: str, figures: str = "") -> None:
    report.add("rows.py::a", "leaders move", "0 missing", outcome, figures, 2.0)


def test_a_run_in_which_every_bound_held_is_no_miss() -> None:
    report = Report()
    add(report, "passed")
    assert not report.missed


def test_one_missed_bound_in_any_round_is_a_miss_and_its_figures_stay() -> None:
    report = Report()
    add(report, "passed", "missing 0")
    add(report, "failed", "missing 7")
    add(report, "passed", "missing 0")
    assert report.missed
    assert report.rows["rows.py::a"].figures == "missing 7"
    assert "missed 1 of 3" in report.rows["rows.py::a"].verdict


def test_a_run_of_nothing_or_of_skipped_rows_alone_proves_nothing() -> None:
    report = Report()
    assert report.missed
    add(report, "skipped")
    assert "not run" in report.rows["rows.py::a"].verdict
    assert report.missed


def test_the_report_is_written_as_text_and_as_a_page(tmp_path: Path) -> None:
    report = Report()
    add(report, "passed", "missing 0")
    report.write(tmp_path / "new", "1 rounds")
    assert "leaders move" in (tmp_path / "new" / "report.txt").read_text()
    assert "leaders move" in (tmp_path / "new" / "report.html").read_text()
