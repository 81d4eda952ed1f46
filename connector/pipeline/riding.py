"""Parked records that ride along with another request, where replies judge each item alone. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from connector.domain.outcome import Undetermined
from connector.pipeline.aside import Aside
from connector.pipeline.batch import Batch
from connector.pipeline.deliver import Attempted
from connector.pipeline.gate import Permit
from connector.pipeline.settle import Flight


class Tried(Struct, frozen=True):
    """One attempt: what was sent with which feeds, by whose leave, and what it came to."""

    flight: Flight
    attempted: Attempted
    permit: Permit
    feeds: Mapping[str, object]


def riders(batch: Batch, waiting: Sequence[Aside], now_s: float, most_bytes: int) -> tuple[Aside, ...]:
    """Choose who may go with a batch, of those `waiting` in turn: what is to come to its end without a wait.

    None whose last request failed as a whole: it may be to blame for that, and would be for this one too.
    """
    limits, keys, size, found = batch.endpoint.limits, batch.keys, batch.size, list[Aside]()
    room = limits.items - len(batch.bundles)
    for aside in waiting:
        one = aside.batch
        more = one.size - limits.request_overhead
        judged_alone = one.sends == 0 or 200 <= one.status < 300
        wanted = one.crowds and one.setup == batch.setup and aside.not_before_s <= now_s and judged_alone
        if wanted and room >= len(one.bundles) and size + more <= most_bytes and keys.isdisjoint(aside.keys):
            found.append(aside)
            room, size, keys = room - len(one.bundles), size + more, keys | aside.keys
    return tuple(found)


def joined(flight: Flight) -> Flight:
    """Make one batch of all that goes."""
    if not flight.riders:
        return flight
    bundles = [bundle for aside in flight.riders for bundle in aside.batch.bundles]
    return replace(flight, batch=replace(flight.batch, bundles=(*flight.batch.bundles, *bundles)))


def apart(tried: Tried, flight: Flight) -> Iterator[Tried]:
    """Part what an attempt came to for the flight itself, then for each that rode along and was judged.

    A verdict on the request as a whole is about the flight; those that rode along are to be tried without it.
    """
    attempted, at = tried.attempted, len(flight.batch.bundles)
    verdict = attempted.verdict
    own = replace(attempted, verdict=verdict[:at]) if isinstance(verdict, Sequence) else attempted
    yield replace(tried, flight=Flight(_sent(flight.batch, attempted), flight.aside), attempted=own)
    for aside in flight.riders:
        batch, ends = _sent(aside.batch, attempted), at + len(aside.batch.bundles)
        part = verdict[at:ends] if isinstance(verdict, Sequence) else ()
        if part and not any(isinstance(outcome, Undetermined) for outcome in part):
            yield replace(tried, flight=Flight(batch, aside), attempted=replace(attempted, verdict=part))
        else:
            aside.batch = batch
        at = ends


def _sent(batch: Batch, attempted: Attempted) -> Batch:
    return replace(batch, sends=batch.sends + 1, status=attempted.status)
