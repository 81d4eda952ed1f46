"""Ids that are the same on every attempt and after every restart. Pure."""

from uuid import UUID, uuid5

from connector.domain.record import Record

_RECORDS = UUID("6f1c33c2-3b0b-5f0e-9d0a-6c0d7b1f4a11")
_ROLES = UUID("a3c5c9c4-77c1-5f52-8f3e-2a6f5e0b9d27")
_FITTED = UUID("0d3f5b1e-98e4-5f0c-b7a7-4f1f6a8a3c55")


def record_id(cluster_id: str, record: Record) -> str:
    """Name a record by where it sits: its CloudEvents id, else a UUIDv5 of its position.

    The timestamp is part of the position because a topic made anew repeats its offsets.
    """
    ce_id = record.header("ce_id")
    if ce_id:
        try:
            return ce_id.decode()
        except UnicodeDecodeError:
            pass
    at = record.origin or record
    topic, number = at.partition.topic, at.partition.number
    return str(uuid5(_RECORDS, f"{cluster_id}/{topic}/{number}/{at.offset}/{at.timestamp_ms}"))


def role_id(of: str, role: str) -> str:
    """Name one of several payloads of a record; `role` is fixed by meaning, such as `item:2`."""
    return str(uuid5(_ROLES, f"{of}/{role}")) if role else of


def fitted_id(of: str, *, longest: int, shortest: int = 1) -> str:
    """Return the id where the vendor's bounds allow it, else a UUIDv5 of it.

    Units: bounds in code points.
    """
    return of if shortest <= len(of) <= longest else str(uuid5(_FITTED, of))
