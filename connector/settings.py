"""KAFKA_*, SCHEMA_REGISTRY_* and CONNECTOR_* variables, typed; every mistake is reported at once."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal, TypeVar

from msgspec import Struct
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from connector.environment import (
    DurationS,
    EnvSettings,
    NameList,
    OptionalDurationS,
    SizeBytes,
    Variable,
    parse_duration_s,
)
from connector.errors import Problem, SettingsError
from connector.kafka_settings import read_kafka
from connector.settings_checks import missing_files, read_letters, schema_sources, slow_drains, unknown


def _start_from(text: str) -> str:
    if text in ("earliest", "latest"):
        return text
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        try:
            parse_duration_s(text)
        except ValueError:
            raise ValueError(
                "must be earliest, latest, a time such as 2025-01-31T12:00:00Z or a duration back"
            ) from None
        return text
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).isoformat()


def _split_patterns(text: object) -> object:
    """Read a comma-separated list whose commas within braces are part of a pattern, as in `a{1,3}`."""
    parts = re.split(r",(?![^{]*\})", text) if isinstance(text, str) else ()
    return tuple(part.strip() for part in parts if part.strip())


def _patterns(patterns: tuple[str, ...]) -> tuple[str, ...]:
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error:
            raise ValueError("must be a comma-separated list of regular expressions") from None
    return patterns


def _registry_address(url: str | None) -> str | None:
    # It is shown in logs and on disk.
    if url is not None and "@" in url:
        raise ValueError("must hold no credentials; set SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO")
    return url


def _user_and_password(pair: SecretStr | None) -> SecretStr | None:
    if pair is not None and not re.fullmatch(r"[^:]+:.*", pair.get_secret_value()):
        raise ValueError("must be user:password")
    return pair


OwnSettings = TypeVar("OwnSettings", bound=EnvSettings)
StartFrom = Annotated[str, AfterValidator(_start_from)]
Patterns = Annotated[tuple[str, ...], BeforeValidator(_split_patterns), AfterValidator(_patterns)]


class DeliverySettings(EnvSettings):
    """How a sink's flow delivers; each may be overridden for one sink by that sink's own prefix."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_")

    topics: NameList = Field((), description="topics to read, comma-separated; one that begins with ^ is a pattern")
    start_from: StartFrom = Field(
        "earliest", description="where a new group begins: earliest, latest, a time, or a duration back such as 24h"
    )
    on_out_of_range: Literal["halt", "earliest", "latest"] = Field(
        "halt",
        description="what to do when a committed offset is no longer in the log, or is one of a topic that was deleted",
    )
    order_by: Literal["key", "user", "partition", "none"] = Field("key", description="whose order is kept")
    max_in_flight: int = Field(
        16,
        ge=1,
        le=256,
        description="lanes, each with at most one request in flight; fewer where 429s or latency teach so",
    )
    memory_budget: SizeBytes = Field(
        64 << 20, ge=1 << 20, description="bytes of open records, shared by the partitions, 1 MiB each at least"
    )
    max_ahead: int = Field(
        20_000, ge=2, description="offsets of a partition consumed beyond its committed one, at most"
    )
    max_age: OptionalDurationS = Field(
        None, gt=0, description="records older than this become dead letters; off for no limit"
    )
    drain_budget: DurationS = Field(
        10.0, gt=0, le=300, description="time to finish what is in flight at a revoke or stop"
    )
    park: DurationS = Field(600.0, ge=0, description="how long a record that alone keeps failing waits; 0 for ever")
    ambiguous: Literal["resend", "dead_letter"] = Field(
        "resend", description="what to do without an answer, for items that are not safe to send twice"
    )
    guard: Literal["on", "off"] = Field("on", description="stop a sink that refuses most records after 50 letters")
    events_allow: Patterns = Field(
        (), description="patterns of event names to deliver, comma-separated, matched at the start; all if empty"
    )
    events_deny: Patterns = Field(
        (), description="patterns of event names not to deliver, comma-separated, matched at the start"
    )
    consent: str | None = Field(None, description="the purpose an event must carry as granted")


class RegistrySettings(EnvSettings):
    """Where schemas are asked for."""

    model_config = SettingsConfigDict(env_prefix="SCHEMA_REGISTRY_")

    url: Annotated[str | None, AfterValidator(_registry_address)] = Field(
        None,
        pattern=r"^https?://",
        description="address of the schema registry; needed unless CONNECTOR_SCHEMA_DIR is set",
    )
    basic_auth_user_info: Annotated[SecretStr | None, AfterValidator(_user_and_password)] = Field(
        None, description="user:password for the registry"
    )
    bearer_auth_token: SecretStr | None = Field(None, description="bearer token for the registry")
    ssl_ca_location: str | None = Field(None, description="CA file for the registry")
    timeout: DurationS = Field(5.0, gt=0, le=60, description="total time of one question to the registry")


