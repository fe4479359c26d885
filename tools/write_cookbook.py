"""Write the ledgers and pictures of docs/recipes.md: `python -m tools.write_cookbook`.

Every recipe of the page begins with a comment: the name of its picture, and options for `streamaug
plan`. The output of the command on a small store in the shape of the TAU 2020 Mobile set goes after
the recipe; one that names its stores finds this one as `tau`, and one in the shape of ESC-10 as `esc`.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from streamaug.testing import esc10_store, tau2020_store

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "recipes.md"
RECIPE = re.compile(
    r"(```yaml\n# (?P<name>[\w-]+)(?P<options>[^\n]*)\n(?P<text>.*?)```\n)"
    r"(?P<output>\n```text\n.*?```\n\n!\[[^\n]*\n)?",
    re.DOTALL,
)
COUNTS = {"train": 1396, "evaluate": 297, "device_a": 1021, "clips_per_shard": 20}


def write_stores(folder: Path) -> None:
    """Write the stores of the examples, `tau` and `esc`, into a folder."""
    tau2020_store(folder / "tau", **COUNTS)
    esc10_store(folder / "esc")


def output(name: str, options: str, text: str, folder: Path) -> str:
    """The output of `streamaug plan` for a recipe, and its picture.

    Args:
        name: Name of the recipe and its picture.
        options: Options for the command.
        text: The recipe.
        folder: Folder of the stores, and for the recipe.
    """
    recipe = folder / f"{name}.yaml"
    recipe.write_text(text, encoding="utf-8")
    store = [] if "stores:" in text else ["STORE"]
    picture = DOCS / "pictures" / f"{name}.png"
    arguments = [f"{name}.yaml", *("tau" for _ in store), "--by", "device", *options.split(), "--picture", str(picture)]
    command = [sys.executable, "-c", "from streamaug.cli.main import main; main()", "plan", *arguments]
    printed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    shown = "".join(line for line in printed.splitlines(keepends=True) if not line.startswith("wrote"))
    call = " ".join(["streamaug plan", f"{name}.yaml", *store, "--by device", *options.split()])
    return f"\n```text\n$ {call}\n{shown}```\n\n![{name}](pictures/{name}.png)\n"


def main() -> None:
    page = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        write_stores(Path(folder))

        def with_output(match: re.Match[str]) -> str:
            return match[1] + output(match["name"], match["options"], match["text"], Path(folder))

        PAGE.write_text(RECIPE.sub(with_output, page), encoding="utf-8")


if __name__ == "__main__":
    main()
