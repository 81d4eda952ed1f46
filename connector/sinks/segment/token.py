"""The access token of OAuth: a signed assertion out, a token back, asked for anew when half its life is over. Pure.

Source: segment.com/docs, "OAuth 2.0", read 2025-11-07; segment-analytics-python 2.4.0 on the wire.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

import msgspec
from joserfc import jwt
from joserfc.jwk import RSAKey
from msgspec import Struct

from connector.domain.exchange import HttpRequest, HttpResponse
from connector.domain.http_date import read_http_date
from connector.errors import FeedFailed
from connector.sinks.contract import Renewal

TOKEN = "token"
_BACKDATED_S = 5
_LIFETIME_S = 60
_UNKNOWN_EXPIRY_S = 60.0
_SHORTEST_REFRESH_S = 1.0
_LIMITED_S = 5.0
# A wrong clock is refused alike, once: the next assertion is dated by the server's.
_APPLICATION_REFUSED = (400, 401, 403, 415)
_MEND = "mend SEGMENT_OAUTH_CLIENT_ID, SEGMENT_OAUTH_KEY_ID or SEGMENT_OAUTH_PRIVATE_KEY"
_FORM = (
    "grant_type=client_credentials"
    "&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    "&client_assertion={assertion}"
    "&scope=tracking_api:write"
)
_HEADERS: Mapping[str, str] = {"Content-Type": "application/x-www-form-urlencoded"}


class Application(Struct, frozen=True):
    """An OAuth application of the workspace, and the server that issues its tokens."""

    client_id: str
    key_id: str
    key: RSAKey
    server: str


class Granted(Struct, frozen=True):
    """The part of the server's answer that is read."""

    access_token: str
    expires_in: float | None = None


class TokenFeed:
    """Its stamp is how far our clock is ahead of the server's, in milliseconds, as the last reply's Date showed."""

    name = TOKEN

    def __init__(self, application: Application) -> None:
        self._application = application

    def request(self, last: Renewal | None, now_ms: int, nonce: bytes) -> HttpRequest:
        """Sign an assertion for one minute, dated a little back by the server's clock. The form is not escaped."""
        own = self._application
        skew_ms = int(last.stamp) if last is not None and last.stamp else 0
        issued_s = (now_ms - skew_ms) // 1000 - _BACKDATED_S
        claims = {
            "iss": own.client_id,
            "sub": own.client_id,
            "aud": own.server,
            "iat": issued_s,
            "exp": issued_s + _LIFETIME_S,
            "jti": str(UUID(bytes=nonce, version=4)),
        }
        assertion = jwt.encode({"alg": "RS256", "kid": own.key_id}, claims, own.key)
        return HttpRequest("POST", f"{own.server}/token", _HEADERS, _FORM.format(assertion=assertion).encode())

    def read(self, reply: HttpResponse, last: Renewal | None, now_ms: int) -> Renewal:
        """Take the token of a 200. Raises: FeedFailed, with the clock's skew where the reply has a Date."""
        stamp = _skew(reply, now_ms) or (last.stamp if last is not None else "")
        if reply.status == 200:
            try:
                granted = msgspec.json.decode(reply.body, type=Granted)
            except msgspec.DecodeError:
                raise FeedFailed("unreadable", stamp=stamp) from None
            expiry_s = granted.expires_in or 0.0
            refresh_s = max(_SHORTEST_REFRESH_S, (expiry_s if expiry_s > 0.0 else _UNKNOWN_EXPIRY_S) / 2)
            return Renewal(granted.access_token, refresh_s, stamp)
        if reply.status == 429:
            asked_s = _seconds(reply.headers.get("x-ratelimit-reset", ""))
            raise FeedFailed("rate_limited", retry_after_s=asked_s, stamp=stamp)
        advice = f"; unless the next is taken, {_MEND}" if reply.status in _APPLICATION_REFUSED else ""
        raise FeedFailed(f"status {reply.status}{advice}", stamp=stamp)


def _skew(reply: HttpResponse, now_ms: int) -> str:
    date = read_http_date(reply.headers.get("date", ""))
    if date is None:
        return ""
    ahead = datetime.fromtimestamp(now_ms / 1000, UTC) - date
    return str(round(ahead.total_seconds() * 1000))


def _seconds(text: str) -> float:
    try:
        asked_s = float(text)
    except ValueError:
        return _LIMITED_S
    return asked_s if 0.0 < asked_s < float("inf") else _LIMITED_S
