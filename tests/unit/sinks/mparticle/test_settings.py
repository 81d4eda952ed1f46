"""MPARTICLE_* variables, good and bad."""

import pytest

from connector.errors import SettingsError
from connector.sinks.mparticle.settings import MparticleSettings, Pair

PAIR = {"MPARTICLE_KEY": "key", "MPARTICLE_SECRET": "secret"}


def settings(**variables: str) -> MparticleSettings:
    return MparticleSettings.load({**PAIR, **variables})


def problem_variables(**variables: str) -> set[str]:
    with pytest.raises(SettingsError) as refused:
        settings(**variables)
    return {problem.variable for problem in refused.value.problems}


def test_a_pair_is_enough() -> None:
    given = settings()
    assert given.url == "https://s2s.mparticle.com/v2"
    assert (given.batch_size, given.rate_per_s, given.environment, given.merge) == (100, 270.0, "production", "on")
    assert given.pairs == {"": Pair("key", "secret")}


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({"MPARTICLE_POD": "us2"}, "https://s2s.us2.mparticle.com/v2"),
        ({"MPARTICLE_POD": "eu1"}, "https://s2s.eu1.mparticle.com/v2"),
        ({"MPARTICLE_POD": "au1"}, "https://s2s.au1.mparticle.com/v2"),
        ({"MPARTICLE_HOST": "http://127.0.0.1:8080/", "MPARTICLE_POD": "eu1"}, "http://127.0.0.1:8080/v2"),
    ],
)
def test_the_address_is_of_the_pod_or_the_host(variables: dict[str, str], url: str) -> None:
    assert settings(**variables).url == url


def test_pairs_go_by_the_vendors_spelling_of_the_platform() -> None:
    given = settings(MPARTICLE_KEY_PAIRS='{"ios": {"key": "k2", "secret": "s:2"}}')
    assert given.pairs == {"": Pair("key", "secret"), "iOS": Pair("k2", "s:2")}


@pytest.mark.parametrize(
    "pairs",
    [
        "",
        "ios",
        "[]",
        '{"desktop": {"key": "k", "secret": "s"}}',
        '{"ios": {"key": "k"}}',
        '{"ios": {"key": "", "secret": "s"}}',
        '{"ios": {"key": "k:", "secret": "s"}}',
        '{"ios": {"key": "k", "secret": "s", "more": 1}}',
        '{"ios": {"key": "k", "secret": "s"}, "iOS": {"key": "k2", "secret": "s2"}}',
    ],
)
def test_pairs_that_cannot_work_are_refused(pairs: str) -> None:
    assert problem_variables(MPARTICLE_KEY_PAIRS=pairs) == {"MPARTICLE_KEY_PAIRS"}


def test_every_problem_is_named_at_once() -> None:
    assert problem_variables(
        MPARTICLE_KEY="a:b",
        MPARTICLE_SECRET="",
        MPARTICLE_POD="us9",
        MPARTICLE_HOST="https://h/v2",
        MPARTICLE_BATCH_SIZE="101",
        MPARTICLE_ENVIRONMENT="staging",
        MPARTICLE_ANONYMOUS_ID_AS="cookie",
    ) == {
        "MPARTICLE_KEY",
        "MPARTICLE_SECRET",
        "MPARTICLE_POD",
        "MPARTICLE_HOST",
        "MPARTICLE_BATCH_SIZE",
        "MPARTICLE_ENVIRONMENT",
        "MPARTICLE_ANONYMOUS_ID_AS",
    }


def test_a_key_that_is_no_text_is_named() -> None:
    assert problem_variables(MPARTICLE_KEY="k\udc80") == {"MPARTICLE_KEY"}


def test_credentials_are_shown_nowhere() -> None:
    pairs = '{"ios": {"key": "hidden_3", "secret": "hidden_4"}}'
    given = settings(MPARTICLE_KEY="hidden_1", MPARTICLE_SECRET="hidden_2", MPARTICLE_KEY_PAIRS=pairs)
    assert "hidden" not in f"{given!r} {given!s} {given.model_dump()}"
    with pytest.raises(SettingsError) as refused:
        settings(MPARTICLE_KEY_PAIRS=pairs[:-1])
    assert "hidden" not in str(refused.value)
