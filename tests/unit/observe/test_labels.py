"""What the code names as a reason or a kind is in the closed sets, so that nothing known is counted as `other`."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import KafkaError
from prometheus_client import CollectorRegistry, Histogram

import connector
from connector.observe import labels
from connector.observe.families import FLOW, PREFIX, PROCESS
from connector.observe.metrics import Metrics

ROOT = Path(connector.__file__).parent
# A letter that cannot be read is told by the replay, whose records come from no flow's topic.
NOT_COUNTED = {"not_a_letter"}


def named(calls: set[str], *folders: str) -> Iterator[str]:
    """Yield the first argument of these calls, wherever it is written out."""
    for file in (file for folder in folders for file in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in calls and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    yield first.value


@pytest.mark.parametrize(
    ("calls", "folder", "among"),
    [
        ({"Undecodable"}, "pipeline", labels.UNDECODABLE),
        ({"Rejected"}, "pipeline", labels.LETTERS),
        ({"Ignored", "Skip"}, "pipeline", labels.SKIPS),
        ({"NotSent", "Ambiguous", "SetupFailed"}, "adapters", labels.HTTP_ERRORS),
        ({"Skip"}, "sinks", labels.SKIPS),
        ({"Untranslatable"}, "sinks", labels.UNTRANSLATABLE),
        ({"Rejected"}, "sinks", labels.LETTERS),
    ],
)
def test_a_reason_written_out_in_the_code_is_a_label(calls: set[str], folder: str, among: tuple[str, ...]) -> None:
    found = set(named(calls, folder)) - NOT_COUNTED
    assert found
    assert found <= set(among)


def test_kafka_errors_are_named_as_librdkafka_names_them() -> None:
    names = {KafkaError(code).name().lower() for code in range(-200, 140)}
    callbacks = {"assign_timeout", "revoke_timeout", "lost_timeout"}
    assert set(labels.KAFKA_ERRORS) - callbacks - {labels.OTHER} <= names


def test_a_reason_to_send_again_has_one_class() -> None:
    assert set(labels.RETRY_CLASSES.values()) <= set(labels.RETRIES)
    assert not set(labels.RETRY_CLASSES) & set(labels.RETRIES)


def test_a_letter_has_every_reason_a_record_can_fail_for() -> None:
    assert {*labels.UNDECODABLE, *labels.UNTRANSLATABLE, *labels.REFUSALS} == set(labels.LETTERS)
    assert len(set(labels.LETTERS)) == len(labels.LETTERS)


def test_every_value_of_a_closed_set_is_a_series_from_the_start() -> None:
    registry = CollectorRegistry()
    Metrics(registry).flow("segment", ["events"])
    for family in (*FLOW, *PROCESS):
        if family.name not in labels.CLOSED or family.kind is Histogram:
            continue
        given = {"sink": "segment", "topic": "events"}
        free = {name: given[name] for name in family.labels[: -len(labels.CLOSED[family.name])]}
        for values in labels.at_start(family.name):
            closed = dict(zip(family.labels[len(free) :], values, strict=True))
            assert registry.get_sample_value(PREFIX + family.name, free | closed) is not None, (family.name, values)
