"""Parsers of foreign bytes take valid files and refuse others with a reason; `python -m tests.fuzz`
tries many more."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from random import Random

import pytest

from tests.fuzz.running import SEEDS
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

_INPUTS = 6


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Path]:
    """Empty folders, each in one of its own."""

    def make() -> Iterator[Path]:
        for number in count():
            folder = tmp_path / str(number) / "inside"
            folder.mkdir(parents=True)
            yield folder

    return make()


def encodable(name: str) -> Target:
    """A target of which there are valid files."""
    target = TARGETS[name]
    if not target.valid:
        pytest.skip("no encoder on this machine")
    return target


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_not_valid_is_refused_with_a_reason(name: str, folders: Iterator[Path]) -> None:
    target = encodable(name)
    for data in target.valid:
        assert target.check(data, next(folders)), f"refused: {data!r}"
    for number in range(_INPUTS):
        target.check(target.input(Random(f"{name} {number}")), next(folders))


@pytest.mark.parametrize("seed", sorted(SEEDS.glob("*/*")), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_broke_a_parser_once_does_not_again(seed: Path, folders: Iterator[Path]) -> None:
    encodable(seed.parent.name).check(seed.read_bytes(), next(folders))
