"""The sandbox's SuprSend: signatures, schemas, limits, keys it knows, and a row for each record."""

import json
from typing import Any

import msgspec
import pytest
from multidict import CIMultiDict

from connector.sandbox.suprsend import API_KEY, KEY, SECRET, UID, Suprsend
from connector.sandbox.vendor import Answer, Call
from connector.sinks.suprsend.signature import CONTENT_TYPE, http_date, sign

NOW_MS = 1_735_689_600_000
DAY_MS = 86_400_000
ID = "0b5f7f0e-3f0e-4a51-9d3c-2f1f5a6c7d8e"


def event(ident: str = ID, **more: object) -> dict[str, Any]:
    properties: dict[str, object] = {}
    return {
        "$insert_id": ident,
        "$time": NOW_MS,
        "event": "ordered",
        "env": KEY,
        "distinct_id": "u1",
        "properties": properties,
        **more,
    }


def trigger(**more: object) -> dict[str, Any]:
    return {"workflow": "order-shipped", "recipients": ["u1"], "data": {}, **more}


def workflow(**more: object) -> dict[str, Any]:
    users = [{"distinct_id": "u1"}]
    return {"name": "nn", "template": "tt", "notification_category": "cc", "users": users, "data": {}, **more}


def user(ident: str = ID, **more: object) -> dict[str, Any]:
    operations = [{"$set": {"a": 1}}]
    return {
        "$schema": "2",
        "$insert_id": ident,
        "$time": NOW_MS,
        "env": KEY,
        "distinct_id": "u1",
        "$user_operations": operations,
        **more,
    }


def call(
    given: object,
    path: str = "/v2/bulk/event/",
    *,
    vendor: Suprsend | None = None,
    now_ms: int = NOW_MS,
    bad: str = "none",
    **headers: str,
) -> Answer:
    body = given if isinstance(given, bytes) else msgspec.json.encode(given)
    target, date = f"/suprsend{path}", http_date(NOW_MS)
    signed = {
        "content-type": CONTENT_TYPE,
        "date": date,
        "authorization": f"{KEY}:{sign(SECRET.encode(), 'POST', body, date, target)}",
    }
    named = CIMultiDict({**signed, **headers})
    parts = path.strip("/").split("/")
    workspace = {"workspace": parts[0]} if len(parts) == 2 and parts[1] == "trigger" else {}
    route = "/{workspace}/trigger/" if workspace else path
    request = Call("POST", path, target, named, body, now_ms, workspace, bad=lambda ident: ident == bad)
    answer = (vendor or Suprsend()).routes[f"POST {route}"](request)
    answer.keep()
    return answer


BARE = len(json.dumps(event(properties={"pad": ""})))


def rows(answer: Answer) -> list[tuple[str, int]]:
    return [(row["status"], row["status_code"]) for row in json.loads(answer.body)["records"]]


def reasons(answer: Answer) -> list[str]:
    return [item.reason for item in answer.items]


def test_events_signed_over_their_bytes_are_taken_each_with_a_row() -> None:
    answer = call([event(), event("1" * 36)])
    assert (answer.status, answer.refused) == (207, "")
    assert rows(answer) == [("success", 202)] * 2
    assert [(item.id, item.label) for item in answer.items] == [(ID, "events ordered"), ("1" * 36, "events ordered")]


def test_an_api_key_is_as_good_as_a_signature_and_has_its_own_workspace() -> None:
    bearer = f"Bearer {API_KEY}"
    assert rows(call([event(env=UID)], authorization=bearer)) == [("success", 202)]
    assert reasons(call([event(env=KEY)], authorization=bearer)) == ["other_workspace"]


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": ""},
        {"authorization": f"{KEY}:c2lnbmVk"},
        {"authorization": "Bearer other"},
        {"date": "Wed, 01 Jan 2025 00:00:01 GMT"},
        {"date": "soon"},
        {"content-type": "application/json"},
    ],
)
def test_other_credentials_or_what_was_not_signed_are_401(headers: dict[str, str]) -> None:
    assert call([event()], **headers).status == 401


@pytest.mark.parametrize(("later_ms", "status"), [(300_000, 207), (-300_000, 207), (300_001, 401), (-300_001, 401)])
def test_a_clock_may_be_off_by_five_minutes(later_ms: int, status: int) -> None:
    assert call([event()], now_ms=NOW_MS + later_ms).status == status


