"""What the sandbox knows of a vendor: how it answers a request. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct


class Call(Struct, frozen=True):
    """One request.

    Shape: `path` is what follows the vendor's prefix; `target` is path and query as they stood on the wire, prefix
           included, for vendors that sign it; `params` are the route's `{...}` parts; `headers` take names in any case;
           `body` is inflated.
    `bad`  whether the faults want the item of this id refused; a vendor asks it of each item.
    """

    method: str
    path: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    now_ms: int
    params: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    bad: Callable[[str], bool] = lambda identifier: False


class Item(Struct, frozen=True, gc=False):
    """One thing that a request held.

    `id`      what the vendor knows it by, "" where the wire names it by nothing.
    `label`   what a person calls it: its kind and name.
    `body`    its own text, without the request's envelope and credentials.
    `reason`  why it was turned down, whatever the status said; "" where it was taken.
    """

    id: str
    label: str
    body: bytes
    reason: str = ""


class Answer(Struct, frozen=True):
    """What the vendor says, and what became of each item. `refused` is why a whole request was turned down.

    `cost`         what it takes of a quota of items, where that is not their number.
    `used_header`  the header in which this vendor tells the percentage of a quota that is used, "" where it tells none.
    `keep`         has the vendor remember what it took; not called where a quota lets it say something else.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}
    items: Sequence[Item] = ()
    refused: str = ""
    cost: int | None = None
    used_header: str = ""
    keep: Callable[[], None] = lambda: None


Route = Callable[[Call], Answer]


class Vendor(Protocol):
    """One vendor: a module of this package, and its line in `vendors.py`."""

    @property
    def name(self) -> str:
        """The sink's name, and the first part of every path."""
        ...

    @property
    def routes(self) -> Mapping[str, Route]:
        """What answers "POST /v1/batch"; a path may hold parts in braces."""
        ...

    def refusal(self, status: int, retry_after_s: float | None) -> Answer:
        """Say this status as the vendor says it, with the headers it tells a wait by. Nothing was taken."""
        ...

    def environ(self, url: str) -> Mapping[str, str]:
        """Name the settings that point the sink at this address, with credentials that pass."""
        ...
