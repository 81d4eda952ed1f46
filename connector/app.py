"""The composition root: the one place that constructs objects and joins them."""

import asyncio
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import structlog
from msgspec import Struct
from prometheus_client import CollectorRegistry

from connector.adapters.feed_files import FeedFiles
from connector.adapters.http_client import HttpClient
from connector.adapters.http_transport import HttpOptions
from connector.adapters.kafka_client import refused_property
from connector.adapters.kafka_consumer import KafkaConsumer
from connector.adapters.kafka_producer import KafkaProducer, refusal
from connector.adapters.kafka_starts import BrokerStarts
from connector.adapters.schema_files import load_schemas
from connector.adapters.schema_registry import RegistryOptions, SchemaRegistry
from connector.adapters.stores import open_store
from connector.environment import parse_duration_s
from connector.errors import Problem, SchemaMissing, SettingsError
from connector.kafka_settings import variable_name
from connector.observe.metrics import Metrics
from connector.pipeline.clock import Clock
from connector.pipeline.consume import Consumer, Owner
from connector.pipeline.decode import Decoder, Schemas
from connector.pipeline.event_map import EventMap, parse_event_map
from connector.pipeline.flow import Flow
from connector.pipeline.options import Options, Outside, RouteOptions
from connector.pipeline.start import Back, Earliest, Latest, Since, StartFrom
from connector.pipeline.throttle import most_polled
from connector.settings import ConnectorSettings, DeliverySettings, RegistrySettings, Settings, load_settings
from connector.sinks.contract import Preferences, Sink
from connector.sinks.registry import create_sinks, settings_names

# Far below what any topic takes: a batch of so many bytes is never too large for what it holds together.
TOLD_TOGETHER_BYTES = 64 << 10

log = structlog.get_logger(__name__)


class Plan(Struct, frozen=True):
    """What a process was asked to do: the settings, and the sinks they enable."""

    settings: Settings
    sinks: tuple[Sink, ...]
    event_map: EventMap
    environ: Mapping[str, str]

    @property
    def warnings(self) -> Iterator[str]:
        """What is likely not meant as it was set."""
        yield from self.settings.warnings
        for sink in self.sinks:
            yield from sink.preferences.warnings


