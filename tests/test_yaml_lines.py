"""YAML that anybody may have written is plain data, or the caller's error that names the file."""

from pathlib import Path

import pytest

from streamaug.errors import ConditionError, RecipeError
from streamaug.yaml_lines import read_yaml


@pytest.mark.parametrize(
    "text",
    [
        "a: !!bool x",
        "a: !!int ''",
        "a: !!int x",
        "a: !!float x",
        "a: !!timestamp x",
        "a: 2020-99-99",
        'a: "\\UFFFFFFFF"',
        'a: "\\udcff"',
        '"\\ud800": a',
        "a: &b [*b]",
        "a: &b [1]\nc: *b",
        "a: !!python/object/apply:os.getcwd []",
        "a: 1\na: 2",
        "a: " + "[" * 5_000,
        "a: " + "1" * 5_000,
        b"a: \xff",
    ],
)
@pytest.mark.parametrize("error", [RecipeError, ConditionError])
def test_whatever_is_not_plain_data_is_the_callers_error(tmp_path: Path, text: str | bytes, error: type[Exception]) -> None:
    path = tmp_path / "some.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(error, match=r"some\.yaml.*: "):
        read_yaml(path, error, "a recipe")


def test_a_name_that_no_file_can_have_is_the_callers_error() -> None:
    with pytest.raises(RecipeError, match="cannot be read"):
        read_yaml(Path("a\0b"), RecipeError, "a recipe")
