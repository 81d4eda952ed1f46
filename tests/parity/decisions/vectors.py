"""Every recorded decision of Flagship's Python SDKs beside ours, and where sound rules depart from them. Pure.

Shape of a file: `hash_vectors` and `suites`, each with a bucketing file and its cases; `expected` is what 2.1.5 did,
unless the suite is of 3.0.1, and `expected_3_0_1` what that version did otherwise.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from connector.sinks.flagship.bucketing import Decision, decide, hashed, read_file
from connector.sinks.flagship.memory import assignments, recall
from connector.sinks.flagship.rules import PYTHON_2_1, PYTHON_3_0, SOUND, Rules
from connector.sinks.flagship.visitor import Visitor

OLD, NEW = "2.1.5", "3.0.1"
VERSIONS: Mapping[str, Rules] = {OLD: PYTHON_2_1, NEW: PYTHON_3_0}
# Source: flagship.md 20, by its numbers.
MENDS: Mapping[int, Mapping[str, bool]] = {
    1: {"users_by_id": True},
    2: {"utf8": True},
    3: {"first_match": True},
    4: {"json_text_fails": False},
    20: {"empty_matches": False},
}


class Vector(Struct, frozen=True):
    """One decision of one version; `saved` is what it kept afterwards, None where that is not recorded."""

    suite: str
    number: int
    version: str
    file: bytes
    case: Mapping[str, Any]
    expected: Mapping[str, Any]
    saved: Any = None


def vectors(document: Mapping[str, Any]) -> Iterator[Vector]:
    for suite in document["suites"]:
        file = json.dumps(suite["bucketing_file"]).encode()
        versions = [NEW] if suite["sdk"] == NEW else [OLD] if suite["sdk"] == OLD else [OLD, NEW]
        for number, case in enumerate(suite["cases"]):
            for version in versions:
                known = case.get("expected_3_0_1", case["expected"]) if version == NEW else case["expected"]
                saved = known.get("saved", known.get("saved_assignation_history"))
                yield Vector(suite["name"], number, version, file, case, known, saved)


def decided(vector: Vector, rules: Rules) -> Decision:
    case = vector.case
    document = None if case.get("cached") is None else json.dumps(case["cached"]).encode()
    memory = recall(document, case["visitor_id"])
    return decide(read_file(vector.file, rules), case["visitor_id"], case["context"], memory.assigned)


def saved(vector: Vector, rules: Rules) -> Any:
    """Return what is kept after the decision, in the form that the vector shows it."""
    case = vector.case
    before = None if case.get("cached") is None else json.dumps(case["cached"]).encode()
    visitor = Visitor(case["visitor_id"])
    document = assignments(recall(before, visitor.id), visitor, decided(vector, rules), rules) or before or b"null"
    kept = msgspec.json.decode(document)
    return kept if vector.version == OLD or kept is None else kept["data"]["assignationHistory"]


def shown(decision: Decision, like: Mapping[str, Any]) -> Mapping[str, Any]:
    """Show a decision as the vectors do; the owners of flags only where they are recorded."""
    owners = decision.owners
    found: dict[str, Any] = {
        "assignments": [[choice.campaign_id, choice.variation_id] for choice in decision.choices],
        "modifications": {flag: owner.value for flag, owner in owners.items()},
    }
    if "owners" in like:
        found["owners"] = {flag: owner.variation_id for flag, owner in owners.items()}
    return found


def failures(vector: Vector) -> Sequence[str]:
    """Return what we decide otherwise than the SDK under its own rules."""
    rules, found = VERSIONS[vector.version], []
    ours = shown(decided(vector, rules), vector.expected)
    # As text, because in Python 1, 1.0 and True are equal.
    found += [name for name, value in ours.items() if _text(value) != _text(vector.expected[name])]
    if vector.saved is not None and saved(vector, rules) != vector.saved:
        found.append("saved")
    return found


def beside_sound(vector: Vector) -> bool:
    """Tell whether sound rules are compared with this: of two versions with the older one, which they mend."""
    return vector.version == OLD or "saved_assignation_history" in vector.expected


def departures(vector: Vector) -> Sequence[int] | None:
    """Return the numbers of the defects for which sound rules decide otherwise, none where they decide the same.

    None where mending these defects does not account for all of the difference.
    """
    base = VERSIONS[vector.version]
    theirs, sound = decided(vector, base), decided(vector, SOUND)
    if _same(theirs, sound):
        return ()
    causes = [number for number, mend in MENDS.items() if not _same(theirs, decided(vector, replace(base, **mend)))]
    mended = replace(base, **{name: value for number in causes for name, value in MENDS[number].items()})
    return causes if causes and _same(decided(vector, mended), sound) else None


def hash_failures(document: Mapping[str, Any]) -> Sequence[str]:
    found = []
    for vector in document["hash_vectors"]:
        text = vector["input"]
        if hashed(text, utf8=False) != vector["hash"] or hashed(text) != vector.get("utf8_hash", vector["hash"]):
            found.append(text)
    return found


def lines(document: Mapping[str, Any]) -> Iterator[str]:
    """Report: per suite and version what passed, then where and why sound rules depart from it."""
    wrong = hash_failures(document)
    yield f"hashes: {len(document['hash_vectors']) - len(wrong)} passed, {len(wrong)} failed"
    passed, failed = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    reasons = Counter[tuple[str, str, str]]()
    for vector in vectors(document):
        place = (vector.suite, vector.version)
        (failed if failures(vector) else passed)[place] += 1
        if beside_sound(vector):
            causes = departures(vector)
            if causes is None or causes:
                why = "no numbered defect" if causes is None else " and ".join(map(str, causes))
                reasons[(*place, why)] += 1
                yield f"sound departs from {vector.version} in {vector.suite} case {vector.number}: {why}"
    for suite, version in dict.fromkeys([*passed, *failed]):
        yield f"{suite} {version}: {passed[suite, version]} passed, {failed[suite, version]} failed"
    for (suite, version, why), count in reasons.items():
        yield f"sound departs from {version} in {count} cases of {suite}, by section 20 number {why}"


def _same(one: Decision, other: Decision) -> bool:
    return one.choices == other.choices and one.owners == other.owners


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=isinstance(value, dict))
