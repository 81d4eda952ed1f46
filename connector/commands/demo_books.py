"""The close of a demo's books: the letters in their topics, what sinks made of each event, what was counted."""

from prometheus_client import CollectorRegistry

from connector.adapters.kafka_log import extents, read_between
from connector.app import Plan, Process, letters_topic
from connector.commands.run import Run
from connector.domain.events import Event
from connector.domain.record import Partition, Record
from connector.errors import Untranslatable
from connector.observe.readback import resolved
from connector.pipeline.dead_letter import HEADER
from connector.pipeline.decode import Ignored
from connector.sandbox.ledger import Balance, Ledger, Place
from connector.sinks.contract import Payloads, Scene, Sink


async def closing_balances(
    plan: Plan, process: Process, run: Run, registry: CollectorRegistry, ledger: Ledger
) -> list[Balance]:
    """Close the books of every sink."""
    events = {ident: process.decoder.decode(_record(value)) for ident, value in ledger.values.items()}
    now_ms, closed = process.clock.now_ms(), []
    for sink in plan.sinks:
        feeds = run.flows[sink.name].desk.feeds.values
        parts = {ident: _parts(sink, event, Scene(now_ms, ident, feeds)) for ident, event in events.items()}
        letters = await _letters(plan, sink.name)
        closed.append(ledger.balance(sink.name, letters, resolved(registry, sink.name), parts))
    return closed


def _record(value: bytes) -> Record:
    return Record(Partition("events", 0), 0, 0, None, value)


def _parts(sink: Sink, event: Event | Ignored, scene: Scene) -> int:
    """Count the items that a sink makes of an event."""
    if isinstance(event, Ignored):
        return 0
    try:
        translation = sink.translate(event, scene)
    except Untranslatable:
        return 0
    return len(translation.payloads) if isinstance(translation, Payloads) else 0


async def _letters(plan: Plan, sink: str) -> list[Place]:
    """Find where the records came from whose letters lie in the sink's topic."""
    kafka = plan.settings.kafka
    found = await extents(kafka, letters_topic(plan.settings.connector, sink), "demo")
    places: list[Place] = []
    async for letters in read_between(kafka, found):
        for letter in letters:
            topic, partition, offset = (
                (letter.header(HEADER + name) or b"").decode() for name in ("topic", "partition", "offset")
            )
            places.append((Partition(topic, int(partition)), int(offset)))
    return places
