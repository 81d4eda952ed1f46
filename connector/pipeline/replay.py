"""Letters back into the records they were made of, for the deliveries that failed. Pure."""

from collections import Counter
from collections.abc import Mapping

from msgspec import Struct

from connector.domain.record import Origin, Partition, Record
from connector.errors import Undecodable
from connector.pipeline.dead_letter import HEADER

MOST_REPLAYS = 3


class Note(Struct, frozen=True):
    """What a letter says of itself. Units: `timestamp_ms` of the record, `replays` it already went through."""

    sink: str
    reason: str
    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    roles: frozenset[str]
    replays: int
    trimmed: str
    id: str = ""


class Wanted(Struct, frozen=True):
    """Which letters to replay; an empty set wants all. Units: bounds on the record's own timestamp."""

    sink: str
    reasons: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()
    since_ms: int | None = None
    until_ms: int | None = None

    def refusal(self, note: Note) -> str | None:
        """Return why a letter stays where it is: filtered, loop_guard or trimmed; None where it is replayed."""
        if note.sink != self.sink or (self.reasons and note.reason not in self.reasons):
            return "filtered"
        if self.topics and note.topic not in self.topics:
            return "filtered"
        if self.since_ms is not None and note.timestamp_ms < self.since_ms:
            return "filtered"
        if self.until_ms is not None and note.timestamp_ms >= self.until_ms:
            return "filtered"
        if note.replays >= MOST_REPLAYS:
            return "loop_guard"
        return "trimmed" if note.trimmed == "value" else None


def read_note(letter: Record) -> Note:
    """Read our headers. Raises: Undecodable where this is no letter of ours."""
    ours: dict[str, str] = {}
    for name, value in letter.headers:
        if name.startswith(HEADER):
            ours[name.removeprefix(HEADER)] = (value or b"").decode(errors="replace")
    try:
        return Note(
            sink=ours["sink"],
            reason=ours["reason"],
            topic=ours["topic"],
            partition=int(ours["partition"]),
            offset=int(ours["offset"]),
            timestamp_ms=int(ours["timestamp"]),
            roles=frozenset(role for role in ours.get("roles", "").split(",") if role),
            replays=int(ours.get("replays") or 0),
            trimmed=ours.get("trimmed", ""),
            id=ours.get("id", ""),
        )
    except (KeyError, ValueError) as fault:
        raise Undecodable("not_a_letter", str(fault)) from fault


def unwrap(letter: Record, note: Note) -> Record:
    """Make the record of a letter: its own bytes and ids, committed where the letter sits."""
    origin = Origin(Partition(note.topic, note.partition), note.offset, note.timestamp_ms, note.roles, note.replays + 1)
    headers = tuple(header for header in letter.headers if not header[0].startswith(HEADER))
    if note.trimmed and note.id:
        # The header that named the record may have gone with the others.
        headers = (("ce_id", note.id.encode()),)
    return Record(letter.partition, letter.offset, note.timestamp_ms, letter.key, letter.value, headers, origin)


class Selection:
    """What a replay takes of a topic of letters, and the count of what it found.

    Shape: `taken` and `kept` by (reason, topic), `kept` beside it by why; `left_out` by why alone.
    """

    def __init__(self, wanted: Wanted) -> None:
        self.taken: Counter[tuple[str, str]] = Counter()
        self.kept: Counter[tuple[str, str, str]] = Counter()
        self._wanted = wanted

    def original(self, letter: Record) -> Record | None:
        """Return the record of a letter that is to be delivered again, else None."""
        try:
            note = read_note(letter)
        except Undecodable as fault:
            self.kept["", "", fault.reason] += 1
            return None
        refusal = self._wanted.refusal(note)
        if refusal is None:
            self.taken[note.reason, note.topic] += 1
            return unwrap(letter, note)
        self.kept[note.reason, note.topic, refusal] += 1
        return None

    @property
    def left_out(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for (_reason, _topic, why), count in self.kept.items():
            found[why] += count
        return found


def describe(counts: Mapping[str, int]) -> str:
    """Write counts by name, the largest first."""
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
