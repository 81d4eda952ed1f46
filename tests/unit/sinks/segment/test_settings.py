"""SEGMENT_* variables, good and bad."""

from functools import cache
from pathlib import Path

import pytest
from joserfc.jwk import ECKey, RSAKey

from connector.errors import SettingsError
from connector.sinks.segment.settings import SegmentSettings


def settings(**variables: str) -> SegmentSettings:
    return SegmentSettings.load({"SEGMENT_WRITE_KEY": "wk_test", **variables})


def problem_variables(**variables: str) -> set[str]:
    with pytest.raises(SettingsError) as refused:
        settings(**variables)
    return {problem.variable for problem in refused.value.problems}


def test_a_write_key_is_enough() -> None:
    given = settings()
    assert given.url == "https://api.segment.io/v1/batch"
    assert (given.batch_size, given.linger_s, given.timeout_s) == (100, 0.2, 15.0)


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({"SEGMENT_REGION": "eu"}, "https://events.eu1.segmentapis.com/v1/batch"),
        ({"SEGMENT_HOST": "http://127.0.0.1:8080"}, "http://127.0.0.1:8080/v1/batch"),
        ({"SEGMENT_HOST": "https://proxy.example/segment/"}, "https://proxy.example/segment/v1/batch"),
        ({"SEGMENT_HOST": "https://h.example", "SEGMENT_REGION": "eu"}, "https://h.example/v1/batch"),
    ],
)
def test_the_address_is_of_the_region_or_the_host(variables: dict[str, str], url: str) -> None:
    assert settings(**variables).url == url


@pytest.mark.parametrize(
    "host",
    [
        "",
        "api.segment.io",
        "ftp://h",
        "https://",
        "https://h:0",
        "https://h:99999",
        "https://[h",
        "https://h/v1",
        "https://h/v1/",
        "https://u:p@h",
        "https://h?a=b",
    ],
)
def test_a_host_that_cannot_work_is_refused(host: str) -> None:
    assert problem_variables(SEGMENT_HOST=host) == {"SEGMENT_HOST"}


def test_times_are_durations() -> None:
    given = settings(SEGMENT_LINGER_S="50ms", SEGMENT_TIMEOUT_S="1m")
    assert (given.linger_s, given.timeout_s) == (0.05, 60.0)


def test_every_variable_says_what_it_is_for() -> None:
    assert all(variable.meaning for variable in SegmentSettings.variables())


def test_every_problem_is_named_at_once() -> None:
    assert problem_variables(SEGMENT_WRITE_KEY="", SEGMENT_BATCH_SIZE="2501", SEGMENT_REGION="asia") == {
        "SEGMENT_WRITE_KEY",
        "SEGMENT_BATCH_SIZE",
        "SEGMENT_REGION",
    }


def test_a_missing_write_key_is_named() -> None:
    with pytest.raises(SettingsError) as refused:
        SegmentSettings.load({})
    assert [problem.variable for problem in refused.value.problems] == ["SEGMENT_WRITE_KEY"]


def test_a_write_key_that_is_no_text_is_named() -> None:
    assert problem_variables(SEGMENT_WRITE_KEY="wk_\udc80") == {"SEGMENT_WRITE_KEY"}


def test_a_write_key_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("wk_filed\n")
    given = SegmentSettings.load({"SEGMENT_WRITE_KEY_FILE": str(tmp_path / "key")})
    assert given.write_key.get_secret_value() == "wk_filed"


def test_the_write_key_is_shown_nowhere() -> None:
    given = settings(SEGMENT_WRITE_KEY="wk_hidden")
    assert "wk_hidden" not in f"{given!r} {given!s} {given.model_dump()}"
    with pytest.raises(SettingsError) as refused:
        settings(SEGMENT_WRITE_KEY="wk_hidden", SEGMENT_REGION="asia")
    assert "wk_hidden" not in str(refused.value)


OAUTH = {"SEGMENT_OAUTH_CLIENT_ID": "app", "SEGMENT_OAUTH_KEY_ID": "kid1"}


@cache
def rsa_key() -> RSAKey:
    return RSAKey.generate_key(2048)


@pytest.mark.parametrize(
    ("variables", "server"),
    [
        ({}, "https://oauth2.segment.io"),
        ({"SEGMENT_REGION": "eu"}, "https://oauth2.eu1.segmentapis.com"),
        ({"SEGMENT_OAUTH_HOST": "https://h.example/"}, "https://h.example"),
    ],
)
def test_tokens_are_asked_of_the_regions_server_or_the_host(variables: dict[str, str], server: str) -> None:
    key = rsa_key().as_pem(private=True).decode()
    application = settings(**OAUTH, SEGMENT_OAUTH_PRIVATE_KEY=key, **variables).application
    assert application is not None
    assert (application.client_id, application.key_id, application.server) == ("app", "kid1", server)


def test_without_an_application_there_is_none() -> None:
    assert settings().application is None


@pytest.mark.parametrize("missing", OAUTH)
def test_an_application_named_in_part_is_refused(missing: str) -> None:
    given = {name: value for name, value in OAUTH.items() if name != missing}
    assert problem_variables(**given) == {"SEGMENT_OAUTH_PRIVATE_KEY"}
    key = rsa_key().as_pem(private=True).decode()
    assert problem_variables(**given, SEGMENT_OAUTH_PRIVATE_KEY=key) == {"SEGMENT_OAUTH_PRIVATE_KEY"}


@pytest.mark.parametrize("kind", ["text", "public", "other"])
def test_a_key_that_signs_nothing_is_refused_and_not_shown(kind: str) -> None:
    pem = {
        "text": b"hidden",
        "public": rsa_key().as_pem(private=False),
        "other": ECKey.generate_key().as_pem(private=True),
    }[kind].decode()
    with pytest.raises(SettingsError) as refused:
        settings(**OAUTH, SEGMENT_OAUTH_PRIVATE_KEY=pem)
    (problem,) = refused.value.problems
    assert problem.variable == "SEGMENT_OAUTH_PRIVATE_KEY"
    assert pem.strip() not in str(refused.value)


def test_a_private_key_may_come_from_a_file_and_is_shown_nowhere(tmp_path: Path) -> None:
    pem = rsa_key().as_pem(private=True).decode()
    (tmp_path / "key.pem").write_text(pem)
    given = settings(**OAUTH, SEGMENT_OAUTH_PRIVATE_KEY_FILE=str(tmp_path / "key.pem"))
    assert given.application is not None
    secret = pem.splitlines()[1]
    assert secret not in f"{given!r} {given!s} {given.model_dump()} {given.application!r}"
