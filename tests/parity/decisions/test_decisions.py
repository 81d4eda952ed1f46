"""Every recorded decision of Flagship's SDKs, and that each departure of sound rules has a numbered reason."""

from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from tests.parity.decisions.vectors import beside_sound, departures, failures, hash_failures, vectors

DOCUMENT = msgspec.json.decode((Path(__file__).parent / "flagship.json").read_bytes())
VECTORS = list(vectors(DOCUMENT))
SUITES = sorted({(vector.suite, vector.version) for vector in VECTORS})


def test_every_recorded_hash_is_ours() -> None:
    assert hash_failures(DOCUMENT) == []


@pytest.mark.parametrize(("suite", "version"), SUITES)
def test_under_an_sdks_own_rules_every_decision_is_the_sdks(suite: str, version: str) -> None:
    of_suite = [vector for vector in VECTORS if (vector.suite, vector.version) == (suite, version)]
    assert {vector.number: failures(vector) for vector in of_suite if failures(vector)} == {}


def test_where_sound_rules_decide_otherwise_a_numbered_defect_is_the_reason() -> None:
    departing = [vector for vector in VECTORS if beside_sound(vector) and departures(vector) != ()]
    assert [vector for vector in departing if departures(vector) is None] == []
    assert departing


def test_a_decision_that_is_not_the_sdks_is_noticed() -> None:
    vector = VECTORS[0]
    (campaign, _), *rest = vector.expected["assignments"]
    other = {**vector.expected, "assignments": [[campaign, "another"], *rest]}
    assert failures(replace(vector, expected=other)) == ["assignments"]
    assert failures(replace(vector, saved={})) == ["saved"]
