"""The example of docs/stereo.md gives the shapes that its comments name."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streamaug.building.build import build
from streamaug.conditions import parse_conditions
from tests.in_process import InProcess

PAGE = (Path(__file__).parents[2] / "docs" / "stereo.md").read_text("utf-8")


@pytest.fixture(autouse=True)
def workers() -> None:
    """The example takes the default."""


def test_the_example_gives_the_shapes_that_it_names(tmp_path: Path) -> None:
    lines = ["path,label,split"]
    for number in range(4):
        sound = 0.1 * np.random.default_rng(number).standard_normal((441_000, 2))
        soundfile.write(tmp_path / f"scene{number:02d}.wav", sound, 44_100)
        lines.append(f"scene{number:02d}.wav,park,train")
    (tmp_path / "clips.csv").write_text("\n".join(lines))
    conditions = parse_conditions("original,mp3_64")
    build(tmp_path / "clips.csv", str(tmp_path / "store"), conditions=conditions, channels="keep", executor=InProcess())
    [example] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict = {"store": str(tmp_path / "store")}
    exec(example, names)  # docs/stereo.md is part of this repository; its example must run unchanged
    shown = re.findall(r"^(\S.*?)  # (\([\d, ]+\)|\d+)", example, re.MULTILINE)
    assert len(shown) == 3
    for expression, expected in shown:
        assert eval(expression, names) == eval(expected), expression
    names["stream"].close()
