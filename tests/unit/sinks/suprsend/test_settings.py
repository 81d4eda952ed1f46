"""SUPRSEND_* variables, good and bad."""

from pathlib import Path

import pytest

from connector.errors import SettingsError
from connector.sinks.suprsend import create
from connector.sinks.suprsend.settings import SuprsendSettings

SIGNED = {"SUPRSEND_WORKSPACE_KEY": "wskey", "SUPRSEND_WORKSPACE_SECRET": "wssecret"}
BEARING = {"SUPRSEND_WORKSPACE_UID": "wsuid", "SUPRSEND_API_KEY": "SS.WSS.key"}


def problem_variables(environ: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        SuprsendSettings.load(environ)
    return [problem.variable for problem in refused.value.problems]


def test_a_key_and_its_secret_are_enough() -> None:
    given = SuprsendSettings.load(SIGNED)
    assert (given.workspace, given.base_url) == ("wskey", "https://hub.suprsend.com/")
    assert (given.batch_size, given.linger_s, given.timeout_s, given.rate_per_s) == (400, 0.2, 15.0, None)


def test_a_uid_and_an_api_key_are_enough() -> None:
    assert SuprsendSettings.load(BEARING).workspace == "wsuid"


@pytest.mark.parametrize(
    ("environ", "variables"),
    [
        ({}, ["SUPRSEND_WORKSPACE_KEY"]),
        ({"SUPRSEND_WORKSPACE_KEY": "k"}, ["SUPRSEND_WORKSPACE_SECRET"]),
        ({"SUPRSEND_WORKSPACE_SECRET": "s"}, ["SUPRSEND_WORKSPACE_KEY"]),
        ({"SUPRSEND_WORKSPACE_UID": "u"}, ["SUPRSEND_API_KEY"]),
        ({"SUPRSEND_API_KEY": "a"}, ["SUPRSEND_WORKSPACE_UID"]),
        ({**SIGNED, **BEARING}, ["SUPRSEND_WORKSPACE_UID"]),
        ({**SIGNED, "SUPRSEND_API_KEY": "a"}, ["SUPRSEND_WORKSPACE_UID"]),
        ({**SIGNED, "SUPRSEND_WORKSPACE_KEY": ""}, ["SUPRSEND_WORKSPACE_KEY"]),
        ({**SIGNED, "SUPRSEND_WORKSPACE_SECRET": ""}, ["SUPRSEND_WORKSPACE_SECRET"]),
        ({**BEARING, "SUPRSEND_WORKSPACE_UID": ""}, ["SUPRSEND_WORKSPACE_UID"]),
        ({**BEARING, "SUPRSEND_API_KEY": ""}, ["SUPRSEND_API_KEY"]),
        ({**SIGNED, "SUPRSEND_WORKSPACE_KEY": "a/b"}, ["SUPRSEND_WORKSPACE_KEY"]),
        ({**SIGNED, "SUPRSEND_WORKSPACE_KEY": "a b"}, ["SUPRSEND_WORKSPACE_KEY"]),
        ({**SIGNED, "SUPRSEND_WORKSPACE_SECRET": "\udc80"}, ["SUPRSEND_WORKSPACE_SECRET"]),
        ({**BEARING, "SUPRSEND_API_KEY": "a\nb"}, ["SUPRSEND_API_KEY"]),
        ({**SIGNED, "SUPRSEND_BATCH_SIZE": "401"}, ["SUPRSEND_BATCH_SIZE"]),
        (
            {"SUPRSEND_WORKSPACE_KEY": "", "SUPRSEND_TIMEOUT_S": "0"},
            ["SUPRSEND_WORKSPACE_KEY", "SUPRSEND_TIMEOUT_S", "SUPRSEND_WORKSPACE_SECRET"],
        ),
    ],
)
def test_every_problem_is_named_at_once(environ: dict[str, str], variables: list[str]) -> None:
    assert problem_variables(environ) == variables


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("", "https://hub.suprsend.com/"),
        ("  ", "https://hub.suprsend.com/"),
        ("  http://127.0.0.1:8080/p/ ", "http://127.0.0.1:8080/p/"),
        ("https://proxy.example/hub/v9", "https://proxy.example/hub/v9/"),
        ("https://proxy.example/a%20b", "https://proxy.example/a%20b/"),
    ],
)
def test_a_base_url_is_trimmed_and_ends_in_a_slash(given: str, base: str) -> None:
    assert SuprsendSettings.load({**SIGNED, "SUPRSEND_BASE_URL": given}).base_url == base


@pytest.mark.parametrize(
    "address",
    [
        "hub.suprsend.com",
        "ftp://h",
        "https://h:0",
        "https://u:p@h",
        "https://h/?a=b",
        "https://h/a b",
        "https://h/../a",
    ],
)
def test_a_base_url_that_cannot_work_or_would_be_rewritten_is_refused(address: str) -> None:
    assert problem_variables({**SIGNED, "SUPRSEND_BASE_URL": address}) == ["SUPRSEND_BASE_URL"]


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("filed\n")
    given = SuprsendSettings.load(
        {"SUPRSEND_WORKSPACE_KEY": "k", "SUPRSEND_WORKSPACE_SECRET_FILE": str(tmp_path / "secret")}
    )
    assert given.workspace_secret is not None
    assert given.workspace_secret.get_secret_value() == "filed"


@pytest.mark.parametrize(
    ("name", "secret"),
    [("SUPRSEND_WORKSPACE_KEY", "SUPRSEND_WORKSPACE_SECRET"), ("SUPRSEND_WORKSPACE_UID", "SUPRSEND_API_KEY")],
)
def test_a_workspace_whose_name_no_event_may_carry_is_warned_of(name: str, secret: str) -> None:
    assert create({name: "k" * 20, secret: "s"}).preferences.warnings == ()
    (warning,) = create({name: "k" * 19, secret: "s"}).preferences.warnings
    assert warning.startswith(f"{name} has fewer than 20 characters")


def test_secrets_are_shown_nowhere() -> None:
    for environ, secret in ((SIGNED, "wssecret"), (BEARING, "SS.WSS.key")):
        given = SuprsendSettings.load(environ)
        assert secret not in f"{given!r} {given!s} {given.model_dump()}"
        with pytest.raises(SettingsError) as refused:
            SuprsendSettings.load({**environ, "SUPRSEND_LINGER_S": "soon"})
        assert secret not in str(refused.value)


def test_every_variable_says_what_it_is_for() -> None:
    assert all(variable.meaning for variable in SuprsendSettings.variables())
