"""The truth outside of the flow, and the invariants. Told of everything at the moment it happens."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from connector.domain.record import Partition
from connector.pipeline.ahead import read
from connector.pipeline.consume import Mark
from connector.pipeline.dead_letter import Letter
from tests.simulation.facts_known import Facts
from tests.simulation.feeds import PANIC
from tests.simulation.loop import Host
from tests.simulation.records import Fate, Key, Tenure
from tests.simulation.scenario import POISON, UNSENT, Scenario
from tests.simulation.sink import Entry
from tests.simulation.story import Story

# How often a good record must have failed before it may be given up as exhausted.
FAILURES_TO_EXHAUST = 5


class Sent(Struct, frozen=True):
    """One payload on its way, and under which tenure it was sent."""

    fate: Fate
    role: str
    tenure: Tenure | None


class Oracle:
    """Knows every record, who holds which partition, and what everybody was told."""

    def __init__(self, scenario: Scenario, story: Story) -> None:
        self.facts = Facts(scenario, story)
        self.logs: dict[Partition, list[Fate]] = {partition: [] for partition in scenario.partitions}
        self.fates: dict[int, Fate] = {}
        self.duplicates = 0
        self.sends = 0
        self.moves = 0
        self.told_off: set[Host] = set()
        self._scenario = scenario
        self._story = story
        self._chains: defaultdict[Key, list[Fate]] = defaultdict(list)
        self._passed: defaultdict[Key, int] = defaultdict(int)
        self._places: dict[Fate, int] = {}
        self._tenures = 0
        self._idents: dict[str, tuple[Fate, str]] = {}
        self._held: dict[tuple[Host, Partition], Tenure] = {}
        self._ahead: dict[Partition, tuple[Mark, list[Fate], set[Fate]]] = {}

    def produced(self, fate: Fate) -> None:
        self.fates[fate.number] = fate
        self.logs[fate.record.partition].append(fate)
        if fate.key is not None:
            chain = self._chains[fate.key]
            self._places[fate] = len(chain)
            chain.append(fate)

    # Who holds what

    def begin(self, host: Host, partition: Partition, start: Mark) -> Tenure:
        self._tenures += 1
        log = self.logs[partition]
        tenure = Tenure(self._tenures, host, partition, log, start.offset, self.index(log, start.offset))
        mark, of, before = self._ahead.get(partition, (None, [], set()))
        if mark == start and of is log:
            tenure.before = before
        self._held[host, partition] = tenure
        return tenure

    def end(self, tenure: Tenure, how: str, final: Mark | None = None) -> None:
        """Note that a partition was given up: revoked (with what is to be committed), lost or killed."""
        self._held.pop((tenure.host, tenure.partition), None)
        if tenure.ended:
            return
        tenure.ended = "revoked" if how == "revoked" else "killed" if how == "killed" else "lost"
        left = (fate for fate in tenure.log[tenure.checked :] if not fate.resolved_for(tenure))
        first = next(left, None)
        tenure.open_at = None if first is None else first.record.offset
        self._story.say("{} ends {} ({}), stores {}", tenure.host.name, tenure.partition, how, final)

    def committed(self, tenure: Tenure, mark: Mark) -> None:
        """Check a commit that the broker takes, and what it says of the offsets above: I2."""
        self.moves += 1
        log, offset = tenure.log, mark.offset
        ahead = self._said(log, mark)
        for fate in ahead:
            if not fate.resolved_for(tenure):
                self._story.violated("I2", f"{tenure.host.name} commits {fate.place} as resolved, above {offset}")
        self._ahead[tenure.partition] = (mark, log, ahead)
        while tenure.checked < len(log) and log[tenure.checked].record.offset < offset:
            fate = log[tenure.checked]
            if not fate.resolved_for(tenure):
                self._story.violated("I2", f"{tenure.host.name} commits {offset} over unresolved {fate.place}")
                return
            self.facts.check_kept(fate)
            tenure.checked += 1

    def _said(self, log: list[Fate], mark: Mark) -> set[Fate]:
        """Return the records above a commit of which it says that they are resolved."""
        ranges = read(mark.ahead).ranges if mark.ahead else ()
        return {
            fate
            for first, after in ranges
            for fate in log[self.index(log, max(first, mark.offset)) : self.index(log, after)]
        }

    def passed_over(self, partition: Partition, from_offset: int, to_offset: int, why: str) -> None:
        """Note that nobody owes what lies between: it was chosen so, or it is told loudly."""
        self._story.say("{} passes over {} to {}: {}", partition, from_offset, to_offset, why)
        for fate in self.logs[partition]:
            if from_offset <= fate.record.offset < to_offset:
                fate.gone = True

    def cut_off(self, log: Iterable[Fate]) -> None:
        """Note that a log is gone with its topic."""
        for fate in log:
            fate.gone = True

    # What is sent and taken

    def sending(self, host: Host, endpoint: str, entries: Sequence[tuple[Entry, bytes]], group: str = "") -> list[Sent]:
        """Check a request as it starts: ownership, order, identity, facts. Entries come with their bytes."""
        self.sends += 1
        itemised = self._scenario.endpoints[endpoint].itemised
        ahead: set[tuple[Fate, str]] = set()
        keys: set[Key] = set()
        sent = []
        for entry, body in entries:
            fate, role = self.fates.get(entry.number), entry.role
            if fate is None:
                self._story.violated("I1", f"{host.name} sends record {entry.number}, which was never to be read")
                continue
            tenure = self._held.get((host, fate.record.partition))
            if tenure is None:
                self._story.violated("handover", f"{host.name} sends {fate.place} after it gave the partition up")
            self._check_identity(fate, tenure, entry, body)
            self.facts.check(fate, tenure, entry)
            if role not in fate.roles or role != endpoint:
                self._story.violated("I1", f"{fate.place} is sent as {role} to {endpoint}, wanted {fate.roles}")
            if fate.group != group:
                self._story.violated("I1", f"{fate.place} of group {fate.group!r} is sent as of {group!r}")
            if fate.key is not None:
                if itemised and fate.key in keys:
                    self._story.violated("I3", f"{fate.place} shares an itemised request with another of its key")
                keys.add(fate.key)
                self._check_order(host, fate, role, ahead)
            ahead.add((fate, role))
            sent.append(Sent(fate, role, tenure))
        return sent

    def _check_identity(self, fate: Fate, tenure: Tenure | None, entry: Entry, body: bytes) -> None:
        """Check id and bytes; what a store says may have changed where the record is translated by another owner."""
        ident, role = entry.id, entry.role
        holder = tenure if self._scenario.informed.store != "none" else None
        if fate.idents.setdefault(role, ident) != ident or fate.bodies.setdefault((holder, role), body) != body:
            self._story.violated("I4", f"{fate.place} {role} is sent with another id or other bytes")
        if self._idents.setdefault(ident, (fate, role)) != (fate, role):
            self._story.violated("I4", f"{fate.place} {role} has the id of {self._idents[ident][0].place}")

    def _check_order(self, host: Host, fate: Fate, role: str, ahead: set[tuple[Fate, str]]) -> None:
        assert fate.key is not None
        chain, place = self._chains[fate.key], self._places[fate]
        at = self._passed[fate.key]
        while at < place and chain[at].settled:
            at += 1
        self._passed[fate.key] = max(at, self._passed[fate.key])
        before = [(earlier, one) for earlier in chain[at:place] if not earlier.settled for one in earlier.roles]
        own = fate.roles[: fate.roles.index(role)]
        for one in own:
            if fate.kind in POISON or (one not in fate.told and self._may_be_given_up(fate)):
                fate.refused.add(one)  # whatever came before in this record was given up by now, so it gets a letter
                fate.given_up.add(self._held.get((host, fate.record.partition)))
        before += [(fate, one) for one in own]
        for earlier, one in before:
            if one not in earlier.told and one not in earlier.refused and (earlier, one) not in ahead:
                text = f"{host.name} sends {fate.place} {role} while {earlier.place} {one} is open"
                self._story.violated("I3", text)
                return

    def taken(self, one: Sent) -> None:
        """Check an item as the vendor takes it: I4."""
        fate, tenure = one.fate, one.tenure
        if fate.kind in POISON:
            self._story.violated("model", f"the vendor takes {fate.place}")
        self.moves += 1
        earlier = fate.taken.setdefault(one.role, [])
        if earlier:
            self.duplicates += 1
            why = self._excuse(fate, one.role, tenure)
            self._story.say("duplicate {} {}: {}", fate.place, one.role, why or "no excuse")
            if not why or self._scenario.calm:
                self._story.violated("I4", f"{fate.place} {one.role} is delivered again without a reason ({why})")
        earlier.append(tenure)

    def _excuse(self, fate: Fate, role: str, tenure: Tenure | None) -> str:
        """Say why a second delivery could not be avoided; empty where it could."""
        if tenure is not None and fate in tenure.before:
            # Nothing proves then that this is the log of which it was said.
            return "retention took the record at the commit" if tenure.jumped else ""
        told = fate.told.get(role)
        if told is None:
            return "nobody was told of the first in time"
        if told is tenure:
            return ""
        if tenure is not None and tenure.number < told.number:
            return f"{tenure.host.name} has not noticed its eviction"
        if told.ended != "revoked":
            return f"the first was told to {told.host.name}, which has {told.ended or 'not noticed its eviction'}"
        if told.open_at is not None and told.open_at <= fate.record.offset:
            return f"the drain left {told.open_at} open below it"
        return ""

    def heard(self, one: Sent, word: str) -> None:
        """Note a verdict that reached a live process: ok, bad or anything else."""
        if word == "ok":
            ended = one.tenure is None or one.tenure.ended
            one.fate.told[one.role] = None if ended else one.tenure
            if one.tenure is not None:
                roles = one.fate.heard.setdefault(one.tenure, set())
                roles.add(one.role)
                whole = len(roles) == len(one.fate.roles)
                one.tenure.host.delivered += whole and not ended
        elif word == "bad":
            one.fate.refused.add(one.role)
        else:
            one.fate.failures += 1
            one.fate.ambiguous |= word == "ambiguous"
            if word == "ambiguous" and self._gives_up_ambiguous:
                one.fate.refused.add(one.role)

    # Letters

    def letter(self, host: Host, letter: Letter, now_ms: int) -> tuple[Fate, Tenure | None] | None:
        """Check a letter as it is produced: whose it is, why, and its bytes."""
        notes = dict(letter.headers)
        partition = Partition(_text(notes, "topic"), int(_text(notes, "partition")))
        offset, reason = int(_text(notes, "offset")), _text(notes, "reason")
        tenure = self._held.get((host, partition))
        log = self.logs.get(partition, []) if tenure is None else tenure.log
        at = self.index(log, offset)
        fate = log[at] if at < len(log) and log[at].record.offset == offset else None
        if fate is None:
            self._story.violated("I1", f"{host.name} writes a letter of no record: {partition}@{offset}")
            return None
        trimmed = notes.get("connector.trimmed", b"")
        record = fate.record
        own = letter.headers[: len(record.headers)] == record.headers or trimmed in (b"headers", b"value")
        if letter.key != record.key or not own or (letter.value != record.value and trimmed != b"value"):
            self._story.violated("I1", f"the letter of {fate.place} does not hold its bytes")
        if tenure is None:
            self._story.violated("handover", f"{host.name} writes a letter of {fate.place} after it gave it up")
        panics = reason == PANIC and self._drops and host in self.told_off
        if not panics and not self._may_be_lettered(fate, reason, now_ms):
            self._story.violated("I1", f"{fate.place} becomes a dead letter: {reason}")
        fate.letter_tried = True
        return fate, tenure

    def written(self, fate: Fate, tenure: Tenure | None) -> None:
        """Note a letter in the topic; a second one needs a reason."""
        if tenure in fate.written:
            self._story.violated("I4", f"a second letter of {fate.place} though the first was acknowledged")
        self.moves += 1
        fate.letters.append(tenure)

    def _may_be_lettered(self, fate: Fate, reason: str, now_ms: int) -> bool:
        options = self._scenario.options
        age_s = (now_ms - fate.record.timestamp_ms) / 1000
        if fate.skipped and not (reason == "expired" and self.facts.asks_of(fate)):
            return False
        if reason == "exhausted":
            return fate.failures + self.facts.unanswered[fate.user] >= FAILURES_TO_EXHAUST
        if reason == "expired":
            return options.max_age_s is not None and (age_s > options.max_age_s or self._clocks_jump)
        if reason == "ambiguous":
            return self._gives_up_ambiguous and fate.ambiguous
        if reason == "schema_not_found":
            return fate.denied and (age_s > options.schema_grace_s or self._clocks_jump)
        return reason != PANIC and fate.kind in (*UNSENT, "poison", "forbidden", "big")

    def _may_be_given_up(self, fate: Fate) -> bool:
        return fate.failures >= FAILURES_TO_EXHAUST or self._scenario.options.max_age_s is not None or self._drops

    @property
    def _drops(self) -> bool:
        return self._scenario.fresh.switch == "drop"

    @property
    def _gives_up_ambiguous(self) -> bool:
        return self._scenario.options.ambiguous == "dead_letter" and not self._scenario.replay_safe

    @property
    def _clocks_jump(self) -> bool:
        return any(deed.kind == "clock" for deed in self._scenario.deeds)

    # The end

    def open(self) -> Iterable[Fate]:
        """Return the records that have no end yet; one that was given up in part owes a letter."""
        return (fate for fate in self.fates.values() if not fate.resolved or fate.owes_letter)

    @staticmethod
    def index(log: Sequence[Fate], offset: int) -> int:
        return bisect_left(log, offset, key=lambda fate: fate.record.offset)


def _text(notes: Mapping[str, bytes | None], name: str) -> str:
    return (notes.get("connector." + name) or b"").decode()
