"""Decisions of the API."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.domain.events import Context, Exposure, Track
from connector.domain.exchange import HttpResponse
from connector.domain.outcome import Outcome, Rejected, Retryable, SetupFault, Undetermined
from connector.errors import FeedFailed
from connector.sinks.contract import Answered, Halt, Hold, Need, Payloads, Scene, Skip
from connector.sinks.flagship import FlagshipSink
from connector.sinks.flagship.api import DecisionLookup, Switch
from connector.sinks.flagship.settings import FlagshipSettings
from tests.unit.sinks.cases import NOW_MS, RECORD_ID
from tests.unit.sinks.flagship.sample import ENV_ID

FEED = f"panic-{ENV_ID}"
CAMPAIGN: dict[str, Any] = {
    "id": "c1",
    "variationGroupId": "g1",
    "variation": {"id": "v1", "modifications": {"type": "JSON", "value": {"colour": "red", "size": None}}},
}
EXPOSED = Exposure(flag="colour", user_id="u1", context=Context(traits={"plan": "pro", "list": [1]}))


def sink(**variables: str) -> FlagshipSink:
    given = {f"FLAGSHIP_{name}": value for name, value in variables.items()}
    environ = {"FLAGSHIP_ENV_ID": ENV_ID, "FLAGSHIP_MODE": "api", "FLAGSHIP_API_KEY": "ak", **given}
    return FlagshipSink(FlagshipSettings.load(environ))


def reply(status: int = 200, **body: Any) -> HttpResponse:
    return HttpResponse(status, {}, json.dumps({"visitorId": "u1", "campaigns": [CAMPAIGN], **body}).encode())


def scene(facts: dict[Need, object] | None = None) -> Scene:
    return Scene(now_ms=NOW_MS, record_id=RECORD_ID, feeds={FEED: Switch(panic=False)}, facts=facts or {})


def asked(made: FlagshipSink) -> tuple[Need, DecisionLookup]:
    (need,) = made.needs(EXPOSED, scene())
    (lookup,) = made.lookups
    assert isinstance(lookup, DecisionLookup)
    assert lookup.name == need.lookup
    return need, lookup


def answered(response: HttpResponse, flag: str = "colour", **variables: str) -> Payloads | Skip | Hold:
    made = sink(**variables)
    need, lookup = asked(made)
    event = Exposure(flag=flag, user_id="u1", context=EXPOSED.context)
    found = lookup.read(need, response)
    assert isinstance(found, Answered)
    return made.translate(event, scene({need: found.fact}))


def test_a_decision_is_asked_for_a_visitor_and_their_context_and_counts_as_no_activation() -> None:
    need, lookup = asked(sink())
    request = lookup.request(need, 0)
    assert request.url == f"https://decision.flagship.io/v2/{ENV_ID}/campaigns/?exposeAllKeys=true"
    assert (request.headers["x-api-key"], request.headers["x-sdk-version"]) == ("ak", "3.0.1")
    assert msgspec.json.decode(request.body) == {
        "visitorId": "u1", "anonymousId": None, "visitor_consent": True, "trigger_hit": False,
        "context": {"fs_client": "python", "fs_version": "3.0.1", "plan": "pro"},
    }  # fmt: skip


def test_the_older_form_asks_without_what_is_not_there() -> None:
    need, lookup = asked(sink(PROTOCOL="single"))
    request = lookup.request(need, 0)
    assert request.url.endswith("/campaigns/?exposeAllKeys=true&sendContextEvent=false")
    body = msgspec.json.decode(request.body)
    assert body.keys() == {"visitorId", "trigger_hit", "context"}
    assert body["context"]["sdk_city"] == ""


def test_questions_keep_to_200_a_second_and_wait_for_2_s_and_stand_for_a_minute() -> None:
    made = sink()
    _, lookup = asked(made)
    assert (lookup.endpoint.rate_per_s, lookup.endpoint.timeout_s, lookup.ttl_s) == (200.0, 2.0, 60.0)
    assert lookup.endpoint.quota not in {one.quota for one in made.endpoints.values()}


def test_only_a_flag_is_asked_for() -> None:
    made = sink()
    assert made.needs(Track(name="a", user_id="u1"), scene()) == ()
    assert made.needs(Exposure(variation_group_id="g", variation_id="v", user_id="u1"), scene()) == ()
    assert made.needs(Exposure(flag="colour"), scene()) == ()


def test_a_variation_without_its_group_is_not_decided_yet() -> None:
    (need,) = sink().needs(Exposure(flag="colour", variation_id="v", user_id="u1"), scene())
    assert need.lookup == "decision"


def test_a_flag_is_an_activation_of_the_variation_that_the_api_chose() -> None:
    made = answered(reply())
    assert isinstance(made, Payloads)
    assert msgspec.json.decode(made.payloads[0].body) == {"caid": "g1", "vaid": "v1", "vid": "u1", "aid": None}


def test_a_flag_that_is_null_is_an_activation_too() -> None:
    assert isinstance(answered(reply(), "size"), Payloads)


def test_a_flag_that_the_answer_lacks_is_skipped() -> None:
    assert answered(reply(), "unheard") == Skip("no_flag")


@pytest.mark.parametrize(("setting", "outcome"), [("skip", Skip("panic")), ("hold", Hold(FEED))])
def test_an_answer_of_panic_is_heeded_before_the_switch_is(setting: str, outcome: Skip | Hold) -> None:
    assert answered(reply(panic=True), PANIC=setting) == outcome


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (400, Undetermined("bad_request")),
        (413, Undetermined("too_large", by_bytes=True)),
        (401, SetupFault("credentials", "status 401")),
        (403, SetupFault("credentials", "status 403")),
        (404, SetupFault("address", "status 404")),
        (429, Retryable("rate_limited", limited=True)),
        (500, Retryable("server_error")),
        (204, Retryable("unexpected_status")),
    ],
)
def test_a_status_is_about_the_visitor_or_our_set_up_or_the_moment(status: int, outcome: Outcome | SetupFault) -> None:
    need, lookup = asked(sink())
    assert lookup.read(need, reply(status)) == outcome


@pytest.mark.parametrize(
    "response",
    [
        HttpResponse(200, {}, b"<html>"),
        HttpResponse(200, {}, b"{}"),
        HttpResponse(200, {}, b"[1]"),
        reply(campaigns=[{"id": "c1"}]),
        reply(campaigns=7),
        reply(campaigns=[{**CAMPAIGN, "variationGroupId": None}]),
    ],
)
def test_an_answer_that_holds_no_decision_is_asked_for_again(response: HttpResponse) -> None:
    need, lookup = asked(sink())
    assert lookup.read(need, response) == Retryable("unreadable")
    (feed,) = sink().feeds
    with pytest.raises(FeedFailed):
        feed.read(response, None, 0)


@given(
    status=st.sampled_from((200, 204, 302, 400, 401, 429, 500)) | st.integers(0, 999),
    body=st.binary(max_size=50)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just(CAMPAIGN),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["campaigns", "panic", "id", "variation", "value"]), inner, max_size=4)
        ),
        max_leaves=10,
    ).map(lambda value: json.dumps(value).encode()),
)
def test_no_reply_makes_a_question_raise(status: int, body: bytes) -> None:
    need, lookup = asked(sink())
    kinds = Answered | Rejected | Undetermined | Retryable | SetupFault
    assert isinstance(lookup.read(need, HttpResponse(status, {}, body)), kinds)


def test_the_panic_switch_is_asked_for_nobody_and_follows_each_answer() -> None:
    (feed,) = sink().feeds
    request = feed.request(None, 0, b"")
    assert msgspec.json.decode(request.body)["trigger_hit"] is False
    on, off = (feed.read(reply(panic=panic), None, 0) for panic in (True, False))
    assert (on.value, on.halt) == (Switch(panic=True), Halt("panic", hold=False))
    assert (off.value, off.halt) == (Switch(panic=False), None)
    with pytest.raises(FeedFailed):
        feed.read(reply(503), None, 0)


def test_in_panic_no_decision_is_asked_for() -> None:
    panic = Scene(now_ms=NOW_MS, record_id=RECORD_ID, feeds={FEED: Switch(panic=True)})
    assert sink().needs(EXPOSED, panic) == ()
    assert sink().translate(EXPOSED, panic) == Skip("panic")


def test_the_visitors_document_is_read_before_the_api_is_asked() -> None:
    made = sink(VISITOR_CACHE_URL="sqlite:///v.db")
    (document,) = made.needs(EXPOSED, scene())
    stored = b'{"version":1,"data":{"visitorId":"u1","anonymousId":"a1","context":{"age":30}}}'
    _, question = made.needs(EXPOSED, scene({document: stored}))
    body = msgspec.json.decode(question.key)
    assert (body["anonymousId"], body["context"]["age"], body["context"]["plan"]) == ("a1", 30, "pro")
