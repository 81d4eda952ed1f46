"""A schema registry by script: it knows some ids, fails for others, and counts who asks."""

import json
import struct
from collections.abc import Callable, Mapping
from typing import Any

from tests.doubles.vendor import Reply, Request, Vendor
from tests.integration.events import KINDS, plain, schema_of

Answer = Callable[[], Reply]


class Registry:
    """`known` are the schemas by id; `faulty` ids are answered in their own way for as long as they stand there."""

    def __init__(self) -> None:
        self.known: dict[int, Any] = {number: schema_of(kind) for number, kind in enumerate(KINDS, 1)}
        self.faulty: dict[int, Reply] = {}
        self.server = Vendor(self._script)

    @property
    def url(self) -> str:
        return self.server.url

    def asked_s(self, schema_id: int) -> list[float]:
        """When this id was asked for."""
        return [one.received_s for one in self.server.received if _id_of(one) == schema_id]

    def _script(self, request: Request) -> Reply:
        schema_id = _id_of(request)
        if schema_id in self.faulty:
            return self.faulty[schema_id]
        if schema_id not in self.known:
            return absent()
        return answer({"schema": json.dumps(plain(self.known[schema_id]))})


def heads(first: int = 1) -> Mapping[str, bytes]:
    """The head of each kind, where their ids begin at `first`."""
    return {kind: head(number) for number, kind in enumerate(KINDS, first)}


def head(schema_id: int) -> bytes:
    return b"\x00" + struct.pack(">I", schema_id)


def answer(content: Any, status: int = 200) -> Reply:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Reply(status, {"Content-Type": "application/vnd.schemaregistry.v1+json"}, body)


def absent() -> Reply:
    return answer({"error_code": 40403, "message": "Schema not found"}, 404)


def _id_of(request: Request) -> int:
    return int(request.path.partition("?")[0].rpartition("/")[2])
