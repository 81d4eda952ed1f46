"""The sandbox's Flagship: hits, activations, contexts, decisions and the file with its date and panic."""

import json
from typing import Any

import pytest
from multidict import CIMultiDict

from connector.sandbox.flagship import API_KEY, ENV_ID, FILE, Flagship
from connector.sandbox.vendor import Answer, Call

NOW_MS = 1_735_689_600_000
SCREEN = {"t": "SCREENVIEW", "ds": "APP", "vid": "u1", "cuid": None, "dl": "home", "qt": 5}
ACTIVATION = {"caid": "ca", "vaid": "cb", "vid": "u1", "aid": None, "qt": 5}


def call(route: str, body: Any, vendor: Flagship | None = None, bad: str = "", **headers: str) -> Answer:
    method, path = route.split(" ")
    given = CIMultiDict(
        {"Content-Type": "application/json", **{key.replace("_", "-"): headers[key] for key in headers}}
    )
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    made = Call(method, path, path, given, raw, NOW_MS, {"env": ENV_ID}, bad=lambda identifier: bool(bad))
    return (vendor or Flagship()).routes[route](made)


def hits(*given: Any, **envelope: Any) -> Answer:
    return call("POST /", {"cid": ENV_ID, "t": "BATCH", "ds": "APP", "h": list(given), **envelope})


def test_a_batch_of_hits_is_taken_and_a_hit_that_comes_again_is_told_by_its_content() -> None:
    first, again, other = (hits({**SCREEN, **more}).items[0].id for more in ({}, {"qt": 900}, {"dl": "help"}))
    assert hits(SCREEN, {**SCREEN, "dl": "help"}).status == 200
    assert first == again != other


def test_a_single_hit_is_taken_too() -> None:
    single = {"cid": ENV_ID, "t": "EVENT", "ds": "APP", "vid": "u1", "ec": "Action Tracking", "ea": "a", "ev": 1}
    answer = call("POST /", single)
    assert (answer.status, answer.items[0].label) == (200, "EVENT")


@pytest.mark.parametrize(
    ("hit", "reason"),
    [
        ({**SCREEN, "t": "CAMPAIGN"}, "unknown_type"),
        ({**SCREEN, "vid": ""}, "no_visitor"),
        ({**SCREEN, "cuid": ""}, "no_visitor"),
        ({**SCREEN, "ds": "WEB"}, "no_visitor"),
        ({**SCREEN, "dl": ""}, "missing"),
        ({**SCREEN, "dl": "x" * 2049}, "too_long"),
        ({**SCREEN, "t": "PAGEVIEW"}, "no_address"),
        ({**SCREEN, "t": "EVENT", "ec": "Shop", "ea": "a"}, "category"),
        ({**SCREEN, "t": "EVENT", "ec": "Action Tracking", "ea": "a" * 501}, "text"),
        ({**SCREEN, "t": "EVENT", "ec": "Action Tracking", "ea": "a", "ev": 1.5}, "number"),
        ({**SCREEN, "t": "TRANSACTION", "tid": "T", "ta": "k", "tr": "9"}, "number"),
        ({**SCREEN, "t": "ITEM", "tid": "T", "in": "n"}, "missing"),
        ({**SCREEN, "t": "SEGMENT", "s": {"age": 30}}, "segment"),
        ({**SCREEN, "qt": 4 * 3_600_000 + 1}, "too_old"),
        ({**SCREEN, "qt": -1}, "number"),
    ],
)
def test_a_hit_that_is_not_as_it_must_be_has_its_request_refused(hit: dict[str, Any], reason: str) -> None:
    answer = hits(SCREEN, hit)
    assert (answer.status, answer.refused) == (400, reason)
    assert [item.reason for item in answer.items] == [reason]


def test_a_request_that_is_no_batch_of_this_environment_is_refused() -> None:
    assert hits(SCREEN, cid="another").refused == "unknown_environment"
    assert hits().refused == "malformed"
    assert call("POST /", b"<html>").refused == "malformed"
    assert call("POST /", b"[]").refused == "malformed"
    assert call("POST /", b" " * 2_500_000).status == 413
    assert call("POST /", {}, Content_Type="text/plain").refused == "content_type"


def test_activations_are_taken_in_both_forms() -> None:
    batch = call("POST /v2/activate", {"cid": ENV_ID, "batch": [ACTIVATION]})
    single = call("POST /v2/activate", {"cid": ENV_ID, "caid": "ca", "vaid": "cb", "vid": "u1"})
    assert (batch.status, single.status, len(batch.items)) == (204, 204, 1)
    assert call("POST /v2/activate", {"cid": ENV_ID, "batch": [{**ACTIVATION, "vaid": ""}]}).refused == "missing"


def test_a_context_names_its_visitor() -> None:
    body = {"type": "CONTEXT", "data": {"age": 30}, "visitorId": "u1"}
    assert call("POST /v2/{env}/events", body).status == 204
    assert call("POST /v2/{env}/events", {**body, "visitorId": ""}).refused == "no_visitor"


def test_an_item_is_refused_where_the_faults_ask_for_it() -> None:
    answer = call("POST /v2/activate", {"cid": ENV_ID, "batch": [ACTIVATION]}, bad="all")
    assert answer.refused == "bad_item"


def test_the_file_has_a_date_and_did_not_change_since() -> None:
    vendor = Flagship()
    first = call("GET /{env}/bucketing.json", b"", vendor)
    assert json.loads(first.body) == FILE
    stamp = first.headers["Last-Modified"]
    assert stamp == "Sun, 13 Sep 2020 12:26:40 GMT"
    assert call("GET /{env}/bucketing.json", b"", vendor, If_Modified_Since=stamp).status == 304


def test_each_new_file_has_a_later_date_and_decides() -> None:
    vendor, ask = Flagship(), {"visitorId": "u1", "trigger_hit": False, "context": {}}
    for expected in ("Wed, 01 Jan 2025 00:00:00 GMT", "Wed, 01 Jan 2025 00:00:01 GMT"):
        assert call("PUT /{env}/bucketing.json", {"panic": True}, vendor).status == 204
        assert call("GET /{env}/bucketing.json", b"", vendor).headers["Last-Modified"] == expected
    assert json.loads(call("POST /v2/{env}/campaigns/", ask, vendor, x_api_key=API_KEY).body)["panic"] is True
    assert call("PUT /{env}/bucketing.json", b"<html>", vendor).refused == "malformed"


def test_a_decision_is_that_of_the_file() -> None:
    """murmur3 of "abc" is 3017643002, of "ab" 2613040991: buckets 2 and 91 of a group named a."""
    vendor, ask = Flagship(), {"trigger_hit": False, "context": {}}
    call("PUT /{env}/bucketing.json", json.dumps(FILE).replace('"ca"', '"a"').encode(), vendor)
    for visitor, variation in (("bc", "cb"), ("b", "cc")):
        answer = call("POST /v2/{env}/campaigns/", {"visitorId": visitor, **ask}, vendor, x_api_key=API_KEY)
        (campaign,) = json.loads(answer.body)["campaigns"]
        assert (campaign["variationGroupId"], campaign["variation"]["id"]) == ("a", variation)


def test_a_decision_needs_the_key_and_a_visitor_and_no_activation() -> None:
    ask = {"visitorId": "u1", "trigger_hit": False, "context": {}}
    assert call("POST /v2/{env}/campaigns/", ask).status == 403
    for wrong in ({"visitorId": ""}, {"trigger_hit": True}, {"context": None}):
        assert call("POST /v2/{env}/campaigns/", {**ask, **wrong}, x_api_key=API_KEY).status == 400
