"""What an operator asks of a flow: does it deliver, and if not, why. Pure."""

from collections.abc import Iterable, Mapping

from connector.domain.record import Partition
from connector.observe.status import SinkStatus
from connector.pipeline.acknowledge import Ledger
from connector.pipeline.clock import Clock
from connector.pipeline.consume import OutOfRange
from connector.pipeline.dead_letter import Letters
from connector.pipeline.desk import Desk
from connector.pipeline.schema_wait import SchemaWait

# Every check that `trouble` may fail.
CHECKS = ("vendor", "feed", "lookup", "registry", "guard", "partitions", "dead_letters", "topics")


def describe(ledger: Ledger, desk: Desk, clock: Clock, found: Mapping[str, str]) -> SinkStatus:
    """Return the state of a flow in a person's words."""
    firsts = [first for holding in ledger.holdings.values() if (first := holding.first) is not None]
    now_ms = clock.now_ms()
    ages_s = [(now_ms - first.record.timestamp_ms) / 1000 for first in firsts if first.record.timestamp_ms >= 0]
    state = worst(gate.state for gate in desk.gates.values())
    return SinkStatus(
        name=desk.sink.name,
        state="in trouble" if found else "delivering" if firsts else "idle",
        partitions=len(ledger.holdings),
        in_flight=ledger.count,
        oldest_age_s=max((0.0, *ages_s)),
        circuit=state,
        requests=sum(gate.in_use for gate in desk.gates.values()),
        letters_pending=desk.account.letters.pending,
        last_error=desk.last_error,
        trouble=found,
    )


def worst(states: Iterable[str]) -> str:
    """Of several circuits the state that an operator must know of."""
    ranks = ("closed", "half_open", "open", "halted_setup")
    return max(states, key=ranks.index, default="closed")


def trouble(
    desk: Desk,
    letters: Letters,
    schemas: SchemaWait,
    out_of_range: Mapping[Partition, OutOfRange],
    unreadable: Mapping[str, str],
) -> Mapping[str, str]:
    """Return the checks that fail, each with what to do or what is waited for."""
    found: dict[str, str] = {}
    if any(gate.circuit.state != "closed" for gate in desk.gates.values()):
        found["vendor"] = f"does not answer ({desk.last_error}); probing"
    halts = sorted(halt for gate in desk.gates.values() for halt in gate.refusals.halts())
    if halts:
        which = ", ".join(f"{' '.join(filter(None, setup))}: {refusal.reason}" for setup, refusal in halts)
        found["vendor"] = f"refuses our set-up ({which}); mend the credentials, the address or the proxy"
    for name, value in desk.feeds.values.items():
        if value is None and name in desk.feeds.failing:
            found["feed"] = f"{name} cannot be had: {desk.feeds.failing[name]}"
    if desk.feeds.halt is not None and desk.feeds.halt.hold:
        found["feed"] = f"everything is held back: {desk.feeds.halt.reason}"
    for name, reason in desk.lookups.failing.items():
        found["lookup"] = f"{name} does not answer: {reason}"
    if schemas.changed:
        found["registry"] = schemas.changed
    elif schemas.failing:
        found["registry"] = f"cannot be asked: {schemas.failing}"
    if letters.guard.tripped:
        found["guard"] = "most records are refused; mend them or the settings and restart, or set CONNECTOR_GUARD=off"
    if letters.failing:
        found["dead_letters"] = f"cannot be written: {letters.failing}"
    for name, reason in desk.topics.failing.items():
        found["topics"] = f"{name} cannot be written: {reason}"
    if unreadable:
        refused = ", ".join(f"{topic} ({kind})" for topic, kind in sorted(unreadable.items()))
        found["partitions"] = f"topics cannot be read: {refused}; create them, or give this user the rights"
    if out_of_range:
        stuck = ", ".join(f"{where} at {one.offset} ({one.why})" for where, one in sorted(out_of_range.items()))
        found["partitions"] = f"not read on: {stuck}; set CONNECTOR_ON_OUT_OF_RANGE"
    return found
