"""Build the documentation site: `python -m tools.docs_site [FOLDER]`, by default into build/site.

Warnings are errors. `docs/conf.py` calls the functions while Sphinx reads the pages, for the parts that
the code itself writes: commands, recipe keys, links. A page marks the place of a part, with what
people see who read it on a code host:

    <!-- site: commands -->
    `streamaug --help` prints them.
    <!-- end -->
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
HOST = "https://github.com/streamaug/streamaug"
_PART = re.compile(r"<!-- site: (?P<name>[\w./-]+) -->\n.*?<!-- end -->\n", re.DOTALL)
_COMMAND_LIST = re.compile(r"\*\*Commands\*\*:\n\n(?:\* .*\n)+")
"""Summaries that end in "..."; the commands follow as sections."""

_RELATIVE = re.compile(r"(?<=\]\()(?!https?:|mailto:)(?P<path>[^)#\s]+)(?P<anchor>#[^)\s]*)?(?=\))")
_CODE = re.compile(r"(^```.*?^```$|`[^`\n]+`)", re.DOTALL | re.MULTILINE)
_INDENTED = re.compile(r"^(?P<paragraph>\S.*?):?\n\n(?= {4}\S)", re.MULTILINE)


def commands() -> str:
    """Every command with its arguments and options, as Typer documents them."""
    command = [sys.executable, "-m", "typer", "streamaug.cli.main", "utils", "docs", "--name", "streamaug"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | {"NO_COLOR": "1"}).stdout
    return _COMMAND_LIST.sub("", printed.split("\n", 1)[1]).strip() + "\n"


def recipe_keys() -> str:
    """The keys of a recipe with their meanings, and its JSON Schema."""
    from streamaug.recipes.schema import recipe_file_model

    schema = recipe_file_model().model_json_schema()
    rows = [_row(key, about) for key, about in schema["properties"].items()]
    return "\n".join(
        [
            "| key | meaning | example |",
            "|---|---|---|",
            *rows,
            "",
            "## JSON Schema",
            "",
            f"```json\n{json.dumps(schema, indent=2)}\n```",
            "",
        ]
    )


def _row(key: str, about: Mapping[str, Any]) -> str:
    meaning = about.get("description", "").replace("|", "\\|")
    example = ", ".join(f"`{each}`" for each in about.get("examples", ()))
    return f"| `{key}` | {meaning} | {example} |"


PARTS: Mapping[str, Callable[[], str]] = MappingProxyType({"commands": commands, "recipe-keys": recipe_keys})
INCLUDED: Mapping[Path, Path] = MappingProxyType(
    {ROOT / "shards" / "README.md": DOCS / "reference" / "store-format.md", ROOT / "SECURITY.md": DOCS / "explanation" / "security.md"}
)
"""Files outside of docs/ whose text a page shows."""


def _part(name: str, folder: Path) -> str:
    """A part of a page in a folder: one of `PARTS`, or the text of a file without its title."""
    return PARTS[name]() if name in PARTS else _included(ROOT / name, folder)


def _included(path: Path, folder: Path) -> str:
    """The text of a file without its title, its links as seen from another folder."""

    def moved(match: re.Match[str]) -> str:
        return os.path.relpath(path.parent / match["path"], folder) + (match["anchor"] or "")

    return _in_prose(path.read_text("utf-8").split("\n", 1)[1], _RELATIVE, moved)


def _in_prose(text: str, pattern: re.Pattern[str], replacement: Callable[[re.Match[str]], str]) -> str:
    """Replace what a pattern finds in a page, but not in its code."""
    pieces = _CODE.split(text)
    pieces[::2] = [pattern.sub(replacement, piece) for piece in pieces[::2]]
    return "".join(pieces)


def page_source(text: str, folder: Path) -> str:
    """A page of docs/ as the site shows it: with its parts written, and links to files outside of
    docs/ leading to the code host.

    Args:
        text: The page.
        folder: Where it is.

    Raises:
        ValueError: A link leads to a file that does not exist.
    """
    text = _PART.sub(lambda match: _part(match["name"], folder), text)
    return _in_prose(text, _RELATIVE, lambda match: _target(match, folder))


def _target(match: re.Match[str], folder: Path) -> str:
    path, anchor = Path(os.path.normpath(folder / match["path"])), match["anchor"] or ""
    if not path.exists():
        raise ValueError(f"a link leads to '{match['path']}', which does not exist")
    path = INCLUDED.get(path, path)
    if path.is_relative_to(DOCS):
        return os.path.relpath(path, folder) + anchor
    return f"{HOST}/{'tree' if path.is_dir() else 'blob'}/main/{path.relative_to(ROOT)}{anchor}"


def docstring_source(text: str) -> str:
    """A docstring as Sphinx reads it: an indented block after a paragraph is shown as it is.

    Args:
        text: The docstring as inspect.cleandoc gives it.
    """
    return _INDENTED.sub(r"\g<paragraph>::\n\n", text)


def build(target: Path) -> int:
    """Build the site anew, and return the exit status: 0 without an error or a warning.

    Args:
        target: Folder for the site; what Sphinx keeps for itself goes next to it.
    """
    from sphinx.cmd.build import build_main

    options = ["--fail-on-warning", "--keep-going", "--fresh-env", "--quiet", "--doctree-dir", str(target.parent / "doctrees")]
    return build_main([*options, str(DOCS), str(target)])


if __name__ == "__main__":
    sys.exit(build(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "site"))
