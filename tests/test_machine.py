"""How many cores a process may use."""

import os
from pathlib import Path

import pytest

from streamaug.errors import StreamaugError
from streamaug.machine import cores, cores_per_rank


@pytest.fixture
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A process that is bound to eight cores of a machine with 64."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    return monkeypatch


def groups(root: Path, membership: str, files: dict[str, str]) -> Path:
    """A root folder in which this process is a member of control groups that have these files."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(membership)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


V1 = "12:memory:/docker/a\n4:cpu,cpuacct:/docker/a\n"


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "250000 100000\n"}, 3),
        ("0::/\n", {"cpu.max": "20000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 8),
        ("0::/\n", {"cpu.max": "6400000 100000\n"}, 8),
        ("0::/job/step\n", {"job/cpu.max": "200000 100000\n", "job/step/cpu.max": "max 100000\n"}, 2),
        ("0::/seen/on/the/host\n", {"cpu.max": "400000 100000\n"}, 4),
        (V1, {"cpu,cpuacct/docker/a/cpu.cfs_quota_us": "300000\n", "cpu,cpuacct/docker/a/cpu.cfs_period_us": "100000\n"}, 3),
        (V1, {"cpu,cpuacct/cpu.cfs_quota_us": "150000\n", "cpu,cpuacct/cpu.cfs_period_us": "50000\n"}, 3),
        (V1, {"cpu,cpuacct/cpu.cfs_quota_us": "-1\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"}, 8),
        ("", {}, 8),
    ],
    ids=[
        "v2",
        "v2 below one core",
        "v2 none",
        "v2 above",
        "v2 of a parent",
        "v2 in a container",
        "v1",
        "v1 in a container",
        "v1 none",
        "no",
    ],
)
def test_a_quota_of_a_control_group_reduces_the_cores(
    eight_cores: pytest.MonkeyPatch, tmp_path: Path, membership: str, files: dict[str, str], expected: int
) -> None:
    assert cores(groups(tmp_path, membership, files)) == expected


def test_without_affinity_and_control_groups_the_cores_are_the_machine_s(eight_cores: pytest.MonkeyPatch, tmp_path: Path) -> None:
    eight_cores.delattr(os, "sched_getaffinity")
    assert cores(tmp_path) == 64
    eight_cores.setattr(os, "cpu_count", lambda: None)
    assert cores(tmp_path) == 1


def test_ranks_of_one_machine_divide_its_cores(eight_cores: pytest.MonkeyPatch) -> None:
    eight_cores.setattr("streamaug.machine._quotas", lambda _: iter(()))
    assert cores_per_rank({}) == 8
    assert cores_per_rank({"LOCAL_WORLD_SIZE": "2"}) == 4
    assert cores_per_rank({"OMPI_COMM_WORLD_LOCAL_SIZE": "3"}) == 2
    assert cores_per_rank({"LOCAL_WORLD_SIZE": "16"}) == 1
    with pytest.raises(StreamaugError, match="LOCAL_WORLD_SIZE='two' is not a number of ranks"):
        cores_per_rank({"LOCAL_WORLD_SIZE": "two"})
