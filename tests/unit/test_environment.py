"""Variables into typed fields, secrets from files, mistakes by name."""

import re
from pathlib import Path

import pytest
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from connector.environment import (
    DurationS,
    EnvSettings,
    NameList,
    OptionalDurationS,
    SizeBytes,
    Variable,
    off_is_none,
    parse_duration_s,
    parse_size_bytes,
    table,
)
from connector.errors import SettingsError


class Paint(EnvSettings):
    model_config = SettingsConfigDict(env_prefix="PAINT_")

    colour: str = Field(min_length=1, description="what it looks like")
    coats: int = Field(2, ge=1, description="how often")
    drying: DurationS = Field(90.0, gt=0, description="wait between coats")
    lifetime: OptionalDurationS = Field(None, gt=0, description="until it is done again")
    bucket: SizeBytes = Field(64 << 20, description="how much is bought")
    rooms: NameList = Field((), description="where, a|b")
    recipe: SecretStr | None = Field(None, min_length=4, description="how it is mixed")


def problems(**variables: str) -> dict[str, str]:
    with pytest.raises(SettingsError) as refused:
        Paint.load(variables)
    return {problem.variable: problem.message for problem in refused.value.problems}


def test_values_are_read_from_the_mapping_alone() -> None:
    paint = Paint.load({"PAINT_COLOUR": "green", "PAINT_COATS": "3", "PAINT_ROOMS": " hall , attic,", "OTHER": "x"})
    assert (paint.colour, paint.coats, paint.rooms) == ("green", 3, ("hall", "attic"))
    assert (paint.drying, paint.lifetime, paint.bucket, paint.recipe) == (90.0, None, 67_108_864, None)


def test_every_mistake_is_reported_at_once_by_variable_name() -> None:
    found = problems(PAINT_COATS="0", PAINT_DRYING="soon", PAINT_BUCKET="big", PAINT_LIFETIME="0s")
    assert found == {
        "PAINT_COLOUR": "must be set",
        "PAINT_COATS": "must be greater than or equal to 1",
        "PAINT_DRYING": "must be a duration such as 500ms, 30s, 5m, 24h or 7d",
        "PAINT_BUCKET": "must be a size such as 64MiB or 500kB",
        "PAINT_LIFETIME": "must be greater than 0",
    }


def test_a_value_that_is_no_number_is_said_to_be_none() -> None:
    assert problems(PAINT_COLOUR="red", PAINT_COATS="two") == {"PAINT_COATS": "must be a whole number"}


def test_an_empty_value_is_not_a_value() -> None:
    assert problems(PAINT_COLOUR="") == {"PAINT_COLOUR": "must not be empty"}


@pytest.mark.parametrize(("written", "read"), [("abcd\n", "abcd"), ("abcd\r\n", "abcd"), ("abcd\n\n", "abcd\n")])
def test_a_secret_may_come_from_a_file_without_its_last_line_end(tmp_path: Path, written: str, read: str) -> None:
    (tmp_path / "recipe").write_bytes(written.encode())
    paint = Paint.load({"PAINT_COLOUR": "red", "PAINT_RECIPE_FILE": str(tmp_path / "recipe")})
    assert paint.recipe is not None
    assert paint.recipe.get_secret_value() == read


def test_a_file_that_cannot_be_read_is_a_problem_of_the_file_variable(tmp_path: Path) -> None:
    absent = problems(PAINT_COLOUR="red", PAINT_RECIPE_FILE=str(tmp_path / "absent"))
    assert absent == {"PAINT_RECIPE_FILE": "names a file that cannot be read: No such file or directory"}
    folder = problems(PAINT_COLOUR="red", PAINT_RECIPE_FILE=str(tmp_path))
    assert folder == {"PAINT_RECIPE_FILE": "names a file that cannot be read: Is a directory"}
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    binary = problems(PAINT_COLOUR="red", PAINT_RECIPE_FILE=str(tmp_path / "binary"))
    assert binary == {"PAINT_RECIPE_FILE": "names a file that cannot be read: it is not UTF-8 text"}


def test_a_secret_given_twice_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "recipe").write_text("from the file")
    found = problems(PAINT_COLOUR="red", PAINT_RECIPE="direct", PAINT_RECIPE_FILE=str(tmp_path / "recipe"))
    assert found == {"PAINT_RECIPE_FILE": "is set beside PAINT_RECIPE; set only one of them"}


def test_only_secrets_may_come_from_files() -> None:
    assert "PAINT_COLOUR_FILE" not in Paint.names()
    assert {"PAINT_RECIPE", "PAINT_RECIPE_FILE"} <= Paint.names()


def test_a_secret_is_shown_neither_in_settings_nor_in_problems() -> None:
    assert "hush" not in repr(Paint.load({"PAINT_COLOUR": "red", "PAINT_RECIPE": "hush-hush"}))
    assert "hu!" not in str(problems(PAINT_COLOUR="red", PAINT_RECIPE="hu!"))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("30s", 30), ("5m", 300), ("24h", 86_400), ("7d", 604_800), ("1.5h", 5_400), ("12", 12)],
)
def test_durations_have_units(text: str, seconds: float) -> None:
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "-1s", "1w", "s", "1 2s", "1e3s", "inf", "nan"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a duration"):
        parse_duration_s(text)


@pytest.mark.parametrize(
    ("text", "size"), [("64MiB", 67_108_864), ("500kB", 500_000), ("1 GiB", 1_073_741_824), ("12", 12), ("12B", 12)]
)
def test_sizes_have_units(text: str, size: int) -> None:
    assert parse_size_bytes(text) == size


@pytest.mark.parametrize("text", ["", "1.5MiB", "64 apples", "-1", "MiB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a size"):
        parse_size_bytes(text)


@pytest.mark.parametrize(("text", "left"), [("off", None), ("OFF", None), ("", None), ("5m", "5m")])
def test_off_is_no_limit(text: str, left: object) -> None:
    assert off_is_none(text) == left


def test_variables_are_described_as_they_would_be_set() -> None:
    assert list(Paint.variables()) == [
        Variable("PAINT_COLOUR", "required", "what it looks like", False),
        Variable("PAINT_COATS", "2", "how often", False),
        Variable("PAINT_DRYING", "90s", "wait between coats", False),
        Variable("PAINT_LIFETIME", "off", "until it is done again", False),
        Variable("PAINT_BUCKET", "64MiB", "how much is bought", False),
        Variable("PAINT_ROOMS", "", "where, a|b", False),
        Variable("PAINT_RECIPE", "", "how it is mixed", True),
    ]


def test_the_table_has_a_line_for_each_variable() -> None:
    shown = table(Paint.variables()).splitlines()
    assert len(shown) == 2 + 7
    assert shown[2] == "| `PAINT_COLOUR` | required | what it looks like |"
    assert shown[4] == "| `PAINT_DRYING` | `90s` | wait between coats |"
    assert shown[7] == "| `PAINT_ROOMS` |  | where, a\\|b |"
    assert shown[8] == "| `PAINT_RECIPE` (or `PAINT_RECIPE_FILE`) |  | how it is mixed |"
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 4 for line in shown)