class ConnectorSettings(EnvSettings):
    """What concerns the process as a whole."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_")

    sinks: NameList = Field(..., min_length=1, description="vendors to deliver to, comma-separated")
    group_id: str = Field("connector", min_length=1, description="consumer group; each sink's is `<group id>.<sink>`")
    events: str | None = Field(None, description="how records of your own become events: JSON, or a file's name")
    ignore: NameList = Field((), description="record names to skip, comma-separated")
    schema_dir: str | None = Field(None, description="folder of schemas for Avro single-object encoding")
    schema_cache_dir: str | None = Field(None, description="folder that keeps schemas for a start without registry")
    feed_dir: str | None = Field(None, description="folder that keeps what vendors are polled for, over a restart")
    schema_grace: DurationS = Field(
        60.0, ge=0, description="how old a record with an unknown schema id must be to be given up"
    )
    dead_letter_prefix: str = Field(
        "connector.dead-letters", min_length=1, description="letters go to `<prefix>.<sink>`"
    )
    http_host: str = Field("0.0.0.0", description="address of metrics, health and status page")
    http_port: int = Field(8080, ge=0, le=65535, description="port of metrics, health and status page")
    http_proxy: SecretStr | None = Field(None, description="proxy for requests to vendors")
    http_ca_file: str | None = Field(None, description="CA file for requests to vendors and through the proxy")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level of log lines")
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="auto is console on a terminal, else JSON"
    )
    metrics_partitions: Literal["on", "off"] = Field("off", description="offset metrics for each partition")


class Settings(Struct, frozen=True):
    """Everything but the vendors' own variables."""

    kafka: Mapping[str, str]
    registry: RegistrySettings
    connector: ConnectorSettings
    delivery: Mapping[str, DeliverySettings]
    warnings: tuple[str, ...] = ()


def load_settings(
    environ: Mapping[str, str],
    sinks_variables: Mapping[str, frozenset[str]],
    preferences: Mapping[str, Mapping[str, str]],
) -> Settings:
    """Read all settings. Raises: SettingsError, with every problem.

    Shape: `sinks_variables` the names each enabled sink reads itself, `preferences` what its nature asks for where the
    operator says nothing, as variables without prefix.
    """
    kafka, problems, warnings = read_kafka(environ)
    registry = _loaded(RegistrySettings, environ, problems)
    connector = _loaded(ConnectorSettings, environ, problems)
    names = [name.strip() for name in environ.get("CONNECTOR_SINKS", "").split(",") if name.strip()]
    delivery: dict[str, DeliverySettings] = {}
    for name in names:
        try:
            delivery[name] = load_delivery(name, environ, preferences.get(name, {}))
        except SettingsError as error:
            problems += error.problems
    if not names:
        general = _loaded(DeliverySettings, environ, problems)
        if general is not None and not general.topics:
            problems.append(Problem("CONNECTOR_TOPICS", "must be set"))
    problems += _unknown(environ, names, sinks_variables)
    problems += _contradictions(environ, kafka, connector, delivery)
    if problems or registry is None or connector is None:
        raise SettingsError(list(dict.fromkeys(problems)))
    return Settings(kafka, registry, connector, delivery, tuple(warnings))


def _loaded(owner: type[OwnSettings], environ: Mapping[str, str], problems: list[Problem]) -> OwnSettings | None:
    try:
        return owner.load(environ)
    except SettingsError as error:
        problems += error.problems
        return None


def load_delivery(sink: str, environ: Mapping[str, str], preferences: Mapping[str, str]) -> DeliverySettings:
    """Read one sink's delivery settings: its own variables, over the connector's, over what the vendor asks for."""
    prefix = sink.upper() + "_"
    values = {f"CONNECTOR_{field.upper()}": text for field, text in preferences.items()}
    source: dict[str, str] = {}
    for field in DeliverySettings.model_fields:
        for variable in (DeliverySettings.variable(field), prefix + field.upper()):
            if variable in environ:
                values[DeliverySettings.variable(field)] = environ[variable]
                source[DeliverySettings.variable(field)] = variable
    try:
        return DeliverySettings.load(values)
    except SettingsError as error:
        named = [Problem(source.get(one.variable, one.variable), one.message) for one in error.problems]
        raise SettingsError(named) from None


def all_variables(sinks: Iterable[type[EnvSettings]]) -> list[Variable]:
    """Every variable, for the README's table."""
    owners: tuple[type[EnvSettings], ...] = (RegistrySettings, ConnectorSettings, DeliverySettings, *sinks)
    return [variable for owner in owners for variable in owner.variables()]


def _unknown(environ: Mapping[str, str], sinks: Iterable[str], known: Mapping[str, frozenset[str]]) -> list[Problem]:
    own = ConnectorSettings.names() | DeliverySettings.names() | RegistrySettings.names()
    prefixes = [ConnectorSettings.prefix(), RegistrySettings.prefix()]
    for sink in sinks:
        prefix = sink.upper() + "_"
        prefixes.append(prefix)
        own |= known.get(sink, frozenset()) | {prefix + field.upper() for field in DeliverySettings.model_fields}
    return list(unknown(environ, prefixes, own))


def _contradictions(
    environ: Mapping[str, str],
    kafka: Mapping[str, str],
    connector: ConnectorSettings | None,
    delivery: Mapping[str, DeliverySettings],
) -> list[Problem]:
    budgets_s: dict[str, float] = {}
    problems: list[Problem] = []
    letters = [f"{connector.dead_letter_prefix}.{sink}" for sink in delivery] if connector else []
    for sink, settings in delivery.items():
        budgets_s[_source("drain_budget", sink, environ)] = settings.drain_budget
        if not settings.topics:
            problems.append(Problem("CONNECTOR_TOPICS", f"must be set, or {sink.upper()}_TOPICS"))
        problems += read_letters(settings.topics, letters, _source("topics", sink, environ))
    problems += slow_drains(kafka.get("max.poll.interval.ms"), budgets_s)
    problems += schema_sources(environ)
    problems += missing_files(environ)
    return problems


def _source(field: str, sink: str, environ: Mapping[str, str]) -> str:
    """Return the variable that a sink's delivery setting comes from."""
    own = f"{sink.upper()}_{field.upper()}"
    return own if own in environ else DeliverySettings.variable(field)
