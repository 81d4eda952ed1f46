"""SuprSend's golden cases, and the rules that no single case shows."""

import json
from collections.abc import Callable

import pytest

from connector.domain.events import KINDS, Event, Operation, ProfileEdit, Track, Workflow
from connector.errors import Untranslatable
from connector.sinks.contract import Payload, Payloads, Scene, Skip
from connector.sinks.suprsend import create
from tests.unit.sinks.cases import NOW_MS, RECORD_ID, Case, assert_translated, cases_of

KEY = "wskey_AbCdEfGhIjKlMnOpQrSt"
SINK = create({"SUPRSEND_WORKSPACE_KEY": KEY, "SUPRSEND_WORKSPACE_SECRET": "wssecret"})
SCENE = Scene(now_ms=NOW_MS, record_id=RECORD_ID)


def payload_of(event: Event) -> Payload:
    translation = SINK.translate(event, SCENE)
    assert isinstance(translation, Payloads)
    (payload,) = translation.payloads
    return payload


def refusal_of(event: Event) -> tuple[str, str]:
    with pytest.raises(Untranslatable) as refused:
        SINK.translate(event, SCENE)
    assert refused.value.__cause__ is None
    return refused.value.reason, refused.value.detail


@pytest.mark.parametrize("case", cases_of("suprsend"), ids=lambda case: case.name)
def test_a_case_is_translated_as_written(case: Case) -> None:
    assert_translated(SINK, case)


def test_every_kind_has_a_case() -> None:
    assert {case.event["kind"] for case in cases_of("suprsend")} == set(KINDS)


def test_a_kind_it_does_not_know_is_skipped() -> None:
    assert SINK.translate(Event(user_id="u1"), SCENE) == Skip("kind")


def test_a_short_id_becomes_an_insert_id_of_36_characters_for_good_and_stays_the_key() -> None:
    bodies = [json.loads(payload_of(Track(name="ev", user_id="u1", message_id="m1")).body) for _ in range(2)]
    assert bodies[0]["$insert_id"] == bodies[1]["$insert_id"]
    assert len(bodies[0]["$insert_id"]) == 36
    assert bodies[0]["$idempotency_key"] == "m1"


def test_without_an_id_the_record_names_the_event_and_its_reading_dates_it() -> None:
    body = json.loads(payload_of(Track(name="ev", user_id="u1")).body)
    assert (body["$insert_id"], body["$idempotency_key"]) == (RECORD_ID, RECORD_ID)
    assert body["$time"] == NOW_MS


def test_an_id_too_long_for_a_key_is_replaced_but_a_key_of_its_own_is_refused() -> None:
    body = json.loads(payload_of(Track(name="ev", user_id="u1", message_id="m" * 256)).body)
    assert len(body["$idempotency_key"]) == 36
    assert refusal_of(Track(name="ev", user_id="u1", idempotency_key="m" * 256))[0] == "schema"


def test_lengths_are_counted_in_code_points() -> None:
    kept = payload_of(Track(name="ev", user_id="u1", idempotency_key="\U0001f600" * 255))
    assert json.loads(kept.body)["$idempotency_key"] == "\U0001f600" * 255
    refused = refusal_of(Track(name="ev", user_id="u1", idempotency_key="\U0001f600" * 256))
    assert refused == ("schema", "$idempotency_key: maxLength")


def test_a_workspace_key_of_19_characters_sends_workflows_but_no_event() -> None:
    sink = create({"SUPRSEND_WORKSPACE_KEY": "k" * 19, "SUPRSEND_WORKSPACE_SECRET": "s"})
    assert isinstance(sink.translate(Workflow(slug="w", recipients=("u1",)), SCENE), Payloads)
    with pytest.raises(Untranslatable) as refused:
        sink.translate(Track(name="ev", user_id="u1"), SCENE)
    assert refused.value.detail == "env: minLength"


def track(properties: dict[str, object]) -> Event:
    return Track(name="ev", user_id="u1", properties=properties)


def trigger(properties: dict[str, object]) -> Event:
    return Workflow(slug="w", recipients=("u1",), data=properties)


def described(properties: dict[str, object]) -> Event:
    return Workflow(name="nn", template="tt", category="cc", recipients=("u1",), data=properties)


def edit(properties: dict[str, object]) -> Event:
    return ProfileEdit(user_id="u1", operations=(Operation(op="set", properties=properties),))


def spaced(payload: Payload) -> int:
    """Count bytes as the vendor does: with a space after each comma and colon."""
    return len(json.dumps(json.loads(payload.body)))


@pytest.mark.parametrize(
    ("event_of", "most", "endpoint"),
    [
        (track, 819_200, "events"),
        (trigger, 819_000, "triggers"),
        (described, 819_000, "workflows"),
        (edit, 10_240, "users"),
    ],
)
def test_a_record_of_the_most_bytes_is_taken_and_one_more_is_not(
    event_of: Callable[[dict[str, object]], Event], most: int, endpoint: str
) -> None:
    bare = spaced(payload_of(event_of({"pad": "", "list": [1, 2, 3]})))
    largest = payload_of(event_of({"pad": "x" * (most - bare), "list": [1, 2, 3]}))
    assert (spaced(largest), largest.endpoint) == (most, endpoint)
    assert refusal_of(event_of({"pad": "x" * (most - bare + 1), "list": [1, 2, 3]})) == ("too_large", endpoint)


def test_text_that_is_no_unicode_is_refused_without_being_named() -> None:
    event = Track(name="ev", user_id="u1", properties={"note": "secret\ud800"})
    assert refusal_of(event) == ("not_encodable", "")


@pytest.mark.parametrize("delay", ["2d3h", "1d2h30m10s", "0s", "23h", "59m", "007d", "01h01m", "10d"])
def test_a_duration_is_days_hours_minutes_and_seconds_within_their_bounds(delay: str) -> None:
    workflow = Workflow(name="nn", template="tt", category="cc", recipients=("u1",), delay=delay)
    assert json.loads(payload_of(workflow).body)["delay"] == delay


@pytest.mark.parametrize(
    "delay", ["48h", "24h", "60m", "60s", "", "1h1d", "h", "60", "-1s", "1.5h", "1D", "٣d", "2h\n", " 2h"]
)
def test_any_other_text_is_no_duration(delay: str) -> None:
    workflow = Workflow(name="nn", template="tt", category="cc", recipients=("u1",), delay=delay)
    assert refusal_of(workflow) == ("bad_duration", "delay")
