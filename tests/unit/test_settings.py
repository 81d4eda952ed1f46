"""All settings together: overrides by sink, unknown names, contradictions."""

from pathlib import Path

import pytest

from connector.environment import EnvSettings
from connector.errors import SettingsError
from connector.settings import ConnectorSettings, DeliverySettings, RegistrySettings, Settings, all_variables
from connector.settings import load_settings as load
from connector.sinks.registry import installed, settings_class

ENOUGH = {
    "KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
    "SCHEMA_REGISTRY_URL": "http://registry:8081",
    "CONNECTOR_SINKS": "segment",
    "CONNECTOR_TOPICS": "events",
}
OF_SINKS = {
    "segment": frozenset({"SEGMENT_WRITE_KEY", "SEGMENT_WRITE_KEY_FILE", "SEGMENT_REGION"}),
    "suprsend": frozenset({"SUPRSEND_WORKSPACE_KEY"}),
}


def settings(**variables: str) -> Settings:
    return load({**ENOUGH, **variables}, OF_SINKS, {})


def problems(environ: dict[str, str] | None = None, /, **variables: str) -> dict[str, str]:
    with pytest.raises(SettingsError) as refused:
        load({**(ENOUGH if environ is None else environ), **variables}, OF_SINKS, {})
    return {problem.variable: problem.message for problem in refused.value.problems}


def test_four_variables_are_enough() -> None:
    given = settings()
    assert given.kafka == {"bootstrap.servers": "kafka:9092"}
    assert given.registry.url == "http://registry:8081"
    assert (given.connector.sinks, given.connector.group_id) == (("segment",), "connector")
    assert given.connector.dead_letter_prefix == "connector.dead-letters"
    assert given.delivery["segment"].topics == ("events",)
    assert given.warnings == ()


def test_defaults_of_delivery_are_those_documented() -> None:
    given = settings().delivery["segment"]
    assert (given.start_from, given.on_out_of_range, given.order_by) == ("earliest", "halt", "key")
    assert (given.max_in_flight, given.memory_budget, given.max_ahead) == (16, 64 * 1024 * 1024, 20_000)
    assert (given.max_age, given.drain_budget, given.park) == (None, 10.0, 600.0)
    assert (given.ambiguous, given.guard, given.consent) == ("resend", "on", None)
    assert (given.events_allow, given.events_deny) == ((), ())


def test_a_sink_of_many_may_have_settings_of_its_own() -> None:
    given = settings(
        CONNECTOR_SINKS="segment, suprsend",
        CONNECTOR_MAX_AGE="2h",
        SEGMENT_MAX_AGE="off",
        SEGMENT_TOPICS="clicks,views",
        SEGMENT_MAX_IN_FLIGHT="4",
        SUPRSEND_CONSENT="messages",
    ).delivery
    assert (given["segment"].max_age, given["suprsend"].max_age) == (None, 7_200)
    assert (given["segment"].topics, given["suprsend"].topics) == (("clicks", "views"), ("events",))
    assert (given["segment"].max_in_flight, given["suprsend"].max_in_flight) == (4, 16)
    assert (given["segment"].consent, given["suprsend"].consent) == (None, "messages")


def test_every_delivery_setting_may_be_overridden_for_one_sink() -> None:
    chosen = {
        "topics": "clicks",
        "start_from": "latest",
        "on_out_of_range": "earliest",
        "order_by": "user",
        "max_in_flight": "3",
        "memory_budget": "8MiB",
        "max_ahead": "100",
        "max_age": "1h",
        "drain_budget": "5s",
        "park": "0",
        "ambiguous": "dead_letter",
        "guard": "off",
        "events_allow": "Order",
        "events_deny": "Debug",
        "consent": "marketing",
    }
    assert chosen.keys() == DeliverySettings.model_fields.keys()
    given = settings(**{f"SEGMENT_{field.upper()}": text for field, text in chosen.items()}).delivery["segment"]
    default = settings().delivery["segment"]
    assert all(getattr(given, field) != getattr(default, field) for field in chosen)


