"""Write the ledgers and pictures of docs/recipes.md again: `python -m tools.write_cookbook`.

Every recipe of the page begins with a comment: the name of its picture, and options for `streamaug plan`. What the command
prints on a small store in the shape of the TAU 2020 Mobile set is put behind the recipe.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from streamaug.testing import tau2020_store

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "recipes.md"
RECIPE = re.compile(
    r"(```yaml\n# (?P<name>[\w-]+)(?P<options>[^\n]*)\n(?P<text>.*?)```\n)"
    r"(?P<output>\n```text\n.*?```\n\n!\[[^\n]*\n)?",
    re.DOTALL,
)
COUNTS = {"train": 1396, "evaluate": 297, "device_a": 1021, "clips_per_shard": 20}


def output(name: str, options: str, text: str, store: str, folder: Path) -> str:
    """What `streamaug plan` prints of a recipe, and its picture."""
    recipe = folder / f"{name}.yaml"
    recipe.write_text(text, encoding="utf-8")
    asked = [f"{name}.yaml", store, "--by", "device", *options.split(), "--picture", str(DOCS / "pictures" / f"{name}.png")]
    command = [sys.executable, "-c", "from streamaug.cli.main import main; main()", "plan", *asked]
    told = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    shown = "".join(line for line in told.splitlines(keepends=True) if not line.startswith("wrote"))
    call = " ".join(["streamaug plan", f"{name}.yaml", "STORE --by device", *options.split()])
    return f"\n```text\n$ {call}\n{shown}```\n\n![{name}](pictures/{name}.png)\n"


def main() -> None:
    page = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        store = tau2020_store(Path(folder) / "store", **COUNTS)

        def written(found: re.Match[str]) -> str:
            return found[1] + output(found["name"], found["options"], found["text"], store.url, Path(folder))

        PAGE.write_text(RECIPE.sub(written, page), encoding="utf-8")


if __name__ == "__main__":
    main()
