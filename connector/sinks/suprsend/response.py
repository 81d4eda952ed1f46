"""The reply to a request as one outcome per record. Pure."""

from typing import Any

import msgspec
from msgspec import Struct

from connector.domain.exchange import HttpResponse
from connector.domain.outcome import Delivered, Outcome, Rejected, Retryable, SetupFault, Undetermined
from connector.sinks.contract import Endpoint
from connector.sinks.status import refusal
from connector.sinks.suprsend.request import TRIGGERS

_DELIVERED = Delivered()
_LATER = {408: Retryable("timeout"), 429: Retryable("rate_limited", limited=True)}
_UNREADABLE = Retryable("unreadable", ambiguous=True)


class Row(Struct):
    """What became of one record."""

    status: str
    status_code: int = 0


class Rows(Struct):
    """The body of a reply that judges each record, in the order of the request."""

    records: list[Row]


_ROWS = msgspec.json.Decoder(Rows)
_OBJECT = msgspec.json.Decoder(dict[str, Any])


def verdict(endpoint: Endpoint, reply: HttpResponse, count: int) -> list[Outcome] | SetupFault:
    """Read a reply.

    Events and triggers are judged by their rows, whatever success it came with; of workflows and users a success says
    it all, and its body is free text.
    Source: docs.suprsend.com, HTTP reference; suprsend-py-sdk 0.20.0.
    """
    if not 200 <= reply.status < 300:
        outcome = _refusal(endpoint, reply)
        return outcome if isinstance(outcome, SetupFault) else [outcome] * count
    if not endpoint.itemised:
        return [_DELIVERED] * count
    try:
        rows = _ROWS.decode(reply.body).records
    except (msgspec.DecodeError, UnicodeDecodeError):
        rows = []
    # Fewer or more rows than records are of no known record.
    if len(rows) != count:
        return [_UNREADABLE] * count
    return [_outcome(row) for row in rows]


def _refusal(endpoint: Endpoint, reply: HttpResponse) -> Outcome | SetupFault:
    # The vendor answers a workflow it does not know with 404 and an object; a wrong address has no such body.
    if reply.status == 404 and endpoint.name == TRIGGERS:
        try:
            if _OBJECT.decode(reply.body).keys() & {"message", "error"}:
                return Undetermined("not_found")
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass
    return refusal(reply.status)


def _outcome(row: Row) -> Outcome:
    if row.status == "success":
        return _DELIVERED
    if row.status != "error":
        return _UNREADABLE
    if row.status_code in (408, 429) or row.status_code >= 500:
        return _LATER.get(row.status_code, Retryable("server_error"))
    return Rejected("refused", str(row.status_code) if row.status_code else "")