def read_plan(environ: Mapping[str, str]) -> Plan:
    """Read everything that the environment says. Raises: SettingsError, with the problems of all parts."""
    problems: list[Problem] = []
    sinks: tuple[Sink, ...] = ()
    names = [name.strip() for name in environ.get("CONNECTOR_SINKS", "").split(",") if name.strip()]
    try:
        sinks = create_sinks(names, environ)
    except SettingsError as error:
        problems += error.problems
    preferences = {sink.name: _preferred(sink.preferences) for sink in sinks}
    settings = None
    try:
        settings = load_settings(environ, settings_names(names), preferences)
    except SettingsError as error:
        said = {problem.variable for problem in problems}
        problems += [problem for problem in error.problems if problem.variable not in said]
    event_map = EventMap()
    try:
        event_map = _event_map(environ.get("CONNECTOR_EVENTS", ""))
    except (OSError, ValueError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else str(fault)
        problems.append(Problem("CONNECTOR_EVENTS", f"cannot be used: {reason}"))
    if settings is not None and settings.registry.url is None:
        problems += [
            Problem("SCHEMA_REGISTRY_URL", f"must be set: {sink.name} writes to topic {topic} by a schema")
            for sink in sinks
            for topic in own_topics(sink)
        ]
    problems += _refused(settings.kafka) if settings is not None else []
    if problems or settings is None:
        raise SettingsError(problems)
    return Plan(settings, sinks, event_map, environ)


def _refused(kafka: Mapping[str, str]) -> list[Problem]:
    """Have the Kafka client read its properties: those it reads records with, then those it writes letters with."""
    name = refused_property(kafka)
    if name is not None:
        return [Problem(variable_name(name or "*"), "the Kafka client refuses what it is set to")]
    objection = refusal(kafka)
    # It names a property by one of its names, which need not be the one that was set.
    named = [name for name in re.findall("`([a-z.]+)`", objection) if name in kafka]
    at = variable_name(named[0] if named else "*")
    return [Problem(at, f"letters cannot be written: {objection}")] if objection else []


class Process:
    """What the flows of one process share, made inside the running loop."""

    def __init__(self, plan: Plan, metrics: Metrics, clock: Clock) -> None:
        self.plan = plan
        self.metrics = metrics
        self.clock = clock
        connector = plan.settings.connector
        lanes = sum(settings.max_in_flight for settings in plan.settings.delivery.values())
        proxy = connector.http_proxy
        self.http = HttpClient(
            HttpOptions(
                max_connections=lanes + len(plan.sinks) + 4,
                proxy=proxy.get_secret_value() if proxy else "",
                ca_file=connector.http_ca_file or "",
            )
        )
        self.registry = _registry(plan.settings.registry, connector, metrics)
        schemas: Schemas = self.registry or _NoRegistry()
        directory = connector.schema_dir
        self.decoder = Decoder(
            schemas,
            event_map=plan.event_map,
            ignore=connector.ignore,
            fingerprints=load_schemas(Path(directory)).values() if directory else (),
        )
        self.shelf = FeedFiles(Path(connector.feed_dir)) if connector.feed_dir else None
        self.producers: list[KafkaProducer] = []

    def flow(self, sink: Sink, *, max_age: bool = True) -> Flow:
        """Make the flow of one sink; without `max_age` no record is too old, as a replay wants it."""
        producer = KafkaProducer(self.plan.settings.kafka)
        self.producers.append(producer)
        teller = KafkaProducer(self.plan.settings.kafka, batch_bytes=TOLD_TOGETHER_BYTES) if own_topics(sink) else None
        self.producers += [teller] if teller else []
        outside = Outside(
            decoder=self.decoder,
            http=self.http,
            producer=producer,
            clock=self.clock,
            chance=random.Random(),
            reload=lambda: create_sinks([sink.name], self.plan.environ)[0],
            shelf=self.shelf,
            open_store=lambda lookup: open_store(lookup.address),
            registrar=self.registry,
            teller=teller,
        )
        delivery = self.plan.settings.delivery[sink.name]
        options = flow_options(sink.name, delivery, self.plan.settings.connector, max_age=max_age)
        return Flow(sink, options, outside, self.metrics.flow(sink.name, _named(delivery.topics)))

    def consumer(self, sink: str, owner: Owner) -> Consumer:
        """Make the member of a sink's group."""
        delivery, connector = self.plan.settings.delivery[sink], self.plan.settings.connector
        properties = {**self.plan.settings.kafka, "group.id": group_id(connector, sink)}
        return KafkaConsumer(
            properties,
            delivery.topics,
            owner,
            BrokerStarts(properties, start_from(delivery.start_from), self.clock, delivery.on_out_of_range),
            drain_s=delivery.drain_budget,
            most=most_polled(delivery.max_ahead),
        )

    def letters_consumer(self, sink: str, group: str, owner: Owner, *, most: int) -> Consumer:
        """Make a member of a group that reads a sink's letters from the first one on."""
        delivery, connector = self.plan.settings.delivery[sink], self.plan.settings.connector
        properties = {**self.plan.settings.kafka, "group.id": group}
        return KafkaConsumer(
            properties,
            [letters_topic(connector, sink)],
            owner,
            # Letters that their topic no longer keeps cannot be replayed; the others can.
            BrokerStarts(properties, Earliest(), self.clock, "earliest"),
            drain_s=delivery.drain_budget,
            most=min(most, most_polled(delivery.max_ahead)),
        )

    async def close(self) -> None:
        await asyncio.gather(*(producer.close() for producer in self.producers))
        await self.http.close()
        if self.registry is not None:
            await self.registry.close()


def flow_options(sink: str, delivery: DeliverySettings, connector: ConnectorSettings, *, max_age: bool) -> Options:
    return Options(
        letters_topic=letters_topic(connector, sink),
        lanes=delivery.max_in_flight,
        budget_bytes=delivery.memory_budget,
        max_ahead=delivery.max_ahead,
        max_age_s=delivery.max_age if max_age else None,
        drain_s=delivery.drain_budget,
        park_s=delivery.park,
        ambiguous=delivery.ambiguous,
        order_by=delivery.order_by,
        guard=delivery.guard == "on",
        schema_grace_s=connector.schema_grace,
        route=RouteOptions(delivery.events_allow, delivery.events_deny, delivery.consent),
    )


def group_id(connector: ConnectorSettings, sink: str) -> str:
    return f"{connector.group_id}.{sink}"


def letters_topic(connector: ConnectorSettings, sink: str) -> str:
    return f"{connector.dead_letter_prefix}.{sink}"


def own_topics(sink: Sink) -> list[str]:
    """Return the topics that a sink writes to beside its letters."""
    return [endpoint.topic.name for endpoint in sink.endpoints.values() if endpoint.topic is not None]


def start_from(text: str) -> StartFrom:
    """Read CONNECTOR_START_FROM, which the settings have checked."""
    if text == "earliest":
        return Earliest()
    if text == "latest":
        return Latest()
    try:
        return Since(int(datetime.fromisoformat(text).timestamp() * 1000))
    except ValueError:
        return Back(parse_duration_s(text))


def make_metrics(settings: Settings) -> tuple[Metrics, CollectorRegistry]:
    registry = CollectorRegistry()
    return Metrics(registry, partitions=settings.connector.metrics_partitions == "on"), registry


class _NoRegistry:
    """Stands where no registry is configured: an id it would have to know is nobody's."""

    async def fetch(self, schema_id: int) -> Sequence[str]:
        raise SchemaMissing("no schema registry is configured")


def _registry(settings: RegistrySettings, connector: ConnectorSettings, metrics: Metrics) -> SchemaRegistry | None:
    if settings.url is None:
        return None
    client: dict[str, str] = {}
    if settings.basic_auth_user_info is not None:
        client["basic.auth.user.info"] = settings.basic_auth_user_info.get_secret_value()
    if settings.bearer_auth_token is not None:
        client["bearer.auth.token"] = settings.bearer_auth_token.get_secret_value()
        client["bearer.auth.credentials.source"] = "STATIC_TOKEN"
    if settings.ssl_ca_location is not None:
        client["ssl.ca.location"] = settings.ssl_ca_location
    cache_dir = Path(connector.schema_cache_dir) if connector.schema_cache_dir else None
    return SchemaRegistry(RegistryOptions(settings.url, client, cache_dir, settings.timeout), metrics.schema_fetched)


def _event_map(text: str) -> EventMap:
    """Read CONNECTOR_EVENTS: what begins with a brace is the map, anything else names a file."""
    if not text.strip():
        return EventMap()
    return parse_event_map(text if text.lstrip().startswith("{") else Path(text).read_text(encoding="utf-8"))


def _preferred(preferences: Preferences) -> dict[str, str]:
    wanted = {"start_from": preferences.start_from}
    if preferences.max_age_s is not None:
        wanted["max_age"] = f"{preferences.max_age_s}s"
    return wanted


def _named(topics: Sequence[str]) -> list[str]:
    return [topic for topic in topics if not topic.startswith("^")]