@pytest.mark.parametrize(
    ("record", "path", "reason"),
    [
        (event(event="x"), "/v2/bulk/event/", "schema"),
        (event(env="another-workspace-key"), "/v2/bulk/event/", "other_workspace"),
        (event(properties={"pad": "x" * (819_201 - BARE)}), "/v2/bulk/event/", "too_large"),
        (trigger(recipients=[]), "/trigger/", "schema"),
        (trigger(workflow="no-such-workflow"), "/trigger/", "not_found"),
        (trigger(data={"pad": "x" * 818_930}), "/trigger/", "too_large"),
    ],
)
def test_a_record_that_cannot_be_taken_fails_alone(record: dict[str, Any], path: str, reason: str) -> None:
    other = event("1" * 36) if path == "/v2/bulk/event/" else trigger()
    # A whole request of such a size is refused, so the large ones come alone.
    given = [record] if reason == "too_large" else [other, record]
    answer = call(given, path)
    assert (answer.status, reasons(answer)[-1]) == (207, reason)
    assert rows(answer)[-1] == ("error", 404 if reason == "not_found" else 400)
    assert reasons(answer)[:-1] == [""] * (len(given) - 1)


@pytest.mark.parametrize(
    ("record", "path"),
    [
        (workflow(name="x"), f"/{KEY}/trigger/"),
        (user(distinct_id=" "), "/event/"),
        (user(**{"$user_operations": [{"$increment": {"a": 1}}]}), "/event/"),
        (user(**{"$user_operations": [{"$set": {"pad": "x" * 10_240}}]}), "/event/"),
        (user(**{"$schema": 2}), "/event/"),
    ],
)
def test_a_workflow_or_user_that_cannot_be_taken_fails_the_whole_request(record: dict[str, Any], path: str) -> None:
    good = workflow() if path != "/event/" else user("1" * 36)
    assert call([good], path).status == 202
    answer = call([good, record], path)
    assert answer.status == 400
    assert len(answer.items) == 1 and answer.items[0].reason


def test_another_workspace_in_the_path_is_401() -> None:
    assert call([workflow()], "/another/trigger/").status == 401


@pytest.mark.parametrize(("path", "most"), [("/v2/bulk/event/", 100), ("/event/", 400)])
def test_a_request_of_too_many_records_is_413(path: str, most: int) -> None:
    made = event if path != "/event/" else user
    records = [made(f"{number:036}") for number in range(most + 1)]
    assert call(records, path).status == 413
    assert call(records[:-1], path).status in (202, 207)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"[1]", b"3"])
def test_what_is_no_record_is_400(body: bytes) -> None:
    assert call(body).status == 400


def test_a_key_that_was_processed_is_passed_over_for_24_hours() -> None:
    vendor = Suprsend()
    once = event(**{"$idempotency_key": "k1"})
    assert reasons(call([once, once], vendor=vendor)) == ["", "repeated_key"]
    again = call([event("1" * 36, **{"$idempotency_key": " k1 "})], vendor=vendor)
    assert (reasons(again), rows(again)) == (["repeated_key"], [("success", 202)])
    bearer = f"Bearer {API_KEY}"
    late = event(env=UID, **{"$idempotency_key": "k1"})
    assert reasons(call([late], vendor=vendor, now_ms=NOW_MS + DAY_MS - 1, authorization=bearer)) == ["repeated_key"]
    assert reasons(call([late], vendor=vendor, now_ms=NOW_MS + DAY_MS, authorization=bearer)) == [""]


def test_a_key_is_not_processed_by_a_request_that_was_refused_or_a_record_that_failed() -> None:
    vendor = Suprsend()
    good, wrong = workflow(**{"$idempotency_key": "k1"}), workflow(name="x")
    assert call([good, wrong], f"/{KEY}/trigger/", vendor=vendor).status == 400
    assert reasons(call([good], f"/{KEY}/trigger/", vendor=vendor)) == [""]
    failed = event(event="x", **{"$idempotency_key": "k2"})
    assert reasons(call([failed], vendor=vendor)) == ["schema"]
    assert reasons(call([event(**{"$idempotency_key": "k2"})], vendor=vendor)) == [""]


def test_items_that_the_faults_want_refused_fail_alone_where_there_are_rows() -> None:
    assert rows(call([event(), event("1" * 36)], bad=ID)) == [("error", 400), ("success", 202)]
    assert call([user()], "/event/", bad=ID).status == 400


def test_a_single_is_answered_as_a_single() -> None:
    answer = call(event(), "/v2/event/")
    assert (answer.status, json.loads(answer.body)["message_id"]) == (202, ID)
    assert call(trigger(workflow="no-such-one"), "/trigger/").status == 404


def test_a_refusal_by_script_says_when_to_come_back() -> None:
    assert Suprsend().refusal(429, 7.0).headers == {"Retry-After": "7"}
    assert Suprsend().refusal(503, None).headers == {}
