"""What is wrong between variables: unknown names, contradictions, missing files. Pure, but for looking at files."""

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from connector.errors import Problem
from connector.kafka_settings import injected

_LONGEST_POLL_MS = "300000"


def unknown(environ: Mapping[str, str], prefixes: Collection[str], own: Collection[str]) -> Iterator[Problem]:
    """Name what begins like a variable of ours and is none."""
    for variable in sorted(environ):
        prefix = next((one for one in prefixes if variable.startswith(one)), None)
        if prefix is None or variable in own or injected(variable):
            continue
        # Without the prefix, which any two of them have in common.
        known = [name.removeprefix(prefix) for name in sorted(own) if name.startswith(prefix)]
        near = difflib.get_close_matches(variable.removeprefix(prefix), known, 1, 0.6)
        hint = f"; did you mean {prefix}{near[0]}?" if near else ""
        yield Problem(variable, f"is not a variable of the connector{hint}")


def slow_drains(longest_poll_ms: str | None, budgets_s: Mapping[str, float]) -> Iterator[Problem]:
    """Name the drain budgets, by variable, that Kafka would not wait for.

    A member that does not poll for so long is put out of its group; a drain may take a third of it.
    """
    longest = _LONGEST_POLL_MS if longest_poll_ms is None else longest_poll_ms
    if not re.fullmatch(r"[0-9]{1,9}", longest):
        yield Problem("KAFKA_MAX_POLL_INTERVAL_MS", "must be a whole number of milliseconds")
        return
    for variable, budget_s in budgets_s.items():
        if budget_s * 1000 > int(longest) / 3:
            why = "or Kafka takes the partitions in mid-drain"
            yield Problem(variable, f"must be at most a third of KAFKA_MAX_POLL_INTERVAL_MS ({longest}), {why}")


def read_letters(topics: Iterable[str], letters: Iterable[str], variable: str) -> Iterator[Problem]:
    """Name topics and patterns by which a flow would read dead letters as events, for ever."""
    for topic in topics:
        for letters_topic in letters:
            if topic == letters_topic or (topic.startswith("^") and _matches(topic, letters_topic)):
                hint = "name the topics, or choose a narrower pattern"
                yield Problem(variable, f"{topic} also reads the dead-letter topic {letters_topic}; {hint}")


def schema_sources(environ: Mapping[str, str]) -> Iterator[Problem]:
    """Demand a place that schemas come from, and one way of signing in there."""
    if "SCHEMA_REGISTRY_URL" not in environ and not environ.get("CONNECTOR_SCHEMA_DIR"):
        yield Problem("SCHEMA_REGISTRY_URL", "must be set, or CONNECTOR_SCHEMA_DIR for single-object encoding")
    ways = [
        name
        for name in ("SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO", "SCHEMA_REGISTRY_BEARER_AUTH_TOKEN")
        if name in environ or f"{name}_FILE" in environ
    ]
    if len(ways) > 1:
        yield Problem(ways[1], f"is set beside {ways[0]}; set only one of them")


def missing_files(environ: Mapping[str, str]) -> Iterator[Problem]:
    folder = environ.get("CONNECTOR_SCHEMA_DIR")
    if folder and not Path(folder).is_dir():
        yield Problem("CONNECTOR_SCHEMA_DIR", "must name a folder")
    for variable in ("CONNECTOR_HTTP_CA_FILE", "SCHEMA_REGISTRY_SSL_CA_LOCATION"):
        path = environ.get(variable)
        if path and not Path(path).is_file():
            yield Problem(variable, "must name a file")


def _matches(pattern: str, topic: str) -> bool:
    try:
        return re.search(pattern, topic) is not None
    except re.error:
        # The Kafka client's patterns are another dialect: what is no pattern here may be one there.
        return False
