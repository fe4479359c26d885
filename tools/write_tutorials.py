"""Write the outputs of docs/tutorials: `python -m tools.write_tutorials`.

A reader follows the tutorials in their order, in one folder. A block whose first line, or the line
after `#!`, names a file is that file. The lines of a `console` block that begin with `$` are
commands, and what they print goes after them.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

TUTORIALS = Path(__file__).parents[1] / "docs" / "tutorials"
PAGES = ("own-data.md", "cluster.md", "codec.md")
_BLOCK = re.compile(r"```(?P<language>\w+)\n(?P<text>.*?)```\n", re.DOTALL)
_FILE = re.compile(r"(?:#!.*\n)?# (?P<path>[\w./-]+\.\w+)\n")


class TutorialError(Exception):
    """A command of a tutorial fails; with what it printed."""


def environment(folder: Path) -> dict[str, str]:
    """The environment of the commands: this interpreter and its programs first, and packages that a
    tutorial installs in a folder of their own."""
    packages = folder / "installed"
    return os.environ | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(packages),
        "PIP_TARGET": str(packages),
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads it as its opposite: no isolation, so no download
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "COLUMNS": "100",
        "OMP_NUM_THREADS": "1",
    }


def follow(page: str, folder: Path) -> str:
    """Write the files of a page, run its commands, and return it with what they print.

    Args:
        page: The page.
        folder: Where to; pages before it were followed there.

    Raises:
        TutorialError: A command fails.
    """

    def replaced(block: re.Match[str]) -> str:
        if name := _FILE.match(block["text"]):
            path = folder / name["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block["text"], encoding="utf-8")
        if block["language"] != "console":
            return block[0]
        commands = [line[2:] for line in block["text"].splitlines() if line.startswith("$ ")]
        shown = "".join(f"$ {command}\n{_output(command, folder)}" for command in commands)
        return f"```console\n{shown}```\n"

    return _BLOCK.sub(replaced, page)


def _output(command: str, folder: Path) -> str:
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment(folder), capture_output=True, text=True)
    if done.returncode:
        raise TutorialError(f"$ {command}\n{done.stdout}{done.stderr}")
    return done.stdout.replace(str(folder.resolve()), "/data")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in PAGES:
            path = TUTORIALS / name
            path.write_text(follow(path.read_text("utf-8"), Path(folder)), encoding="utf-8")


if __name__ == "__main__":
    main()
