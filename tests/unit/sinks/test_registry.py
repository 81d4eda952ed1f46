"""Names to sinks, and all that can be wrong with them at once."""

from collections.abc import Mapping
from importlib.metadata import EntryPoint

import pytest

from connector.errors import Problem, SettingsError
from connector.sinks.contract import Sink
from connector.sinks.registry import GROUP, create_sinks, installed
from tests.unit.pipeline.making import PlainSink

HERE = "tests.unit.sinks.test_registry"
POINTS = {name: EntryPoint(name, f"{HERE}:create_{name}", GROUP) for name in ("good", "bad", "worse")}


def create_good(environ: Mapping[str, str]) -> Sink:
    return PlainSink(name="good", token=environ["GOOD_KEY"])


def create_bad(environ: Mapping[str, str]) -> Sink:
    raise SettingsError([Problem("BAD_KEY", "is missing"), Problem("BAD_HOST", "is no address")])


def create_worse(environ: Mapping[str, str]) -> Sink:
    raise SettingsError([Problem("WORSE_KEY", "is missing")])


def problems(*names: str) -> list[Problem]:
    with pytest.raises(SettingsError) as refused:
        create_sinks(names, {"GOOD_KEY": "k"}, POINTS)
    return refused.value.problems


def test_a_named_sink_is_made_from_its_variables() -> None:
    (sink,) = create_sinks(["good"], {"GOOD_KEY": "k"}, POINTS)
    assert sink.name == "good"


def test_segment_is_installed() -> None:
    assert "segment" in installed()


def test_an_unknown_name_is_told_what_there_is() -> None:
    assert problems("goood") == [Problem("CONNECTOR_SINKS", "there is no sink 'goood'; there are: good, bad, worse")]


def test_no_name_at_all_is_a_problem() -> None:
    assert problems() == [Problem("CONNECTOR_SINKS", "must name a sink; there are: good, bad, worse")]


def test_a_name_given_twice_is_a_problem() -> None:
    assert problems("good", "good") == [Problem("CONNECTOR_SINKS", "names 'good' more than once")]


def test_the_problems_of_all_sinks_come_at_once() -> None:
    assert [problem.variable for problem in problems("bad", "good", "what", "worse")] == [
        "CONNECTOR_SINKS",
        "BAD_KEY",
        "BAD_HOST",
        "WORSE_KEY",
    ]