def test_what_a_vendor_asks_for_gives_way_to_what_the_operator_says() -> None:
    wanted = {"segment": {"start_from": "latest", "max_age": "86400.0s"}}
    assert load(ENOUGH, OF_SINKS, wanted).delivery["segment"].start_from == "latest"
    assert load(ENOUGH, OF_SINKS, wanted).delivery["segment"].max_age == 86_400
    said = load({**ENOUGH, "CONNECTOR_START_FROM": "earliest", "SEGMENT_MAX_AGE": "off"}, OF_SINKS, wanted)
    assert (said.delivery["segment"].start_from, said.delivery["segment"].max_age) == ("earliest", None)


def test_all_mistakes_of_all_parts_are_reported_at_once() -> None:
    found = problems(
        {},
        KAFKA_GROUP_ID="mine",
        CONNECTOR_SINKS="segment",
        CONNECTOR_HTTP_PORT="99999",
        SEGMENT_ORDER_BY="age",
        SCHEMA_REGISTRY_TIMEOUT="0",
    )
    assert found.keys() == {
        "KAFKA_GROUP_ID",
        "KAFKA_BOOTSTRAP_SERVERS",
        "CONNECTOR_HTTP_PORT",
        "SEGMENT_ORDER_BY",
        "SCHEMA_REGISTRY_TIMEOUT",
        "SCHEMA_REGISTRY_URL",
    }
    assert found["SEGMENT_ORDER_BY"] == "must be 'key', 'user', 'partition' or 'none'"


def test_mistakes_are_found_before_any_sink_is_named() -> None:
    assert problems({}, CONNECTOR_ORDER_BY="age").keys() == {
        "KAFKA_BOOTSTRAP_SERVERS",
        "SCHEMA_REGISTRY_URL",
        "CONNECTOR_SINKS",
        "CONNECTOR_ORDER_BY",
    }
    assert problems({})["CONNECTOR_TOPICS"] == "must be set"


def test_a_mistake_shared_by_sinks_is_reported_once() -> None:
    with pytest.raises(SettingsError) as refused:
        settings(CONNECTOR_SINKS="segment,suprsend", CONNECTOR_ORDER_BY="age")
    assert [problem.variable for problem in refused.value.problems] == ["CONNECTOR_ORDER_BY"]


def test_sinks_and_topics_must_be_named() -> None:
    assert problems(CONNECTOR_SINKS="") == {"CONNECTOR_SINKS": "must not be empty"}
    assert problems(CONNECTOR_TOPICS=" , ") == {"CONNECTOR_TOPICS": "must be set, or SEGMENT_TOPICS"}
    without = {name: text for name, text in ENOUGH.items() if name != "CONNECTOR_TOPICS"}
    assert problems(without) == {"CONNECTOR_TOPICS": "must be set, or SEGMENT_TOPICS"}
    assert load({**without, "SEGMENT_TOPICS": "^clicks-.*"}, OF_SINKS, {}).delivery["segment"].topics == ("^clicks-.*",)


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("CONNECTOR_TOPIC", "CONNECTOR_TOPICS"),
        ("CONNECTOR_MAX_INFLIGHT", "CONNECTOR_MAX_IN_FLIGHT"),
        ("SCHEMA_REGISTRY_URI", "SCHEMA_REGISTRY_URL"),
        ("SEGMENT_WRITEKEY", "SEGMENT_WRITE_KEY"),
        ("SEGMENT_MAXAGE", "SEGMENT_MAX_AGE"),
    ],
)
def test_an_unknown_variable_of_ours_is_a_problem_that_names_the_nearest(variable: str, nearest: str) -> None:
    assert problems(**{variable: "x"}) == {variable: f"is not a variable of the connector; did you mean {nearest}?"}


def test_an_unknown_variable_unlike_any_other_is_still_a_problem() -> None:
    assert problems(CONNECTOR_QQQQ="x") == {"CONNECTOR_QQQQ": "is not a variable of the connector"}


