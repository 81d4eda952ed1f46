"""What is known of each record, and of who holds it, outside of the flow."""

from typing import Literal

from connector.domain.record import Partition, Record
from tests.simulation.loop import Host
from tests.simulation.scenario import SKIPPED

Key = tuple[Partition, str, bytes]


class Tenure:
    """A partition in the hands of one process, from its assignment until it is given up, by whatever way.

    `log` is what it reads: a topic made anew has another. `checked` counts the records of the log below the last
    commit, `jumped` the offsets it was moved over; `open_at` is the first offset that the process had not seen resolved
    when it gave the partition up, None for none. `before` are the records above its start that were committed as
    resolved. `number` counts the tenures of all.
    """

    def __init__(
        self, number: int, host: Host, partition: Partition, log: "list[Fate]", start: int, checked: int
    ) -> None:
        self.number = number
        self.host = host
        self.partition = partition
        self.log = log
        self.start = start
        self.checked = checked
        self.highest = start - 1
        self.jumped = 0
        self.ended: Literal["", "revoked", "lost", "killed", "uncommitted"] = ""
        self.open_at: int | None = None
        self.before: set[Fate] = set()


class Fate:
    """One record: what it is, and what became of it so far.

    By role: `idents` what it was first sent as, `taken` the tenures under which the vendor took it, in order, `told`
    the last tenure that was told so, None where that was over when the reply came. By tenure: `bodies` by role what was
    first sent under it, or under None by whomever, `heard` the roles seen delivered under it, `written` those under
    which its letter was seen acknowledged. `denied`: the registry said it
    does not know its schema. `given_up`: under these a role of it was, and yet another was sent. `gone`: nobody owes
    it any more, for it was cut off by retention and passed over as set, lies before the chosen start, or went with
    its topic.
    """

    def __init__(
        self,
        number: int,
        kind: str,
        record: Record,
        roles: tuple[str, ...],
        key: Key | None,
        group: str = "",
        user: str = "",
    ) -> None:
        self.number = number
        self.kind = kind
        self.record = record
        self.roles = roles
        self.key = key
        self.group = group
        self.user = user
        self.skipped = kind in SKIPPED
        self.idents: dict[str, str] = {}
        self.bodies: dict[tuple[Tenure | None, str], bytes] = {}
        self.taken: dict[str, list[Tenure | None]] = {}
        self.told: dict[str, Tenure | None] = {}
        self.heard: dict[Tenure, set[str]] = {}
        self.written: set[Tenure] = set()
        self.refused: set[str] = set()
        self.failures = 0
        self.ambiguous = False
        self.denied = False
        self.gone = False
        self.given_up: set[Tenure | None] = set()
        self.letter_tried = False
        self.letters: list[Tenure | None] = []

    @property
    def place(self) -> str:
        return f"{self.record.partition}@{self.record.offset}#{self.number}({self.kind})"

    def resolved_for(self, tenure: Tenure) -> bool:
        """Whether its holder has seen it delivered, lettered, or may know by itself that it is skipped."""
        if self.skipped or self.gone or tenure in self.written or self in tenure.before:
            return True
        return bool(self.roles) and len(self.heard.get(tenure, ())) == len(self.roles)

    @property
    def translated(self) -> bool:
        """Whether the sink gets to see it."""
        return bool(self.roles) or self.kind == "unwanted"

    @property
    def owes_letter(self) -> bool:
        """Whether a process that still has it sent one role of it after another one had failed for good."""
        held = any(tenure is not None and not tenure.ended for tenure in self.given_up)
        return held and not self.letters and not self.gone

    @property
    def settled(self) -> bool:
        """Whether later records of its key may be sent."""
        if not self.roles or self.letter_tried or self.gone:
            return True
        return all(role in self.told or role in self.refused for role in self.roles)

    @property
    def resolved(self) -> bool:
        """Whether it has its end, in the oracle's eyes."""
        if self.skipped or self.gone or self.letters:
            return True
        return bool(self.roles) and all(role in self.taken for role in self.roles)
