"""The README says what the settings are."""

import re
from pathlib import Path

from connector.environment import table
from connector.observe.labels import LETTERS, OTHER
from connector.pipeline.health import CHECKS
from connector.settings import all_variables
from connector.sinks.registry import installed, settings_class

README = Path(__file__).parents[2] / "README.md"


def test_the_table_of_variables_is_that_of_the_settings() -> None:
    shown = re.search(r"<!-- variables:begin -->\n(.*)<!-- variables:end -->", README.read_text(), re.DOTALL)
    assert shown is not None
    assert shown[1].strip() == table(all_variables([settings_class(name) for name in installed()])).strip()


def test_every_dependency_has_its_reason() -> None:
    project = (README.parent / "pyproject.toml").read_text()
    listed = re.search(r"^dependencies = \[(.*?)^\]", project, re.DOTALL | re.MULTILINE)
    assert listed is not None
    named = set(re.findall(r'"([a-z0-9-]+)', listed[1]))
    reasons = README.read_text().split("## Dependencies")[1].split("## ")[0]
    assert {name for name in named if not re.search(rf"\b{name}\b", reasons)} == set()


def test_every_reason_of_a_letter_and_every_check_of_readiness_says_what_to_do() -> None:
    text = README.read_text()
    letters, wrong = (
        text.split(f"## {title}")[1].split("\n## ")[0]
        for title in ("Dead letters and replay", "When something is wrong")
    )
    assert [reason for reason in LETTERS if reason != OTHER and f"`{reason}`" not in letters] == []
    assert [check for check in (*CHECKS, "kafka") if f"`{check}.<sink>`" not in wrong] == []