def test_variables_of_sinks_that_are_not_enabled_are_passed_over() -> None:
    assert settings(SUPRSEND_ANYTHING="x", MPARTICLE_MAX_AGE="?").delivery.keys() == {"segment"}


@pytest.mark.parametrize(
    "variable", ["CONNECTOR_SERVICE_HOST", "CONNECTOR_SERVICE_PORT", "SCHEMA_REGISTRY_PORT_8081_TCP", "SEGMENT_PORT"]
)
def test_what_kubernetes_injects_is_passed_over(variable: str) -> None:
    assert settings(**{variable: "tcp://10.0.0.1:80"}).warnings == ()


def test_what_the_kafka_client_does_not_know_is_warned_of() -> None:
    assert settings(KAFKA_HEAP_OPTS="-Xmx1G").warnings == (
        "KAFKA_HEAP_OPTS is no property of the Kafka client and is ignored",
    )


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("earliest", "earliest"),
        ("latest", "latest"),
        ("24h", "24h"),
        ("2025-01-31T12:00:00Z", "2025-01-31T12:00:00+00:00"),
        ("2025-01-31T12:00:00+02:00", "2025-01-31T12:00:00+02:00"),
        ("2025-01-31T12:00:00", "2025-01-31T12:00:00+00:00"),
        ("2025-01-31", "2025-01-31T00:00:00+00:00"),
    ],
)
def test_a_start_is_an_end_of_the_log_a_time_or_a_duration(text: str, read: str) -> None:
    assert settings(CONNECTOR_START_FROM=text).delivery["segment"].start_from == read


@pytest.mark.parametrize("text", ["", "newest", "2025-13-01", "-5m"])
def test_any_other_start_is_refused(text: str) -> None:
    assert problems(CONNECTOR_START_FROM=text) == {
        "CONNECTOR_START_FROM": "must be earliest, latest, a time such as 2025-01-31T12:00:00Z or a duration back"
    }


def test_a_drain_may_take_a_third_of_what_kafka_waits_for_a_poll() -> None:
    assert settings(CONNECTOR_DRAIN_BUDGET="100s").delivery["segment"].drain_budget == 100
    late = "must be at most a third of KAFKA_MAX_POLL_INTERVAL_MS (300000), or Kafka takes the partitions in mid-drain"
    assert problems(CONNECTOR_DRAIN_BUDGET="101s") == {"CONNECTOR_DRAIN_BUDGET": late}
    assert problems(SEGMENT_DRAIN_BUDGET="101s") == {"SEGMENT_DRAIN_BUDGET": late}
    assert problems(KAFKA_MAX_POLL_INTERVAL_MS="29000").keys() == {"CONNECTOR_DRAIN_BUDGET"}
    assert settings(KAFKA_MAX_POLL_INTERVAL_MS="30000").kafka["max.poll.interval.ms"] == "30000"


@pytest.mark.parametrize("text", ["", "5m", "1e5", "²", "-1"])
def test_the_longest_time_between_polls_is_a_whole_number(text: str) -> None:
    assert problems(KAFKA_MAX_POLL_INTERVAL_MS=text) == {
        "KAFKA_MAX_POLL_INTERVAL_MS": "must be a whole number of milliseconds"
    }


@pytest.mark.parametrize("topics", ["connector.dead-letters.segment", "events,^connector.*", "^.*"])
def test_a_flow_must_not_read_dead_letters_as_events(topics: str) -> None:
    assert problems(CONNECTOR_TOPICS=topics).keys() == {"CONNECTOR_TOPICS"}
    assert problems(SEGMENT_TOPICS=topics).keys() == {"SEGMENT_TOPICS"}


def test_topics_beside_the_dead_letters_may_be_read() -> None:
    given = settings(CONNECTOR_TOPICS="^connector.*", CONNECTOR_DEAD_LETTER_PREFIX="letters")
    assert given.delivery["segment"].topics == ("^connector.*",)


def test_no_letters_are_read_where_the_pattern_misses_them() -> None:
    given = settings(CONNECTOR_TOPICS=r"^events\..*,connector.dead-letters,^[")
    assert given.delivery["segment"].topics == (r"^events\..*", "connector.dead-letters", "^[")


