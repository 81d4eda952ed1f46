"""What an answer of the settings page says of a write key."""

import pytest

from connector.domain.exchange import HttpResponse
from connector.errors import FeedFailed
from connector.sinks.contract import Feed, Probed
from connector.sinks.segment import create

KEY = {"SEGMENT_WRITE_KEY": "wk/test?"}
ELSEWHERE = {**KEY, "SEGMENT_HOST": "https://proxy.example"}


def probe_of(environ: dict[str, str]) -> Feed | None:
    sink = create(environ)
    assert isinstance(sink, Probed)
    return sink.probe


def read(status: int) -> object:
    probe = probe_of(KEY)
    assert probe is not None
    return probe.read(HttpResponse(status), None, 0).value


def test_it_asks_for_the_settings_of_the_source_and_sends_no_event() -> None:
    probe = probe_of({**KEY, "SEGMENT_REGION": "eu"})
    assert probe is not None
    request = probe.request(None, 0, b"")
    assert (request.method, request.body) == ("GET", b"")
    assert request.url == "https://cdn.segment.com/v1/projects/wk%2Ftest%3F/settings"


def test_a_key_of_somebody_else_is_not_tried_at_segment() -> None:
    assert probe_of(ELSEWHERE) is None
    probe = probe_of({**ELSEWHERE, "SEGMENT_CDN_HOST": "https://proxy.example/cdn"})
    assert probe is not None
    assert probe.request(None, 0, b"").url == "https://proxy.example/cdn/v1/projects/wk%2Ftest%3F/settings"


def test_any_success_is_a_known_key() -> None:
    assert read(200)


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_is_an_unknown_key_and_says_what_to_mend(status: int) -> None:
    with pytest.raises(FeedFailed, match="mend SEGMENT_WRITE_KEY") as failed:
        read(status)
    assert "wk/test" not in str(failed.value)


@pytest.mark.parametrize("status", [302, 408, 429, 503])
def test_any_other_answer_says_nothing_of_the_key(status: int) -> None:
    with pytest.raises(FeedFailed, match=f"could not be tried .status {status}."):
        read(status)
