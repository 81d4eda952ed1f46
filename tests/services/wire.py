"""Requests of Kafka's own protocol that the client library cannot make, over a connection for each.

Source: kafka.apache.org/protocol, AlterPartitionReassignments (key 45) version 0, read 2026-11-25.
"""

import socket
import struct
from collections.abc import Sequence

ALTER_REASSIGNMENTS = 45
_TIMEOUT_S = 30.0
_NO_TAGS = b"\x00"


def ask(port: int, key: int, body: bytes) -> None:
    """Send version 0 of a request to a broker and wait until it says that it was taken."""
    head = struct.pack(">hhih", key, 0, 1, -1) + _NO_TAGS
    with socket.create_connection(("127.0.0.1", port), _TIMEOUT_S) as connection:
        connection.sendall(struct.pack(">i", len(head) + len(body)) + head + body)
        with connection.makefile("rb") as answers:
            (size,) = struct.unpack(">i", answers.read(4))
            answer = answers.read(size)
    # Of the whole: after number, tags and throttle time.
    (error,) = struct.unpack_from(">h", answer, 9)
    assert error == 0, f"refused with error {error}"


def reassignments(topic: str, orders: Sequence[Sequence[int]]) -> bytes:
    """Write which replicas each partition is to have, in order."""
    partitions = b"".join(
        struct.pack(">i", number) + _count(len(order)) + struct.pack(f">{len(order)}i", *order) + _NO_TAGS
        for number, order in enumerate(orders)
    )
    name = _count(len(topic)) + topic.encode()
    topics = _count(1) + name + _count(len(orders)) + partitions + _NO_TAGS
    return struct.pack(">i", round(_TIMEOUT_S * 1000)) + topics + _NO_TAGS


def _count(number: int) -> bytes:
    """Write a length as this version does: one more than it is, in groups of seven bits."""
    rest, out = number + 1, bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*out, rest])
