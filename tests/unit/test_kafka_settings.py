"""KAFKA_* variables into the client's properties."""

from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaException

from connector.kafka_settings import KNOWN, REFUSED, SECRETS, injected, property_name, read_kafka, variable_name

BROKER = {"KAFKA_BOOTSTRAP_SERVERS": "kafka:9092"}


def messages(**variables: str) -> dict[str, str]:
    return {problem.variable: problem.message for problem in read_kafka({**BROKER, **variables})[1]}


def test_a_variable_sets_the_property_of_its_name() -> None:
    properties, problems, warnings = read_kafka(
        {**BROKER, "KAFKA_SASL_USERNAME": "me", "KAFKA_LOG_LEVEL": "5", "PATH": "/bin"}
    )
    assert properties == {"bootstrap.servers": "kafka:9092", "sasl.username": "me", "log_level": "5"}
    assert (problems, warnings) == ([], [])


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_every_known_property_has_a_variable_of_its_own(name: str) -> None:
    assert property_name(variable_name(name)) == name


def test_the_client_knows_every_known_property() -> None:
    unknown = []
    for name in sorted(KNOWN):
        try:
            Consumer({"group.id": "settings", name: "?"}).close()
        except KafkaException as error:
            if "No such configuration property" in str(error):
                unknown.append(name)
        except TypeError:
            # A property that must be a function is known, too.
            continue
    assert unknown == []


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_property_that_the_guarantees_rest_on_is_refused_with_the_reason(name: str) -> None:
    assert messages(**{variable_name(name): "x"}) == {variable_name(name): f"must not be set: {REFUSED[name]}"}


@pytest.mark.parametrize(
    "name",
    [
        "enable.auto.commit",
        "enable.auto.offset.store",
        "auto.offset.reset",
        "group.id",
        "partition.assignment.strategy",
        "isolation.level",
        "enable.idempotence",
        "acks",
    ],
)
def test_what_delivery_rests_on_is_among_the_refused(name: str) -> None:
    assert name in REFUSED


def test_a_typing_error_is_a_problem_that_names_the_nearest_property() -> None:
    assert messages(KAFKA_SASL_PASWORD="x") == {
        "KAFKA_SASL_PASWORD": "is no property of the client; did you mean KAFKA_SASL_PASSWORD?"
    }


def test_a_name_unlike_any_property_is_only_warned_of() -> None:
    properties, problems, warnings = read_kafka({**BROKER, "KAFKA_HEAP_OPTS": "-Xmx1G"})
    assert problems == []
    assert warnings == ["KAFKA_HEAP_OPTS is no property of the Kafka client and is ignored"]
    assert "heap.opts" not in properties


def test_brokers_must_be_named() -> None:
    assert [problem.variable for problem in read_kafka({})[1]] == ["KAFKA_BOOTSTRAP_SERVERS"]
    assert [problem.variable for problem in read_kafka({"KAFKA_BOOTSTRAP_SERVERS": ""})[1]] == [
        "KAFKA_BOOTSTRAP_SERVERS"
    ]


def test_the_group_protocol_is_one_of_two() -> None:
    assert messages(KAFKA_GROUP_PROTOCOL="consumer") == {}
    assert messages(KAFKA_GROUP_PROTOCOL="classic") == {}
    assert messages(KAFKA_GROUP_PROTOCOL="streams") == {"KAFKA_GROUP_PROTOCOL": "must be classic or consumer"}


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_secret_property_may_come_from_a_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("hush\n")
    properties, problems, _ = read_kafka({**BROKER, variable_name(name) + "_FILE": str(tmp_path / "secret")})
    assert problems == []
    assert properties[name] == "hush"


def test_a_secret_file_that_cannot_be_read_is_a_problem_of_its_variable(tmp_path: Path) -> None:
    assert messages(KAFKA_SASL_PASSWORD_FILE=str(tmp_path / "absent")) == {
        "KAFKA_SASL_PASSWORD_FILE": "names a file that cannot be read as text"
    }


def test_a_secret_given_twice_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from the file")
    assert messages(KAFKA_SASL_PASSWORD="direct", KAFKA_SASL_PASSWORD_FILE=str(tmp_path / "secret")) == {
        "KAFKA_SASL_PASSWORD_FILE": "is set beside KAFKA_SASL_PASSWORD; set only one"
    }


@pytest.mark.parametrize(
    "variable",
    [
        "KAFKA_SERVICE_HOST",
        "KAFKA_SERVICE_PORT",
        "KAFKA_SERVICE_PORT_CLIENTS",
        "KAFKA_PORT",
        "KAFKA_PORT_9092_TCP",
        "KAFKA_PORT_9092_TCP_ADDR",
        "CONNECTOR_METRICS_SERVICE_HOST",
    ],
)
def test_what_kubernetes_injects_is_passed_over(variable: str) -> None:
    assert injected(variable)
    assert read_kafka({**BROKER, variable: "10.0.0.1"})[1:] == ([], [])


@pytest.mark.parametrize("variable", ["KAFKA_SASL_USERNAME", "CONNECTOR_TOPICS", "SEGMENT_WRITE_KEY", "KAFKA_PORTS"])
def test_what_an_operator_sets_is_not_taken_for_injected(variable: str) -> None:
    assert not injected(variable)
