"""A small bucketing file, and a scene that has it.

Visitors `bc` and `b`: murmur3 of "abc" is 3017643002 and of "ab" 2613040991, so group `a` puts them into the buckets
2 and 91.
"""

import json
from typing import Any

from connector.sinks.contract import Scene
from connector.sinks.flagship.bucketing import BucketingFile, read_file
from connector.sinks.flagship.rules import RULES
from tests.unit.sinks.cases import NOW_MS, RECORD_ID

ENV_ID = "bkk4s7gcmjcg07fke9dg"
FEED = f"bucketing-{ENV_ID}"


def rule(key: str, value: Any, operator: str = "EQUALS") -> dict[str, Any]:
    return {"operator": operator, "key": key, "value": value}


def variation(name: str, allocation: float | None, **flags: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"id": name, "modifications": {"type": "JSON", "value": flags}}
    return made if allocation is None else {**made, "allocation": allocation}


def group(name: str, rules: list[dict[str, Any]], *variations: dict[str, Any]) -> dict[str, Any]:
    return {"id": name, "targeting": {"targetingGroups": [{"targetings": rules}]}, "variations": list(variations)}


EVERYONE = [rule("fs_all_users", "")]
FILE: dict[str, Any] = {
    "campaigns": [
        {
            "id": "c_colour",
            "variationGroups": [
                group("a", EVERYONE, variation("va_red", 50, colour="red"), variation("va_blue", 50, colour="blue"))
            ],
        },
        {"id": "c_vip", "variationGroups": [group("v", [rule("plan", "pro")], variation("va_vip", 100, vip=True))]},
        {"id": "c_none", "variationGroups": [group("n", EVERYONE, variation("va_none", None, nothing=1))]},
    ]
}


def read(raw: dict[str, Any], rules: str = "sound") -> BucketingFile:
    return read_file(json.dumps(raw).encode(), RULES[rules])


def scene(raw: dict[str, Any] | None = None, **facts: Any) -> Scene:
    return Scene(now_ms=NOW_MS, record_id=RECORD_ID, feeds={FEED: read(FILE if raw is None else raw)}, **facts)
