"""What a user names as `package.module:name` is what is imported, and nothing else of that name."""

import sys
from pathlib import Path

import pytest

from streamaug.errors import PluginError
from streamaug.references import import_reference


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two folders with a module, or a package, of the same name."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "modules", {**sys.modules})
    for path, value in (("one/references_codec.py", 1), ("two/references_codec/__init__.py", 2)):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(f"value = {value}\n")
    return tmp_path / "one", tmp_path / "two"


@pytest.mark.parametrize("first", [0, 1])
def test_a_module_of_a_folder_is_never_that_of_another_one(folders: tuple[Path, Path], first: int) -> None:
    for _ in range(2):
        assert import_reference("references_codec:value", PluginError, folders[first]) == 1 + first
    with pytest.raises(
        PluginError, match=rf"taken by {folders[first]}.*, so that {folders[1 - first]}.* cannot be imported besides; rename"
    ):
        import_reference("references_codec:value", PluginError, folders[1 - first])


def test_a_module_of_a_folder_does_not_have_the_name_of_a_built_in_one(folders: tuple[Path, Path]) -> None:
    (folders[0] / "sys.py").write_text("argv = 1\n")
    with pytest.raises(PluginError, match="the name sys is taken by a built-in module"):
        import_reference("sys:argv", PluginError, folders[0])


def test_an_installed_module_is_found_from_any_folder(folders: tuple[Path, Path]) -> None:
    assert import_reference("streamaug.errors:PluginError", PluginError, folders[0]) is PluginError


def test_the_same_module_in_two_folders_is_one(folders: tuple[Path, Path]) -> None:
    assert import_reference("references_codec:value", PluginError, folders[0]) == 1
    copy = folders[1].with_name("three")
    copy.mkdir()
    (copy / "references_codec.py").write_text("value = 1\n")
    assert import_reference("references_codec:value", PluginError, copy) == 1
