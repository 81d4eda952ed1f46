"""The sandbox's mParticle: what it takes and turns down, by the inbound schema and the documented limits."""

from base64 import b64encode

import msgspec
import pytest
from multidict import CIMultiDict

from connector.errors import Untranslatable
from connector.sandbox.mparticle import OLDEST_MS, Mparticle
from connector.sandbox.vendor import Answer, Call
from connector.sinks.contract import Attempt, Item, Payloads, Scene
from connector.sinks.mparticle import create
from tests.unit.sinks.cases import NOW_MS, RECORD_ID, Case, cases_of

BASIC = f"Basic {b64encode(b'key:secret').decode()}"
EVENT = {
    "data": {"source_message_id": "m1", "custom_event_type": "other", "event_name": "E"},
    "event_type": "custom_event",
}
BATCH = {"events": [EVENT], "environment": "production", "user_identities": {"customerid": "u1"}}


def call(body: object, path: str = "/v2/bulkevents", bad: str = "none", authorization: str | None = BASIC) -> Answer:
    named = CIMultiDict({"content-type": "application/json"})
    if authorization is not None:
        named["authorization"] = authorization
    sent = body if isinstance(body, bytes) else msgspec.json.encode(body)
    request = Call("POST", path, f"/mparticle{path}", named, sent, NOW_MS, bad=lambda ident: ident == bad)
    return Mparticle().routes[f"POST {path}"](request)


def reasons(answer: Answer) -> list[str]:
    return [item.reason for item in answer.items]


def with_data(label: str = "custom_event", **data: object) -> dict[str, object]:
    return {"events": [{"data": data, "event_type": label}]}


def test_every_event_of_a_bulk_is_named_by_its_id_and_its_cost_is_in_batches() -> None:
    answer = call(
        [{**BATCH, "events": [EVENT, EVENT]}, {"source_request_id": "r1", "user_attributes": {"a": ["x", 1]}}]
    )
    assert (answer.status, answer.body, answer.cost) == (202, b"", 2)
    assert [(item.id, item.label, item.reason) for item in answer.items] == [
        ("m1", "custom_event E", ""),
        ("m1", "custom_event E", ""),
        ("r1", "profile", ""),
    ]


@pytest.mark.parametrize(
    ("batch", "reason"),
    [
        ({**BATCH, "environment": "staging"}, "schema"),
        ({**BATCH, "batch_id": "b"}, "schema"),
        ({**BATCH, "user_identities": {"cookie": "c"}}, "schema"),
        ({**BATCH, "user_attributes": {"a": {"b": 1}}}, "schema"),
        ({**BATCH, "device_info": {"platform": "desktop"}}, "schema"),
        ({**BATCH, "device_info": {"ios_idfv": "8c61383f2216471388c1c1cb0a5d7a4c"}}, "schema"),
        ({**BATCH, "context": {"data_plan": {}}}, "schema"),
        ({**BATCH, "consent_state": {"gdpr": {"p": {"consented": True}}}}, "schema"),
        ({"events": [{"event_name": "unwrapped"}]}, "schema"),
        (with_data("uninstall"), "unknown_type"),
        (with_data(event_name="no type"), "schema"),
        (with_data(custom_event_type="unknown", event_name="E"), "schema"),
        (with_data(custom_event_type="other", event_name="E", custom_attributes={"a": []}), "schema"),
        (with_data("commerce_event", product_action={"action": "purchase", "total_amount": "21.49"}), "schema"),
        (with_data("commerce_event"), "not_one_form"),
        (with_data("profile", profile_event_type="login"), "schema"),
        (with_data("crash_report", severity="s", message="m", breadcrumbs=[{"label": "bare"}]), "schema"),
        (with_data("first_run", timestamp_unixtime_ms=NOW_MS - OLDEST_MS - 1), "too_old"),
        ({**BATCH, "user_attributes": {str(number): "v" * 4096 for number in range(32)}}, "batch_too_large"),
    ],
)
def test_a_batch_that_breaks_the_schema_is_dropped_behind_a_202_and_refused_alone(batch: object, reason: str) -> None:
    bulk, single = call([batch, BATCH]), call(batch, "/v2/events")
    assert (bulk.status, reasons(bulk)) == (202, [reason, ""])
    assert (single.status, single.refused) == (400, reason)
    assert b'"code":"BAD_REQUEST"' in single.body


def test_one_event_turns_its_whole_batch_down() -> None:
    answer = call([{"events": [EVENT, {"data": {}, "event_type": "session_end"}]}])
    assert (answer.status, reasons(answer)) == (202, ["schema", "schema"])


def test_an_item_that_is_to_be_refused_takes_the_request_with_it() -> None:
    answer = call([BATCH, BATCH], bad="m1")
    assert (answer.status, answer.refused, reasons(answer)) == (400, "bad_item", ["bad_item", "bad_item"])


@pytest.mark.parametrize(
    ("body", "authorization", "status"),
    [
        ([BATCH], None, 401),
        ([BATCH], "Basic Og==", 403),
        ([BATCH], "Basic ?", 403),
        (b"[", BASIC, 400),
        (BATCH, BASIC, 400),
        ([BATCH] * 101, BASIC, 400),
        (b" " * 256_000, BASIC, 413),
    ],
)
def test_a_request_that_is_not_looked_into_is_refused_whole(
    body: object, authorization: str | None, status: int
) -> None:
    answer = call(body, authorization=authorization)
    assert (answer.status, answer.items) == (status, ())


def test_a_limit_names_itself_and_its_wait() -> None:
    assert Mparticle().refusal(429, 2.0).headers == {"X-mp-rate-limit-exceeded": '"workspace"', "Retry-After": "2"}
    assert Mparticle().refusal(503, None) == Answer(503)


@pytest.mark.parametrize("case", [case for case in cases_of("mparticle") if case.payloads], ids=lambda case: case.name)
def test_what_the_sink_makes_is_allowed_by_the_schema(case: Case) -> None:
    environ = {"MPARTICLE_KEY": "k", "MPARTICLE_SECRET": "s"}
    sink = create(environ)
    try:
        translation = sink.translate(case.decoded, Scene(NOW_MS, RECORD_ID))
    except Untranslatable:
        pytest.fail("it has payloads")
    assert isinstance(translation, Payloads)
    items = [Item((payload,)) for payload in translation.payloads]
    request = sink.request(sink.endpoints["bulkevents"], items, Attempt(1, NOW_MS))
    answer = call(request.body, authorization=request.headers["Authorization"])
    assert (answer.status, reasons(answer)) == (202, [""] * len(items))
