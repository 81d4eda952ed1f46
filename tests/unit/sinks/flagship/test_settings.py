"""FLAGSHIP_* variables, good and bad."""

import pytest

from connector.errors import SettingsError
from connector.sinks.flagship.settings import FlagshipSettings


def settings(**variables: str) -> FlagshipSettings:
    given = {f"FLAGSHIP_{name}": value for name, value in variables.items()}
    return FlagshipSettings.load({"FLAGSHIP_ENV_ID": "env1", **given})


def problems(**variables: str) -> list[tuple[str, str]]:
    with pytest.raises(SettingsError) as refused:
        settings(**variables)
    return [(problem.variable, problem.message) for problem in refused.value.problems]


def test_an_environment_is_enough_to_decide_by_the_file_and_send_in_batches() -> None:
    given = settings()
    assert (given.mode, given.protocol, given.decision_rules, given.batched) == ("bucketing", "batch", "sound", True)
    assert given.visitor_cache_url is None


@pytest.mark.parametrize("env_id", ["", "a" * 33, "a/b", "é", "a b"])
def test_an_environment_is_what_fits_a_hit_and_an_address(env_id: str) -> None:
    assert [name for name, _ in problems(ENV_ID=env_id)] == ["FLAGSHIP_ENV_ID"]


def test_the_decision_api_needs_a_key() -> None:
    assert problems(MODE="api") == [("FLAGSHIP_*", "FLAGSHIP_API_KEY must be set where FLAGSHIP_MODE is api")]
    assert problems(MODE="api", API_KEY="")[0][0] == "FLAGSHIP_*"
    assert settings(MODE="api", API_KEY="k").mode == "api"


@pytest.mark.parametrize(
    "url", ["sqlite:///visitors.db", "sqlite:////var/lib/visitors.db", "redis://cache", "rediss://u:p@cache:6380/1"]
)
def test_a_store_is_sqlite_or_redis(url: str) -> None:
    given = settings(VISITOR_CACHE_URL=url).visitor_cache_url
    assert given is not None
    assert given.get_secret_value() == url


def test_no_store_is_none() -> None:
    assert settings(VISITOR_CACHE_URL="").visitor_cache_url is None


@pytest.mark.parametrize("url", ["visitors.db", "sqlite:///", "sqlite://visitors.db", "redis://", "http://cache"])
def test_another_store_is_refused(url: str) -> None:
    assert [name for name, _ in problems(VISITOR_CACHE_URL=url)] == ["FLAGSHIP_VISITOR_CACHE_URL"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PROTOCOL", "v3"),
        ("DECISION_RULES", "go"),
        ("PANIC", "send"),
        ("POLLING_INTERVAL", "0"),
        ("CDN_HOST", "cdn.flagship.io"),
        ("DECISION_HOST", "https://decision.flagship.io/v2"),
        ("BATCH_SIZE", "5001"),
    ],
)
def test_what_cannot_work_is_refused_by_name(variable: str, value: str) -> None:
    assert [name for name, _ in problems(**{variable: value})] == [f"FLAGSHIP_{variable}"]
