"""Where a partition is first read from. Pure.

A group's first choice is committed together with a note, `n=<partitions the topic had then>`. So a member that finds a
partition without an offset beside others that have one can tell "chosen by nobody yet", which START_FROM decides, from
"added to the topic later", which is read from its beginning. What `ahead.py` writes of a partition follows the note.
"""

import re
from collections.abc import Mapping

from msgspec import Struct

_NOTE = re.compile(r"n=(\d{1,9})(?:;(.*))?", re.DOTALL)


class Earliest(Struct, frozen=True):
    """The log's start."""


class Latest(Struct, frozen=True):
    """The log's end."""


class Since(Struct, frozen=True):
    """The first record of that time or later. Units: milliseconds since the epoch."""

    timestamp_ms: int


class Back(Struct, frozen=True):
    """As `Since`, counted back from now."""

    duration_s: float


class Offset(Struct, frozen=True):
    """An offset the group has committed."""

    offset: int


StartFrom = Earliest | Latest | Since | Back


class Committed(Struct, frozen=True):
    """What the broker holds for a partition of the group."""

    offset: int
    metadata: str = ""


class Choice(Struct, frozen=True):
    """Where to read from, the note every later commit of the partition carries, and what else was committed with it."""

    at: Offset | Earliest | Latest | Since
    note: str
    ahead: str = ""


def noted(note: str, ahead: str) -> str:
    """Return the metadata of a commit."""
    return f"{note};{ahead}" if ahead else note


def choose_start(
    number: int, count: int, commits: Mapping[int, Committed], start_from: StartFrom, now_ms: int
) -> Choice:
    """Choose the start of partition `number` of a topic that has `count` partitions.

    Shape: `commits` are the group's on this topic, by partition number.
    """
    own = commits.get(number)
    if own is not None:
        return Choice(Offset(own.offset), _note(_noted(own.metadata)), _ahead(own.metadata))
    # A commit without a note of ours says nothing of the first choice: read more rather than skip.
    first_count = min((_noted(other.metadata) for other in commits.values()), default=count)
    if commits and number >= first_count:
        return Choice(Earliest(), _note(first_count))
    if isinstance(start_from, Back):
        start_from = Since(max(0, now_ms - round(start_from.duration_s * 1000)))
    return Choice(start_from, _note(first_count))


def _noted(metadata: str) -> int:
    found = _NOTE.fullmatch(metadata)
    return int(found[1]) if found else 0


def _ahead(metadata: str) -> str:
    """Return what follows the note; without a note of ours all of it, which is another program's."""
    found = _NOTE.fullmatch(metadata)
    return metadata if found is None else found[2] or ""


def _note(count: int) -> str:
    return f"n={count}"
