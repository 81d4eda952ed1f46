"""Where a partition is first read from. Pure.

A group's first choice is committed together with a note, `n=<partitions the topic had>,t=<its log>`. By the count a
member that finds a partition without an offset beside others that have one can tell "chosen by nobody yet", which
START_FROM decides, from "added to the topic later", which is read from its beginning. By the log it can tell an offset
of the topic that is there from one of a topic of the same name that was deleted. What `ahead.py` writes of a partition
follows the note.
"""

import re
import zlib
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

OnOutOfRange = Literal["halt", "earliest", "latest"]

_NOTE = re.compile(r"n=(\d{1,9})(?:,t=([0-9a-f]{8}[\w+/-]{1,40}))?(?:;(.*))?", re.DOTALL)
_CLUSTER = 8


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


class Note(Struct, frozen=True):
    """What is noted with every commit of a partition: the topic's first count of partitions, its log or ""."""

    count: int
    log: str = ""

    def __str__(self) -> str:
        return f"n={self.count},t={self.log}" if self.log else f"n={self.count}"


class Choice(Struct, frozen=True):
    """Where to read from, the note every later commit of the partition carries, and what else was committed with it.

    Shape: `anew` where the offset is one of a topic that was deleted since, so that nothing can be read from there.
    """

    at: Offset | Earliest | Latest | Since
    note: Note
    ahead: str = ""
    anew: bool = False


def log_of(cluster_id: str, topic_id: str) -> str:
    """Name the log of a topic, as the note does; "" where either is not known."""
    return f"{zlib.crc32(cluster_id.encode()):0{_CLUSTER}x}{topic_id}" if cluster_id and topic_id else ""


def made_anew(before: str, now: str) -> bool:
    """Tell whether a topic was deleted and made anew since; offsets that were moved to another cluster do not tell."""
    return bool(before and now) and before != now and before[:_CLUSTER] == now[:_CLUSTER]


def noted(note: Note, ahead: str) -> str:
    """Return the metadata of a commit."""
    return f"{note};{ahead}" if ahead else str(note)


def read_note(metadata: str) -> tuple[Note, str]:
    """Return the note of a commit and what follows it; without a note of ours all of it, which is another program's."""
    found = _NOTE.fullmatch(metadata)
    if found is None:
        return Note(0), metadata
    return Note(int(found[1]), found[2] or ""), found[3] or ""


def choose_start(
    number: int,
    count: int,
    commits: Mapping[int, Committed],
    start_from: StartFrom,
    now_ms: int,
    *,
    log: str = "",
    on_out_of_range: OnOutOfRange = "halt",
) -> Choice:
    """Choose the start of partition `number` of a topic that has `count` partitions.

    Shape: `commits` are the group's on this topic, by partition number; `log` names the log that is there, "" unknown.
    """
    notes = {other: read_note(commit.metadata) for other, commit in commits.items()}
    own = commits.get(number)
    if own is not None:
        note, ahead = notes[number]
        if not made_anew(note.log, log):
            return Choice(Offset(own.offset), Note(note.count, log or note.log), ahead)
        if on_out_of_range == "halt":
            return Choice(Offset(own.offset), note, ahead, anew=True)
        return Choice(Earliest() if on_out_of_range == "earliest" else Latest(), Note(note.count, log), anew=True)
    # A commit without a note of ours says nothing of the first choice: read more rather than skip.
    first_count = min((note.count for note, _ in notes.values()), default=count)
    if commits and (number >= first_count or any(made_anew(note.log, log) for note, _ in notes.values())):
        return Choice(Earliest(), Note(first_count, log))
    if isinstance(start_from, Back):
        start_from = Since(max(0, now_ms - round(start_from.duration_s * 1000)))
    return Choice(start_from, Note(first_count, log))
