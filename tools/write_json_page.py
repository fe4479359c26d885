"""Write the outputs of docs/json.md: `python -m tools.write_json_page`.

Each command of the page runs on a small real store, and what it prints goes after it.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from streamaug.testing import build_store

PAGE = Path(__file__).parents[1] / "docs" / "json.md"
RECIPE = re.compile(r"```yaml\n(.*?)```", re.DOTALL)
EXAMPLE = re.compile(r"```console\n\$ streamaug (?P<call>[^\n]*)\n```\n(?:\n```json\n(?P<output>.*?)```\n)?", re.DOTALL)


def write_folder(folder: Path, page: str) -> None:
    """Write the store and the recipe of the page.

    Args:
        folder: Where to.
        page: The page.
    """
    build_store(folder)
    recipe = RECIPE.search(page)
    assert recipe is not None, "the page has one"
    (folder / "recipe.yaml").write_text(recipe[1], encoding="utf-8")


def main() -> None:
    page = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        write_folder(Path(folder), page)

        def with_output(match: re.Match[str]) -> str:
            command = [sys.executable, "-m", "streamaug", *match["call"].split()]
            printed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
            shown = printed.replace(str(Path(folder).resolve()), "/data")
            return f"```console\n$ streamaug {match['call']}\n```\n\n```json\n{shown}```\n"

        PAGE.write_text(EXAMPLE.sub(with_output, page), encoding="utf-8")


if __name__ == "__main__":
    main()
