"""The command line as a process: what it prints where, and its exit codes."""

import re
import subprocess
import sys
from collections.abc import Mapping
from subprocess import CompletedProcess

import pytest

from connector import __version__
from connector.sandbox.faults import KINDS
from connector.sinks.registry import installed


def connector(*arguments: str, environ: Mapping[str, str] | None = None) -> CompletedProcess[str]:
    """Run to the end, with these variables alone."""
    return subprocess.run(
        [sys.executable, "-m", "connector", *arguments],
        env={"COLUMNS": "100", **(environ or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_version_is_printed_alone() -> None:
    ended = connector("--version")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"{__version__}\n", "")


def test_help_names_each_command_with_what_it_does() -> None:
    ended = connector("--help")
    assert ended.returncode == 0
    commands = ended.stdout.partition("Commands:\n")[2].splitlines()
    assert "  run      Deliver until SIGTERM; then drain, commit and exit 0." in commands
    assert not [line for line in commands if line.endswith("...")]


def test_help_of_a_command_is_complete() -> None:
    ended = connector("run", "--help")
    assert ended.returncode == 0
    assert "Deliver until SIGTERM" in ended.stdout


def test_an_unknown_command_is_a_wrong_use() -> None:
    ended = connector("rum")
    assert ended.returncode == 2
    assert "rum" in ended.stderr


def test_wrong_settings_are_printed_one_a_line_with_exit_code_2() -> None:
    ended = connector("run", environ={"CONNECTOR_SINKS": "segment", "CONNECTOR_MAX_IN_FLIGHT": "0"})
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert sorted(line.partition(": ")[0] for line in ended.stderr.splitlines()) == [
        "CONNECTOR_MAX_IN_FLIGHT",
        "KAFKA_BOOTSTRAP_SERVERS",
        "SCHEMA_REGISTRY_URL",
        "SEGMENT_WRITE_KEY",
    ]


def test_a_start_without_settings_says_each_that_is_needed_once_and_which_sinks_there_are() -> None:
    said = sorted(connector("run").stderr.splitlines())
    assert said[0] == f"CONNECTOR_SINKS: must name a sink; there are: {', '.join(installed())}"
    needed = ["CONNECTOR_SINKS", "CONNECTOR_TOPICS", "KAFKA_BOOTSTRAP_SERVERS", "SCHEMA_REGISTRY_URL"]
    assert [line.partition(": ")[0] for line in said] == needed


def test_a_sink_that_is_not_there_is_a_wrong_setting() -> None:
    ended = connector("run", environ={"CONNECTOR_SINKS": "segmnt"})
    assert ended.returncode == 2
    assert "CONNECTOR_SINKS: there is no sink 'segmnt'" in ended.stderr


def test_what_dead_letters_cannot_be_written_with_is_a_wrong_setting_before_there_is_any() -> None:
    environ = {
        "KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
        "KAFKA_RETRIES": "0",
        "SCHEMA_REGISTRY_URL": "http://registry",
        "CONNECTOR_SINKS": "segment",
        "CONNECTOR_TOPICS": "events",
        "SEGMENT_WRITE_KEY": "key",
    }
    ended = connector("run", environ=environ)
    assert ended.returncode == 2
    assert "KAFKA_RETRIES: letters cannot be written: `retries` must be set >= 1" in ended.stderr


@pytest.mark.parametrize("secret", ["SEGMENT_WRITE_KEY", "KAFKA_SASL_PASSWORD", "SCHEMA_REGISTRY_BEARER_AUTH_TOKEN"])
def test_wrong_settings_show_no_secret_and_no_traceback(secret: str) -> None:
    ended = connector("run", environ={"CONNECTOR_SINKS": "segment", secret: "hush-hush", "KAFKA_GROUP_ID": "x"})
    assert ended.returncode == 2
    assert "hush" not in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr


def test_help_of_the_sandbox_names_every_fault() -> None:
    ended = connector("sandbox", "--help")
    assert ended.returncode == 0
    for kind in KINDS:
        assert re.search(rf"^ *{kind}\b", ended.stdout, re.MULTILINE), kind


def test_a_fault_that_cannot_be_read_is_a_wrong_use() -> None:
    ended = connector("sandbox", "--fault", "status=99")
    assert ended.returncode == 2
    assert "status=99" in ended.stderr


def test_a_process_loads_the_sinks_that_it_runs_and_no_others() -> None:
    program = "import os, sys; from connector.app import read_plan; read_plan(os.environ); print(*sys.modules)"
    environ = {
        "KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
        "SCHEMA_REGISTRY_URL": "http://registry",
        "CONNECTOR_SINKS": "segment",
        "CONNECTOR_TOPICS": "events",
        "SEGMENT_WRITE_KEY": "key",
    }
    ended = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
    loaded = {name.split(".")[2] for name in ended.stdout.split() if name.startswith("connector.sinks.")}
    assert loaded & set(installed()) == {"segment"}
    assert "redis" not in ended.stdout.split()
