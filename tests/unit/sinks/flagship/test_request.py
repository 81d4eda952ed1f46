"""Requests in both forms, their queue times and their limits."""

import msgspec
import pytest

from connector.sinks.contract import Attempt, Item, Payload
from connector.sinks.flagship.request import QUEUE_LONGEST_MS, Requests, endpoints
from connector.sinks.flagship.settings import FlagshipSettings

NOW_MS = 1_700_000_000_000
SDK_3 = {"Content-Type": "application/json", "x-sdk-client": "python", "x-sdk-version": "3.0.1"}
SDK_2 = {"Content-Type": "application/json", "x-sdk-client": "python", "x-sdk-version": "2.1.5"}


def settings(**variables: str) -> FlagshipSettings:
    given = {f"FLAGSHIP_{name}": value for name, value in variables.items()}
    return FlagshipSettings.load({"FLAGSHIP_ENV_ID": "env1", **given})


def item(body: bytes, waited_ms: int | None = 0) -> Item:
    return Item((Payload("any", body, "i", time_ms=None if waited_ms is None else NOW_MS - waited_ms),))


def rendered(endpoint: str, items: list[Item], **variables: str) -> tuple[str, dict[str, str], bytes]:
    request = Requests(settings(**variables)).render(endpoint, items, Attempt(1, NOW_MS))
    assert request.method == "POST"
    return request.url, dict(request.headers), request.body


def test_hits_travel_together_each_with_how_long_it_waited() -> None:
    url, headers, body = rendered("hits", [item(b'{"t":"A"}', 1500), item(b'{"t":"B"}', 0)])
    assert (url, headers) == ("https://events.flagship.io/", SDK_3)
    assert body == b'{"cid":"env1","t":"BATCH","ds":"APP","h":[{"t":"A","qt":1500},{"t":"B","qt":0}]}'


def test_activations_travel_together_each_with_how_long_it_waited() -> None:
    url, headers, body = rendered("activate", [item(b'{"caid":"g"}', 250)])
    assert (url, headers) == ("https://decision.flagship.io/v2/activate", SDK_3)
    assert body == b'{"cid":"env1","batch":[{"caid":"g","qt":250}]}'


@pytest.mark.parametrize(
    ("waited_ms", "too_old", "told"),
    [
        (QUEUE_LONGEST_MS, "dead_letter", QUEUE_LONGEST_MS),
        (QUEUE_LONGEST_MS, "now", QUEUE_LONGEST_MS),
        (QUEUE_LONGEST_MS + 1, "now", 0),
        (-60_000, "now", 0),
        (None, "now", 0),
    ],
)
def test_a_wait_is_told_up_to_4_hours_and_one_sent_as_of_now_has_none(
    waited_ms: int | None, too_old: str, told: int
) -> None:
    _, _, body = rendered("hits", [item(b'{"t":"A"}', waited_ms)], TOO_OLD=too_old)
    assert msgspec.json.decode(body)["h"] == [{"t": "A", "qt": told}]


def test_in_the_older_form_a_hit_is_a_request_and_says_nothing_of_the_sdk() -> None:
    url, headers, body = rendered("hits", [item(b'{"t":"A","ds":"APP"}')], PROTOCOL="single")
    assert (url, headers) == ("https://ariane.abtasty.com/", {"Content-Type": "application/json"})
    assert body == b'{"cid":"env1","t":"A","ds":"APP"}'


def test_in_the_older_form_an_activation_and_a_context_are_requests_too() -> None:
    url, headers, body = rendered("activate", [item(b'{"caid":"g"}')], PROTOCOL="single")
    assert (url, headers, body) == (
        "https://decision.flagship.io/v2/activate", SDK_2, b'{"cid":"env1","caid":"g"}',
    )  # fmt: skip
    url, headers, body = rendered("context", [item(b'{"type":"CONTEXT"}')], PROTOCOL="single")
    assert (url, headers, body) == ("https://decision.flagship.io/v2/env1/events", SDK_2, b'{"type":"CONTEXT"}')


def test_addresses_may_be_others() -> None:
    given = {"HITS_HOST": "http://127.0.0.1:1/flagship", "DECISION_HOST": "http://127.0.0.1:2/"}
    assert rendered("hits", [item(b"{}")], **given)[0] == "http://127.0.0.1:1/flagship/"
    assert rendered("activate", [item(b"{}")], **given)[0] == "http://127.0.0.1:2/v2/activate"


def test_a_full_batch_stays_below_2_500_000_bytes() -> None:
    limits = endpoints(settings())["hits"].limits
    size = 24_000
    body = b'{"t":"' + b"A" * (size - 8) + b'"}'
    fitting = (limits.request_bytes - limits.request_overhead) // (size + limits.item_overhead)
    _, _, full = rendered("hits", [item(body, QUEUE_LONGEST_MS)] * fitting)
    assert 2_450_000 < len(full) < 2_500_000


def test_a_single_hit_may_fill_a_batch_and_no_more() -> None:
    limits = endpoints(settings())["hits"].limits
    body = b'{"t":"' + b"A" * (limits.item_bytes - 8) + b'"}'
    _, _, full = rendered("hits", [item(body, QUEUE_LONGEST_MS)])
    # A comma would have come before a second one.
    assert len(full) + 1 == limits.request_bytes == 2_499_999


def test_each_form_has_its_endpoints_and_hits_wait_apart_from_decisions() -> None:
    batched, single = endpoints(settings()), endpoints(settings(PROTOCOL="single"))
    assert {name: (one.limits.items, one.quota) for name, one in batched.items()} == {
        "hits": (100, "hits"), "activate": (100, "decision"),
    }  # fmt: skip
    assert {name: (one.limits.items, one.quota) for name, one in single.items()} == {
        "hits": (1, "hits"), "activate": (1, "decision"), "context": (1, "decision"),
    }  # fmt: skip
    assert endpoints(settings(BATCH_SIZE="500"))["activate"].limits.items == 100
