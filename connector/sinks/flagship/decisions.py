"""What was decided for a visitor, as a record for other services to read. Pure.

Shape: Avro by avro/connector.decisions.Decision.avsc, keyed by the visitor id.
"""

import hashlib
import json
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import fastavro
import msgspec
from msgspec import Struct

from connector.sinks.contract import Endpoint, Limits, Topic
from connector.sinks.flagship.bucketing import Choice, Decision
from connector.sinks.flagship.rules import Scalar
from connector.sinks.flagship.settings import FlagshipSettings
from connector.sinks.flagship.visitor import Visitor

ENDPOINT = "decisions"
# A record larger than this is over the bound that a broker has by default.
_MOST_BYTES = 900_000
_HASH_DIGITS = 16

SCHEMA: Mapping[str, Any] = {
    "type": "record",
    "name": "Decision",
    "namespace": "connector.decisions",
    "doc": "All campaigns as they were decided for one visitor in one context.",
    "fields": [
        {"name": "visitor_id", "doc": "Whom it was decided for; the key of the record too.", "type": "string"},
        {
            "name": "anonymous_id",
            "doc": "Who they were before they logged in.",
            "type": ["null", "string"],
            "default": None,
        },
        {"name": "environment_id", "doc": "The vendor's environment.", "type": "string"},
        {"name": "decided_by", "doc": "bucketing (by the file) or api.", "type": "string"},
        {"name": "decided_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "event_id", "doc": "The event that had it decided.", "type": "string"},
        {
            "name": "context_hash",
            "doc": "The same for the same context: the first 16 hex digits of the SHA-256 of its JSON, keys in order.",
            "type": "string",
        },
        {
            "name": "flags_json",
            "doc": "JSON text of an object: every flag the visitor has, with its value.",
            "type": "string",
        },
        {
            "name": "campaigns",
            "doc": "Those that have a variation for the visitor, in the vendor's order.",
            "type": {
                "type": "array",
                "items": {
                    "type": "record",
                    "name": "Campaign",
                    "fields": [
                        {"name": "campaign_id", "type": "string"},
                        {"name": "variation_group_id", "type": "string"},
                        {"name": "variation_id", "type": "string"},
                        {
                            "name": "reference",
                            "doc": "Whether it is the one others are compared with.",
                            "type": "boolean",
                        },
                        {
                            "name": "flags_json",
                            "doc": "JSON text of an object: those flags whose value is this variation's.",
                            "type": "string",
                        },
                    ],
                },
            },
        },
    ],
}
_PARSED = fastavro.parse_schema(json.loads(json.dumps(SCHEMA)))


class Moment(Struct, frozen=True):
    """What had a decision made, and when; `by` is bucketing or api."""

    environment_id: str
    by: str
    at_ms: int
    event_id: str


def endpoint(settings: FlagshipSettings, topic: str) -> Endpoint:
    limits = Limits(settings.batch_size, _MOST_BYTES * 2, _MOST_BYTES, settings.linger_s)
    return Endpoint(ENDPOINT, limits, quota="topic", topic=Topic(topic, json.dumps(SCHEMA)))


def encoded(visitor: Visitor, context: Mapping[str, Scalar], decision: Decision, moment: Moment) -> bytes:
    """Encode a decision; campaigns without a variation for the visitor are left out."""
    value = {
        "visitor_id": visitor.id,
        "anonymous_id": visitor.anonymous_id,
        "environment_id": moment.environment_id,
        "decided_by": moment.by,
        "decided_at": moment.at_ms,
        "event_id": moment.event_id,
        "context_hash": context_hash(context),
        "flags_json": _json({flag: owner.value for flag, owner in decision.owners.items()}),
        "campaigns": [_campaign(one, decision) for one in decision.choices if one.group_id and one.variation_id],
    }
    out = BytesIO()
    fastavro.schemaless_writer(out, _PARSED, value)
    return out.getvalue()


def context_hash(context: Mapping[str, Scalar]) -> str:
    text = msgspec.json.encode(context, order="sorted")
    return hashlib.sha256(text).hexdigest()[:_HASH_DIGITS]


def _campaign(choice: Choice, decision: Decision) -> Mapping[str, object]:
    ids = (choice.campaign_id, choice.group_id, choice.variation_id)
    own = {
        flag: owner.value
        for flag, owner in decision.owners.items()
        if (owner.campaign_id, owner.group_id, owner.variation_id) == ids
    }
    return {
        "campaign_id": choice.campaign_id,
        "variation_group_id": choice.group_id,
        "variation_id": choice.variation_id,
        "reference": choice.reference,
        "flags_json": _json(own),
    }


def _json(flags: Mapping[str, Any]) -> str:
    return msgspec.json.encode(flags).decode()
