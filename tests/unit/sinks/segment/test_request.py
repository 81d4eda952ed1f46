"""One attempt of a batch, byte for byte."""

import gzip

from connector import __version__
from connector.sinks.contract import Attempt, Item, Payload
from connector.sinks.segment import create

SINK = create({"SEGMENT_WRITE_KEY": "wk_test"})
BATCH = SINK.endpoints["batch"]
ITEMS = tuple(Item((Payload("batch", body, "m"),)) for body in (b'{"n":1}', b'{"n":2}'))
SENT_MS = 1_741_064_767_891  # 2025-03-04T05:06:07.891Z


def test_a_request_is_the_messages_then_sent_at_then_the_key() -> None:
    request = SINK.request(BATCH, ITEMS, Attempt(1, SENT_MS))
    assert (request.method, request.url) == ("POST", "https://api.segment.io/v1/batch")
    assert request.body == (
        b'{"batch":[{"n":1},{"n":2}],"sentAt":"2025-03-04T05:06:07.891+00:00","writeKey":"wk_test"}'
    )


def test_the_first_attempt_bears_no_retry_count() -> None:
    # base64 of wk_test: and an empty password
    assert SINK.request(BATCH, ITEMS, Attempt(1, SENT_MS)).headers == {
        "Content-Type": "application/json",
        "User-Agent": f"kafka-vendor-connector/{__version__}",
        "Authorization": "Basic d2tfdGVzdDo=",
    }


def test_later_attempts_count_and_move_sent_at_alone() -> None:
    second = SINK.request(BATCH, ITEMS, Attempt(2, SENT_MS + 1_000))
    assert second.headers["X-Retry-Count"] == "1"
    assert second.body == (b'{"batch":[{"n":1},{"n":2}],"sentAt":"2025-03-04T05:06:08.891+00:00","writeKey":"wk_test"}')
    assert SINK.request(BATCH, ITEMS, Attempt(11, SENT_MS)).headers["X-Retry-Count"] == "10"


def test_a_write_key_beyond_ascii_is_utf_8_in_both_places() -> None:
    sink = create({"SEGMENT_WRITE_KEY": 'k"é'})
    request = sink.request(sink.endpoints["batch"], ITEMS, Attempt(1, SENT_MS))
    # base64 of the bytes 6b 22 c3 a9 3a
    assert request.headers["Authorization"] == "Basic ayLDqTo="
    assert request.body.endswith('"writeKey":"k\\"é"}'.encode())


def test_a_compressed_request_holds_the_same_bytes_and_equal_ones_are_equal() -> None:
    sink = create({"SEGMENT_WRITE_KEY": "wk_test", "SEGMENT_GZIP": "on"})
    request = sink.request(sink.endpoints["batch"], ITEMS, Attempt(1, SENT_MS))
    assert request.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(request.body) == SINK.request(BATCH, ITEMS, Attempt(1, SENT_MS)).body
    # bytes 4 to 7 of the header are a time, 0 for none: RFC 1952
    assert request.body[4:8] == bytes(4)


def test_the_limits_are_the_vendors() -> None:
    limits = BATCH.limits
    assert (limits.items, limits.item_bytes, limits.request_bytes) == (100, 32_768, 499_999)
    # 10 bytes of {"batch":[ , 12 of ],"sentAt":" , 29 of the time, 13 of ","writeKey": , 9 of the key, 1 of }
    assert limits.request_overhead == 10 + 12 + 29 + 13 + 9 + 1
    assert (BATCH.timeout_s, BATCH.rate_per_s, BATCH.itemised) == (15.0, 1_000.0, False)


def test_the_declared_overheads_are_exact_but_for_the_last_comma() -> None:
    body = SINK.request(BATCH, ITEMS, Attempt(1, SENT_MS)).body
    limits = BATCH.limits
    assert len(body) == limits.request_overhead + 2 * (7 + limits.item_overhead) - 1
