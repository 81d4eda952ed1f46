"""Tokens by OAuth: what is asked, what is read, and what a flow does when one is refused."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from connector.domain.events import Event, Track
from connector.domain.exchange import HttpRequest, HttpResponse
from connector.domain.outcome import Refresh, SetupFault
from connector.errors import FeedFailed
from connector.sinks.contract import Hold, Payloads, Renewal, Scene, Skip
from connector.sinks.segment import create
from connector.sinks.segment.response import verdict
from connector.sinks.segment.token import Application, TokenFeed
from tests.parity.capture import Observed, Scenario
from tests.parity.play import play

NOW_MS = 1_741_064_767_891  # 2025-03-04T05:06:07.891Z
NONCE = bytes(range(16))
TAKEN = HttpResponse(200, {}, b'{"access_token": "t1", "expires_in": 86400, "token_type": "Bearer"}')


@cache
def key() -> RSAKey:
    return RSAKey.generate_key(2048)


def environ() -> Mapping[str, str]:
    return {
        "SEGMENT_WRITE_KEY": "wk_test",
        "SEGMENT_OAUTH_CLIENT_ID": "app",
        "SEGMENT_OAUTH_KEY_ID": "kid1",
        "SEGMENT_OAUTH_PRIVATE_KEY": key().as_pem(private=True).decode(),
    }


def feed() -> TokenFeed:
    return TokenFeed(Application("app", "kid1", key(), "https://oauth2.segment.io"))


def claims_of(request: HttpRequest) -> Any:
    form = dict(part.split("=", 1) for part in request.body.decode().split("&"))
    return jwt.decode(form["client_assertion"], key(), algorithms=["RS256"]).claims


def test_an_assertion_is_signed_for_a_minute_that_began_five_seconds_ago() -> None:
    request = feed().request(None, NOW_MS, NONCE)
    assert (request.method, request.url) == ("POST", "https://oauth2.segment.io/token")
    assert request.headers == {"Content-Type": "application/x-www-form-urlencoded"}
    assert claims_of(request) == {
        "iss": "app",
        "sub": "app",
        "aud": "https://oauth2.segment.io",
        "iat": 1_741_064_762,
        "exp": 1_741_064_822,
        # the nonce as a UUID of version 4: RFC 9562, 5.4
        "jti": "00010203-0405-4607-8809-0a0b0c0d0e0f",
    }


def test_an_assertion_is_dated_by_the_servers_clock_once_that_is_known() -> None:
    # The server said 05:05:37 when our clock was at 05:06:07.891: we are 30.891 s ahead.
    reply = HttpResponse(401, {"date": "Tue, 04 Mar 2025 05:05:37 GMT"}, b"")
    with pytest.raises(FeedFailed) as refused:
        feed().read(reply, None, NOW_MS)
    assert refused.value.stamp == "30891"
    request = feed().request(Renewal(None, 0.0, refused.value.stamp), NOW_MS, NONCE)
    assert claims_of(request)["iat"] == 1_741_064_767 - 30 - 5


def test_what_is_known_of_the_servers_clock_outlasts_a_reply_without_a_date() -> None:
    assert feed().read(TAKEN, Renewal("t0", 60.0, "30891"), NOW_MS) == Renewal("t1", 43_200.0, "30891")


@pytest.mark.parametrize(
    ("expires_in", "refresh_s"),
    [(86_400, 43_200.0), (3600.5, 1800.25), (1, 1.0), (0, 30.0), (-5, 30.0), (None, 30.0)],
)
def test_a_token_is_asked_for_anew_when_half_its_life_is_over(expires_in: float | None, refresh_s: float) -> None:
    body = json.dumps({"access_token": "t1", "expires_in": expires_in}).encode()
    assert feed().read(HttpResponse(200, {}, body), None, NOW_MS) == Renewal("t1", refresh_s, "")


@pytest.mark.parametrize(
    ("reply", "reason", "asked_s"),
    [
        (HttpResponse(429, {"x-ratelimit-reset": "12"}, b""), "rate_limited", 12.0),
        (HttpResponse(429, {}, b""), "rate_limited", 5.0),
        (HttpResponse(429, {"x-ratelimit-reset": "soon"}, b""), "rate_limited", 5.0),
        (HttpResponse(429, {"x-ratelimit-reset": "nan"}, b""), "rate_limited", 5.0),
        (HttpResponse(503, {}, b""), "status 503", None),
        (HttpResponse(302, {"location": "https://elsewhere.example"}, b""), "status 302", None),
        (HttpResponse(200, {}, b"<html>"), "unreadable", None),
        (HttpResponse(200, {}, b'{"access_token": 7}'), "unreadable", None),
    ],
)
def test_what_holds_no_token_fails_the_feed(reply: HttpResponse, reason: str, asked_s: float | None) -> None:
    with pytest.raises(FeedFailed) as failed:
        feed().read(reply, None, NOW_MS)
    assert (failed.value.reason, failed.value.retry_after_s) == (reason, asked_s)


@pytest.mark.parametrize("status", [400, 401, 403, 415])
def test_a_refused_application_is_said_to_need_mending(status: int) -> None:
    with pytest.raises(FeedFailed, match=f"^status {status}; .*mend SEGMENT_OAUTH_CLIENT_ID, "):
        feed().read(HttpResponse(status, {}, b'{"error": "invalid_client"}'), None, NOW_MS)


@pytest.mark.parametrize("status", [401, 403, 511])
def test_a_refused_token_is_renewed_where_there_is_one(status: int) -> None:
    assert isinstance(verdict(status, 1, by_token=True), Refresh)
    assert isinstance(verdict(status, 1), SetupFault)


def test_an_event_is_held_until_there_is_a_token_and_a_skip_is_not() -> None:
    sink, event = create(environ()), Track(name="E", user_id="u1")
    scene = Scene(now_ms=NOW_MS, record_id="r", feeds={"token": None})
    assert sink.translate(event, scene) == Hold("token")
    assert isinstance(sink.translate(event, Scene(NOW_MS, "r", {"token": "t1"})), Payloads)
    assert sink.translate(Event(user_id="u1"), scene) == Skip("kind")


# Whole flows


class Account:
    """Segment with OAuth: issues t1, t2, ...; `refuses` tells by what status a bearer is refused."""

    def __init__(self, refuses: Mapping[str, int], *, tokens: int = 99) -> None:
        self.issued = 0
        self.bearers: list[str] = []
        self._refuses = refuses
        self._tokens = tokens

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.url.endswith("/token"):
            if self.issued >= self._tokens:
                return HttpResponse(503)
            self.issued += 1
            return HttpResponse(200, {}, b'{"access_token": "t%d", "expires_in": 86400}' % self.issued)
        bearer = request.headers["Authorization"].removeprefix("Bearer ")
        self.bearers.append(bearer)
        return HttpResponse(self._refuses.get(bearer, 200))


def delivered_by(account: Account, count: int = 1, *, batch: int = 100, lasts_s: float = 60.0) -> Observed:
    events = [Track(name=f"E{number}", user_id="u1") for number in range(count)]
    given = {**environ(), "SEGMENT_BATCH_SIZE": str(batch)}
    return play("segment", Scenario(given, events, account, NOW_MS, lasts_s=lasts_s))


def test_a_token_is_there_before_anything_is_sent() -> None:
    account = Account({})
    assert delivered_by(account, 3).ends == {"delivered": 3}
    assert account.bearers == ["t1"]


@pytest.mark.parametrize("status", [401, 403, 511])
def test_a_refused_token_is_renewed_once_and_the_batch_sent_again(status: int) -> None:
    account = Account({"t1": status})
    assert delivered_by(account, 5, batch=1).ends == {"delivered": 5}
    assert account.bearers == ["t1", "t2", "t2", "t2", "t2", "t2"]


def test_a_new_token_that_is_refused_too_halts_and_loses_nothing() -> None:
    account = Account(dict.fromkeys((f"t{number}" for number in range(1, 99)), 401))
    ended = delivered_by(account, 3)
    assert ended.ends == {"open": 3}
    assert account.bearers[:2] == ["t1", "t2"]
    assert len(account.bearers) < 20, "probes back off"


def test_without_a_token_nothing_is_sent_and_nothing_lost() -> None:
    account = Account({}, tokens=0)
    assert delivered_by(account, 3).ends == {"open": 3}
    assert account.bearers == []
