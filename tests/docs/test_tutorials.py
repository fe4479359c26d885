"""The tutorials, followed from the first command to the last, in one folder."""

import re
import subprocess
import sys
from pathlib import Path

from tools.docs_site import DOCS
from tools.write_tutorials import PAGES, TUTORIALS, environment, follow

COMMAND = re.compile(r"^\$ (?P<command>.*)\n(?P<output>(?:(?!\$ |```).*\n)*)", re.MULTILINE)
MEASURED = ("streamaug stress", "streamaug compare")
"""Commands whose output depends on how a processor rounds."""


def words(command: str, output: str) -> list[str]:
    """What must be the same on every machine: no numbers, hashes and lines of tables; of what was
    measured, the conditions."""
    if command.startswith(MEASURED):
        return re.findall(r"^│ (\S+)", output, re.MULTILINE)
    return re.sub(r"[0-9a-f]{8,}|[−+-]?\d+(\.\d+)?|[━┏┳┓┡╇┩└┴┘│┃╈]", " ", output).split()


def outputs(page: str) -> list[tuple[str, list[str]]]:
    return [(match["command"], words(match["command"], match["output"])) for match in COMMAND.finditer(page)]


def test_a_reader_who_follows_the_tutorials_sees_what_they_show(tmp_path: Path) -> None:
    gained: list[float] = []
    for name in PAGES:
        page = (TUTORIALS / name).read_text("utf-8")
        followed = follow(page, tmp_path)
        assert outputs(page) == outputs(followed), "run 'python -m tools.write_tutorials'"
        gained += [float(value) for value in re.findall(r"│ mean of coded .*? │ *([+−]\d\.\d+) │", followed.replace("−", "-"))]
    assert len(gained) == 1
    assert gained[0] > 0.2, "the mixture does not help"
    (tmp_path / "recipe.yaml").write_text((tmp_path / "mixture.yaml").read_text())
    [example] = re.findall(r"```python\n(.*?)```", (DOCS / "index.md").read_text("utf-8"), re.DOTALL)
    subprocess.run([sys.executable, "-c", example], cwd=tmp_path, env=environment(tmp_path), check=True)


def test_every_tutorial_is_followed() -> None:
    assert {path.name for path in TUTORIALS.glob("*.md")} == set(PAGES)
