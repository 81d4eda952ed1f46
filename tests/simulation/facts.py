"""What the simulated sink must know of a record first: its user's profile, and which record of the user came before.

The profile is asked of the vendor, the other is kept in a store. Pure.
"""

from collections.abc import Mapping, Sequence
from zlib import crc32

import msgspec
from msgspec import Struct

from connector.domain.exchange import HttpRequest, HttpResponse
from connector.domain.outcome import Outcome, Retryable, SetupFault
from connector.sinks.contract import Answered, Endpoint, Need, Save

PROFILE, SEEN = "profile", "seen"
QUESTIONS = "https://vendor.example/profile/"
FORGETS_EVERY = 17


def profile_of(user: str) -> int | None:
    """Return what the vendor knows of a user; of one in seven it says that it knows nothing."""
    number = crc32(user.encode())
    return number if number % 7 else None


class ProfileLookup(Struct, frozen=True):
    """Asks by user; 404 is an answer too."""

    endpoint: Endpoint
    ttl_s: float
    name: str = PROFILE

    def request(self, need: Need, now_ms: int) -> HttpRequest:
        return HttpRequest("GET", QUESTIONS + need.key)

    def read(self, need: Need, reply: HttpResponse) -> Answered | Outcome | SetupFault:
        if reply.status == 404:
            return Answered(None)
        if reply.status == 401:
            return SetupFault("credentials")
        if reply.status != 200:
            return Retryable("server_error", limited=reply.status == 429)
        try:
            return Answered(msgspec.json.decode(reply.body, type=int))
        except msgspec.DecodeError:
            return Retryable("unreadable")


def still_needed(user: str, lookups: Sequence[str], facts: Mapping[Need, object]) -> tuple[Need, ...]:
    """Name the next fact that is missing: one after the other, the store last."""
    missing = (Need(name, user) for name in (PROFILE, SEEN) if name in lookups)
    return tuple(need for need in missing if need not in facts)[:1]


def kept(user: str, number: int, lookups: Sequence[str]) -> tuple[Save, ...]:
    """Say what the store is to keep once this record is translated; some records have the user forgotten."""
    if SEEN not in lookups:
        return ()
    return (Save(SEEN, user, None if forgets(number) else b"%d" % number),)


def forgets(number: int) -> bool:
    return number % FORGETS_EVERY == 0
