"""What became of one item of a request: a closed union, read once from the reply. Pure."""

from msgspec import Struct


class Delivered(Struct, frozen=True):
    """The vendor's own success answer; `quota_used` is the share of its limit in use, where it tells that."""

    quota_used: float | None = None


class Rejected(Struct, frozen=True):
    """Final: the vendor, or its documented limits, will never take this item. Goes to the dead letters.

    `detail` holds no user data: a code, a field name, a limit.
    """

    reason: str
    detail: str = ""


class Undetermined(Struct, frozen=True):
    """The request was refused for its content and nothing says which item is to blame.

    `by_bytes`: it was its size, so halves are cut by bytes.
    """

    reason: str
    by_bytes: bool = False


class Retryable(Struct, frozen=True):
    """Not taken for now; the same bytes may be sent again.

    Units: `retry_after_s` only where the vendor asked in a way of its own; the standard header is read by the pipeline.
    `ambiguous`: the body had been sent and no verdict came, so the vendor may hold it already.
    `limited`: the vendor asked for a slower pace (429); says nothing against its health.
    `gently`: it was how fast the pace grew that was too much.
    """

    reason: str
    retry_after_s: float | None = None
    ambiguous: bool = False
    limited: bool = False
    gently: bool = False


Outcome = Delivered | Rejected | Undetermined | Retryable


class SetupFault(Struct, frozen=True):
    """The whole request failed for our set-up (credentials, TLS, address), whatever was in it."""

    reason: str
    detail: str = ""


class Refresh(Struct, frozen=True):
    """A feed's value was refused: renew it and send once more; a second time is a set-up fault."""

    feed: str
    reason: str
