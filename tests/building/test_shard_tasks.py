"""How the work of a build is divided among its workers."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from streamaug.building.build import build
from streamaug.building.shard import build_shard
from streamaug.conditions import parse_conditions
from streamaug.errors import ConditionError
from tests.building.clips import content, write_clips

CONDITIONS = parse_conditions("alaw_64,alaw_64+mulaw_64,mulaw_64")


class Recording(ThreadPoolExecutor):
    """Notes the shards and conditions of every task."""

    def __init__(self, workers: int) -> None:
        super().__init__(workers)
        self.tasks: list[tuple[int, list[str]]] = []

    def submit(self, function, /, *arguments, **named):
        if function is build_shard:
            [task] = arguments
            self.tasks.append((task.number, [chain.name for chain, _ in task.chains]))
        return super().submit(function, *arguments, **named)


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    return write_clips(tmp_path_factory.mktemp("clips"), 12)


def tasks(table: Path, store: Path, workers: int) -> list[tuple[int, list[str]]]:
    with Recording(workers) as executor:
        build(table, str(store), conditions=CONDITIONS, clips_per_shard=3, shard_by="device", executor=executor)
    return executor.tasks


def test_the_last_shards_are_split_into_tasks_that_share_no_step(table, tmp_path):
    whole = ["original", "alaw_64", "alaw_64+mulaw_64", "mulaw_64"]
    parts = [["original"], ["alaw_64", "alaw_64+mulaw_64"], ["mulaw_64"]]
    assert tasks(table, tmp_path / "1", workers=1) == [(number, whole) for number in range(6)]
    assert tasks(table, tmp_path / "2", workers=2) == [*((number, whole) for number in range(5)), *((5, part) for part in parts)]
    assert tasks(table, tmp_path / "12", workers=12) == [(number, part) for number in range(6) for part in parts]
    assert content(tmp_path / "1") == content(tmp_path / "2") == content(tmp_path / "12")


def test_a_condition_that_cannot_be_built_is_refused_before_the_workers_have_checked_the_sources(table, tmp_path):
    class Busy(ThreadPoolExecutor):
        def submit(self, function, /, *arguments, **named):
            return super().submit(pytest.fail, "no result may be waited for")

    with Busy(1) as executor, pytest.raises(ConditionError, match="nonsense"):
        build(table, str(tmp_path / "store"), conditions=parse_conditions("nonsense_64"), executor=executor)
    assert not (tmp_path / "store").exists()
