"""Worker processes: of which script they come, and what is said if they cannot start."""

import os
import subprocess
import sys
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from streamaug.executors import pool, results, started, worker_count

PRINTING = """
from streamaug.executors import pool, results

def work():
    with pool(None, workers=2) as workers:
        print(sorted(results(workers, [(abs, (-1,)), (abs, (-2,)), (abs, (-3,))])))

"""


def run(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    (folder / "script.py").write_text(script)
    return subprocess.run(
        [sys.executable, "script.py"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=100
    )


def test_a_script_without_the_guard_ends_with_one_error_that_names_it(tmp_path: Path) -> None:
    ended = run(tmp_path, PRINTING + "work()\n")
    assert ended.returncode == 1
    lines = ended.stdout.strip().splitlines()
    assert lines[-1].startswith("streamaug.errors.StreamaugError: no worker process could start")
    assert "if __name__ == '__main__':" in lines[-1]
    assert "memory" not in ended.stdout
    assert ended.stdout.count("Traceback") == 1


def test_a_script_with_the_guard_gets_its_results(tmp_path: Path) -> None:
    ended = run(tmp_path, PRINTING + "if __name__ == '__main__':\n    work()\n")
    assert (ended.returncode, ended.stdout) == (0, "[(0, 1), (1, 2), (2, 3)]\n")


def test_without_a_number_there_is_one_worker_per_core_though_python_cannot_say_which(monkeypatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    with pool(None) as workers:
        assert workers._max_workers == 2
        assert len({number for _, number in results(workers, [(os.getpid, ())] * 4)} - {os.getpid()}) >= 1


class Waiting(Executor):
    """Starts no call."""

    def __init__(self) -> None:
        self.calls: list[Future] = []

    def submit(self, function, /, *arguments, **named):
        self.calls.append(Future())
        return self.calls[-1]


def test_an_error_in_other_work_cancels_the_calls_that_have_not_started():
    executor = Waiting()

    def work() -> None:
        with started(executor, [(abs, (-1,)), (abs, (-2,))]):
            raise ValueError("other work")

    with pytest.raises(ValueError, match="other work"):
        work()
    assert [call.cancelled() for call in executor.calls] == [True, True]


def test_a_call_that_cannot_be_submitted_cancels_those_before_it():
    class Full(Waiting):
        def submit(self, function, /, *arguments, **named):
            if len(self.calls) == 2:
                raise RuntimeError("no room")
            return super().submit(function, *arguments, **named)

    executor = Full()
    with pytest.raises(RuntimeError, match="no room"):
        list(results(executor, [(abs, (-1,))] * 3))
    assert [call.cancelled() for call in executor.calls] == [True, True]


def test_the_number_of_workers_is_that_of_the_executor_or_of_the_cores(monkeypatch):
    monkeypatch.setattr("streamaug.executors.cores", lambda: 7)
    with ThreadPoolExecutor(3) as threads:
        assert worker_count(threads) == 3
    assert worker_count(Executor()) == 7
