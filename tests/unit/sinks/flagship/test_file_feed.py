"""The bucketing file as it is polled."""

import json

import pytest

from connector.domain.exchange import HttpResponse
from connector.errors import FeedFailed
from connector.sinks.contract import Halt, Renewal
from connector.sinks.flagship.bucketing import BucketingFile
from connector.sinks.flagship.file_feed import FileFeed
from connector.sinks.flagship.settings import FlagshipSettings
from tests.unit.sinks.flagship.sample import FILE

STAMP = "Fri, 05 Jun 2020 12:20:40 GMT"
FEED = FileFeed(FlagshipSettings.load({"FLAGSHIP_ENV_ID": "env1", "FLAGSHIP_POLLING_INTERVAL": "30s"}))
BODY = json.dumps(FILE).encode()


def renewed(body: bytes = BODY, status: int = 200, last: Renewal | None = None, stamp: str | None = STAMP) -> Renewal:
    headers = {} if stamp is None else {"last-modified": stamp}
    return FEED.read(HttpResponse(status, headers, body), last, 0)


def test_the_first_question_has_no_condition_and_the_next_the_stamp_as_it_came() -> None:
    url = "https://cdn.flagship.io/env1/bucketing.json"
    first, second = FEED.request(None, 0, b""), FEED.request(renewed(), 0, b"")
    content = {"Content-Type": "application/json"}
    assert (first.method, first.url, first.headers) == ("GET", url, content)
    assert (second.method, second.url, second.headers) == ("GET", url, {"If-Modified-Since": STAMP, **content})


def test_the_older_form_says_nothing_of_a_content_there_is_none_of() -> None:
    feed = FileFeed(FlagshipSettings.load({"FLAGSHIP_ENV_ID": "env1", "FLAGSHIP_PROTOCOL": "single"}))
    assert feed.request(None, 0, b"").headers == {}


def test_a_new_file_is_read_kept_and_polled_again_in_time() -> None:
    renewal = renewed()
    assert isinstance(renewal.value, BucketingFile)
    assert renewal.value.flags == {"colour", "vip", "nothing"}
    assert (renewal.refresh_s, renewal.stamp, renewal.keep) == (30.0, STAMP, True)


def test_a_file_that_did_not_change_stays() -> None:
    first = renewed()
    assert renewed(b"", 304, first).value is first.value


def test_panic_follows_the_latest_file() -> None:
    """Section 20, number 6."""
    last = renewed(b'{"panic": true}')
    assert isinstance(last.value, BucketingFile)
    assert (last.value.panic, last.halt) == (True, Halt("panic", hold=False))
    lifted = renewed(last=last, stamp="Fri, 05 Jun 2020 12:30:00 GMT")
    assert isinstance(lifted.value, BucketingFile)
    assert (lifted.value.panic, lifted.halt) == (False, None)


@pytest.mark.parametrize(
    ("body", "status", "stamp"),
    [(BODY, 200, None), (b"", 304, None), (BODY, 500, STAMP), (b"", 403, STAMP), (b"<html>", 200, STAMP)],
)
def test_an_answer_without_a_usable_file_leaves_the_last_one(body: bytes, status: int, stamp: str | None) -> None:
    with pytest.raises(FeedFailed):
        renewed(body, status, None, stamp)


def test_a_file_too_large_to_be_read_to_its_end_is_not_taken_for_a_whole_one_and_names_the_setting() -> None:
    feed = FileFeed(FlagshipSettings.load({"FLAGSHIP_ENV_ID": "env1", "FLAGSHIP_FILE_LIMIT": "2MiB"}))
    assert feed.request(None, 0, b"").reply_bytes == 2_097_152
    with pytest.raises(FeedFailed, match="FLAGSHIP_FILE_LIMIT allows, 2097152 bytes"):
        feed.read(HttpResponse(200, {"last-modified": STAMP}, BODY, truncated=True), None, 0)


def test_two_environments_have_feeds_of_their_own() -> None:
    """Section 20, number 7."""
    assert FileFeed(FlagshipSettings.load({"FLAGSHIP_ENV_ID": "env2"})).name != FEED.name
