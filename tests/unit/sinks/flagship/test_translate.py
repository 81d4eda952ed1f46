"""Flagship's golden cases, and the rules that no single case shows."""

from typing import Any

import msgspec
import pytest

from connector.domain.events import Event, Exposure, Identify, Page, Screen, Track
from connector.errors import Untranslatable
from connector.sinks.contract import Hold, Payload, Payloads, Scene, Sink, Skip
from connector.sinks.flagship import create
from tests.unit.sinks.cases import NOW_MS, RECORD_ID, Case, assert_translated, cases_of
from tests.unit.sinks.flagship.sample import ENV_ID, FEED, FILE, scene

H4_MS = 4 * 3_600_000


def sink(**variables: str) -> Sink:
    return create({"FLAGSHIP_ENV_ID": ENV_ID, **{f"FLAGSHIP_{name}": value for name, value in variables.items()}})


def payload_of(event: Event, made_by: Sink | None = None) -> Payload:
    translation = (made_by or sink()).translate(event, scene())
    assert isinstance(translation, Payloads)
    (payload,) = translation.payloads
    return payload


def body_of(event: Event, made_by: Sink | None = None) -> dict[str, Any]:
    decoded = msgspec.json.decode(payload_of(event, made_by).body)
    assert isinstance(decoded, dict)
    return decoded


@pytest.mark.parametrize("case", cases_of("flagship"), ids=lambda case: case.name)
def test_a_case_is_translated_as_written(case: Case) -> None:
    assert_translated(sink(), case, scene())


def test_nothing_is_sent_before_the_first_file_is_there() -> None:
    waits = Scene(now_ms=NOW_MS, record_id=RECORD_ID, feeds={FEED: None})
    assert sink().translate(Track(name="a", user_id="bc"), waits) == Hold(FEED)
    assert sink().needs(Exposure(flag="colour", user_id="bc"), waits) == ()


@pytest.mark.parametrize(("setting", "outcome"), [("skip", Skip("panic")), ("hold", Hold(FEED))])
def test_in_panic_everything_is_skipped_or_held(setting: str, outcome: Skip | Hold) -> None:
    panic = scene({**FILE, "panic": True})
    for event in (Track(name="a", user_id="bc"), Exposure(flag="colour", user_id="bc"), Identify(user_id="bc")):
        assert sink(PANIC=setting).translate(event, panic) == outcome


def test_an_event_without_a_time_is_of_now() -> None:
    payload = payload_of(Track(name="a", user_id="bc"))
    assert (payload.time_ms, payload.not_after_ms) == (NOW_MS, NOW_MS + H4_MS)


def test_an_old_event_may_be_sent_as_of_now() -> None:
    payload = payload_of(Track(name="a", user_id="bc", timestamp_ms=NOW_MS - 2 * H4_MS), sink(TOO_OLD="now"))
    assert (payload.time_ms, payload.not_after_ms) == (NOW_MS - 2 * H4_MS, None)


@pytest.mark.parametrize(
    ("value", "sent"),
    [(1, 1), (0, 0), (420.0, 420), (-1, None), (0.5, None), (float("nan"), None), (float("inf"), None), (None, None)],
)
def test_only_a_whole_value_from_0_on_travels_and_the_hit_goes_in_any_case(
    value: float | None, sent: int | None
) -> None:
    assert body_of(Track(name="a", user_id="bc", value=value)).get("ev") == sent


@pytest.mark.parametrize(
    "event",
    [
        Track(name="a" * 501, user_id="bc"),
        Track(name="a", label="l" * 501, user_id="bc"),
        Screen(name="é" * 1025, user_id="bc"),
        Page(properties={"url": "https://h.example/" + "a" * 2031}, user_id="bc"),
    ],
)
def test_what_is_longer_than_the_vendor_takes_is_refused(event: Event) -> None:
    with pytest.raises(Untranslatable) as refused:
        sink().translate(event, scene())
    assert refused.value.reason == "too_long"


@pytest.mark.parametrize("url", ["", "page", "//h.example/a", "https://", "http://[h/", "https://h.example/a b"])
def test_a_page_needs_an_address_with_scheme_and_host(url: str) -> None:
    with pytest.raises(Untranslatable) as refused:
        sink().translate(Page(properties={"url": url}, user_id="bc"), scene())
    assert refused.value.reason == "no_address"


# The older form


def test_the_older_form_has_no_key_for_what_is_not_there() -> None:
    single = sink(PROTOCOL="single")
    assert body_of(Screen(name="home", user_id="bc"), single) == {
        "t": "SCREENVIEW", "ds": "APP", "vid": "bc", "dl": "home",
    }  # fmt: skip
    assert body_of(Screen(name="home", user_id="log_1", anonymous_id="anon_1"), single)["cuid"] == "log_1"
    assert "aid" not in body_of(Exposure(flag="colour", user_id="bc"), single)


def test_the_older_form_tells_a_context_with_its_types_its_own_empty_keys_and_none_of_fs() -> None:
    payload = payload_of(Identify(user_id="bc", traits={"vip": True, "age": 30, "fs_x": 1}), sink(PROTOCOL="single"))
    body = msgspec.json.decode(payload.body)
    assert payload.endpoint == "context"
    assert (body["type"], body["visitorId"]) == ("CONTEXT", "bc")
    data = body["data"]
    assert (data["vip"], data["age"], data["sdk_city"]) == (True, 30, "")
    assert len(data) == 21 + 2
    assert not any(key.startswith("fs_") for key in data)


def test_rules_of_2_1_know_no_login_while_they_decide_by_the_file() -> None:
    old = sink(PROTOCOL="single", DECISION_RULES="python-2.1")
    body = body_of(Screen(name="home", user_id="log_1", anonymous_id="anon_1"), old)
    assert (body["vid"], "cuid" in body) == ("log_1", False)
