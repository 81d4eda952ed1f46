"""Tracking logs of Open edX, as its event bus publishes them."""

import json
from typing import Any

import pytest

from connector.domain.events import Track, TrackingLog
from connector.domain.record import Partition, Record
from connector.errors import Undecodable
from connector.pipeline.decode import Ignored
from connector.pipeline.event_map import parse_event_map
from connector.pipeline.framing import confluent_head
from tests.unit.pipeline.avro_values import ID, body, decoded, decoder_of, track

TODAY = "org.openedx.analytics.tracking.event.emitted.v1.CloudEvent"
FORMERLY = "org.openedx.analytics.event_tracking.emitted.v1.CloudEvent"
NAME = "edx.course.enrollment.activated"


def cloud_event(name: str = TODAY) -> dict[str, Any]:
    content = [{"name": part, "type": ["null", "string"]} for part in ("name", "timestamp", "data", "context")]
    log = {"type": "record", "name": "TrackingLogData", "fields": content}
    space, _, short = name.rpartition(".")
    return {"type": "record", "name": short, "namespace": space, "fields": [{"name": "tracking_log", "type": log}]}


def logged(**parts: str | None) -> dict[str, Any]:
    usual = {
        "name": NAME,
        "timestamp": "2025-02-03T04:05:06.789012+00:00",
        "data": '{"course_id": "course-v1:edX+DemoX+Demo", "mode": "audit"}',
        "context": '{"user_id": 10, "path": "/p"}',
    }
    return {"tracking_log": {**usual, **parts}}


def log(**parts: str | None) -> TrackingLog:
    event = decoded(cloud_event(), logged(**parts))
    assert isinstance(event, TrackingLog)
    return event


@pytest.mark.parametrize("name", [TODAY, FORMERLY])
def test_a_log_is_read_with_its_two_json_texts(name: str) -> None:
    # 2025-02-03T04:05:06Z is 1,738,555,506 seconds after the epoch.
    assert decoded(cloud_event(name), logged()) == TrackingLog(
        name=NAME,
        user_id="10",
        timestamp_ms=1_738_555_506_789,
        log_timestamp="2025-02-03T04:05:06.789012+00:00",
        log_data={"course_id": "course-v1:edX+DemoX+Demo", "mode": "audit"},
        log_context={"user_id": 10, "path": "/p"},
    )


@pytest.mark.parametrize(
    ("context", "user", "kept"),
    [
        ('{"user_id": 10}', "10", {"user_id": 10}),
        ('{"user_id": "u-1"}', "u-1", {"user_id": "u-1"}),
        ('{"user_id": ""}', None, {"user_id": ""}),
        ('{"user_id": 0}', None, {"user_id": 0}),
        ('{"user_id": null}', None, {"user_id": None}),
        ('{"user_id": true}', None, {"user_id": True}),
        ('{"user_id": [1]}', None, {"user_id": [1]}),
        ("{}", None, {}),
        ("null", None, {}),
        ("", None, {}),
        (None, None, {}),
    ],
)
def test_who_it_was_about_is_kept_as_logged_and_orders_where_it_names_one(
    context: str | None, user: str | None, kept: dict[str, Any]
) -> None:
    event = log(context=context)
    assert (event.user_id, event.log_context) == (user, kept)


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        ('"input_1=a&input_2=b"', "input_1=a&input_2=b"),
        ("[1, null]", [1, None]),
        ("null", None),
        ("", None),
        ("{}", {}),
    ],
)
def test_what_was_logged_may_be_anything(data: str, kept: object) -> None:
    assert log(data=data).log_data == kept


@pytest.mark.parametrize(
    ("parts", "reason", "field"),
    [
        ({"data": '{"a": '}, "bad_json", "tracking_log.data"),
        ({"data": '{"a":' * 100_000}, "too_deep", "tracking_log.data"),
        ({"context": "user"}, "bad_json", "tracking_log.context"),
        ({"context": "[10]"}, "bad_json", "tracking_log.context"),
        ({"name": None}, "bad_field", "name"),
        ({"timestamp": "yesterday"}, "bad_field", "timestamp_ms"),
    ],
)
def test_a_log_that_cannot_be_read_is_undecodable(parts: dict[str, str | None], reason: str, field: str) -> None:
    with pytest.raises(Undecodable) as caught:
        log(**parts)
    assert (caught.value.reason, caught.value.detail) == (reason, field)


def test_a_cloud_event_without_a_log_is_undecodable() -> None:
    schema = {**cloud_event(), "fields": [{"name": "other", "type": "string"}]}
    with pytest.raises(Undecodable) as caught:
        decoded(schema, {"other": "x"})
    assert (caught.value.reason, caught.value.detail) == ("bad_field", "tracking_log")


def test_what_is_configured_goes_before_what_is_built_in() -> None:
    mapped = parse_event_map(f'{{"{TODAY}": {{"kind": "Track", "name": "tracking_log.name"}}}}')
    event = decoded(cloud_event(), logged(), event_map=mapped)
    assert isinstance(event, Track)
    assert event.name == NAME
    assert decoded(cloud_event(), logged(), ignore=[TODAY]) == Ignored("ignored")


@pytest.mark.parametrize(
    ("header", "recorded", "timestamp_ms"),
    [
        (b"2025-02-03T04:05:06.789+00:00", 5, 1_738_555_506_789),
        (b"2025-02-03T04:05:06.789Z", -1, 1_738_555_506_789),
        (b"yesterday", 5, 5),
        (b"\xff", 5, 5),
        (b"", 5, 5),
        (None, -1, None),
    ],
)
def test_an_event_without_a_time_has_that_of_its_cloud_event(
    header: bytes | None, recorded: int, timestamp_ms: int | None
) -> None:
    value = confluent_head(ID) + body(track(), {"name": "n"})
    headers = (("ce_id", b"e1"), ("ce_time", header))
    event = decoder_of(track()).decode(Record(Partition("events", 0), 5, recorded, b"key", value, headers))
    assert event == Track(name="n", timestamp_ms=timestamp_ms)


def test_a_log_of_maps_needs_no_parsing() -> None:
    content: list[dict[str, Any]] = [
        {"name": "name", "type": "string"},
        {"name": "data", "type": {"type": "map", "values": "string"}},
        {"name": "context", "type": {"type": "map", "values": "string"}},
    ]
    schema = cloud_event()
    schema["fields"][0]["type"]["fields"] = content
    value = {"tracking_log": {"name": NAME, "data": {}, "context": {"user_id": "u-1"}}}
    event = decoded(json.loads(json.dumps(schema)), value)
    assert event == TrackingLog(name=NAME, user_id="u-1", log_data={}, log_context={"user_id": "u-1"})
