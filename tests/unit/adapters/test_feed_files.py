"""Feeds on disk."""

from pathlib import Path

from connector.adapters.feed_files import FeedFiles


def test_what_was_written_is_read_by_a_later_process(tmp_path: Path) -> None:
    FeedFiles(tmp_path / "feeds").write("bucketing-env1", b"\x00content")
    assert FeedFiles(tmp_path / "feeds").read("bucketing-env1") == b"\x00content"
    assert [path.name for path in (tmp_path / "feeds").iterdir()] == ["bucketing-env1.feed"]


def test_a_feed_that_was_never_kept_is_none(tmp_path: Path) -> None:
    assert FeedFiles(tmp_path).read("bucketing-env1") is None


def test_a_disk_that_refuses_costs_nothing_but_the_copy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way of a folder")
    files = FeedFiles(tmp_path / "file")
    files.write("bucketing-env1", b"content")
    assert files.read("bucketing-env1") is None