def test_schemas_come_from_a_registry_or_a_folder(tmp_path: Path) -> None:
    without = {name: text for name, text in ENOUGH.items() if name != "SCHEMA_REGISTRY_URL"}
    assert problems(without).keys() == {"SCHEMA_REGISTRY_URL"}
    given = load({**without, "CONNECTOR_SCHEMA_DIR": str(tmp_path)}, OF_SINKS, {})
    assert given.registry.url is None
    assert problems(CONNECTOR_SCHEMA_DIR=str(tmp_path / "absent")) == {"CONNECTOR_SCHEMA_DIR": "must name a folder"}


def test_the_registry_has_one_way_of_signing_in() -> None:
    given = settings(SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO="me:pass:word").registry
    assert given.basic_auth_user_info is not None
    assert given.basic_auth_user_info.get_secret_value() == "me:pass:word"
    assert problems(SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO="me").keys() == {"SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO"}
    assert problems(SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO="me:it", SCHEMA_REGISTRY_BEARER_AUTH_TOKEN="token") == {
        "SCHEMA_REGISTRY_BEARER_AUTH_TOKEN": "is set beside SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO; set only one of them"
    }


@pytest.mark.parametrize("url", ["", "registry:8081", "ftp://registry"])
def test_the_registry_has_a_web_address(url: str) -> None:
    assert problems(SCHEMA_REGISTRY_URL=url) == {
        "SCHEMA_REGISTRY_URL": "must be an address that begins with http:// or https://"
    }


def test_the_registry_address_holds_no_credentials() -> None:
    found = problems(SCHEMA_REGISTRY_URL="http://me:hush@registry:8081")
    assert found == {"SCHEMA_REGISTRY_URL": "must hold no credentials; set SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO"}


@pytest.mark.parametrize("variable", ["CONNECTOR_HTTP_CA_FILE", "SCHEMA_REGISTRY_SSL_CA_LOCATION"])
def test_a_file_of_certificate_authorities_must_be_there(variable: str, tmp_path: Path) -> None:
    assert problems(**{variable: str(tmp_path / "absent.pem")}) == {variable: "must name a file"}


def test_patterns_of_event_names_are_checked() -> None:
    given = settings(SEGMENT_EVENTS_ALLOW="Order .*,Signed Up$").delivery["segment"]
    assert given.events_allow == ("Order .*", "Signed Up$")
    given = settings(SEGMENT_EVENTS_DENY=r"a{1,3}b,[x-z]{2,}\Z, c").delivery["segment"]
    assert given.events_deny == ("a{1,3}b", r"[x-z]{2,}\Z", "c")
    assert problems(SEGMENT_EVENTS_DENY="Order (") == {
        "SEGMENT_EVENTS_DENY": "must be a comma-separated list of regular expressions"
    }


def test_no_secret_is_in_what_settings_show() -> None:
    given = settings(SCHEMA_REGISTRY_BEARER_AUTH_TOKEN="hush-token", CONNECTOR_HTTP_PROXY="http://me:hush@proxy:3128")
    assert "hush" not in f"{given.registry!r}{given.connector!r}{given.delivery!r}"


def test_every_variable_of_every_class_is_in_the_table_and_says_what_it_is_for() -> None:
    sinks: list[type[EnvSettings]] = [settings_class(name) for name in installed()]
    shown = all_variables(sinks)
    owners: list[type[EnvSettings]] = [RegistrySettings, ConnectorSettings, DeliverySettings, *sinks]
    expected = {owner.variable(field) for owner in owners for field in owner.model_fields}
    assert {variable.name for variable in shown} == expected
    assert len(shown) == len(expected)
    assert [variable.name for variable in shown if not variable.meaning] == []


def test_no_sink_has_a_variable_that_is_a_delivery_setting() -> None:
    for name in installed():
        overrides = {f"{name.upper()}_{field.upper()}" for field in DeliverySettings.model_fields}
        assert settings_class(name).names() & overrides == set()
