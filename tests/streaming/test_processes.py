"""Decode processes: they give the same bits, end with those that they work for, and their deaths
are errors that name a row."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import psutil
import pytest
import torch

from streamaug.errors import FeatureError, WorkerError
from streamaug.recipes import Recipe
from streamaug.store import Store
from streamaug.streaming import Cache, Stream
from streamaug.streaming.processes import ProcessWorkers
from tests.streaming.test_stream import same

LIMIT_S = 10.0
SETTINGS = {"batch_size": 8, "features": "static", "workers": "processes"}


OTHERS: set[psutil.Process] = set()


@pytest.fixture(autouse=True)
def workers():
    """These tests choose the kind themselves."""


@pytest.fixture(autouse=True)
def others():
    """The processes that earlier tests left: a failed test's traceback keeps its stream."""
    gc.collect()
    OTHERS.clear()
    OTHERS.update(each for child in psutil.Process().children() for each in child.children())


def processes(pid: int | None = None) -> list[psutil.Process]:
    """The server and the decode processes of a process."""
    return [each for each in psutil.Process(pid).children(recursive=True) if each not in OTHERS]


def decoders(pid: int | None = None) -> list[psutil.Process]:
    """The decode processes: children of the server."""
    return [each for child in psutil.Process(pid).children() for each in child.children() if each not in OTHERS]


def wait_until(condition) -> None:
    until = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize("features", ["logmel", "waveform", {"mel": "static", "sound": "waveform"}])
@pytest.mark.parametrize("cached", [False, True])
def test_threads_and_processes_give_the_same_bits(store: Store, recipe: Recipe, tmp_path: Path, features, cached) -> None:
    def batches(kind: str) -> list[dict]:
        cache = Cache(folder=tmp_path / kind) if cached else None
        with Stream(recipe, store, batch_size=20, tail="keep", features=features, workers=kind, feature_cache=cache) as stream:
            return [*stream, *stream]

    for one, other in zip(batches("threads"), batches("processes"), strict=True):
        assert same(one, other)


def test_batches_that_are_held_do_not_change(store: Store, recipe: Recipe) -> None:
    with Stream(recipe, store, **SETTINGS) as stream:
        held = [(batch, batch["static"].clone()) for _ in range(3) for batch in stream]
        rows = [batch["static"][0] for batch, _ in held]
    for (batch, copy), row in zip(held, rows, strict=True):
        assert torch.equal(batch["static"], copy)
        assert torch.equal(row, copy[0])


def test_the_default_is_processes_where_there_are_cores_and_threads_if_they_are_named(store: Store, recipe: Recipe, monkeypatch) -> None:
    monkeypatch.setattr("streamaug.streaming.assembly.cores_per_rank", lambda: 2)
    with Stream(recipe, store, batch_size=8) as stream:
        next(iter(stream))
        assert stream.metrics.workers == 2
        assert len(decoders()) >= 2
    monkeypatch.setattr("streamaug.streaming.assembly.cores_per_rank", lambda: 1)
    wait_until(lambda: not decoders())
    for settings in ({}, {"threads": 2}, {"workers": "threads"}):
        with Stream(recipe, store, batch_size=8, **settings) as stream:
            next(iter(stream))
            assert not decoders()


def test_the_server_has_one_thread_when_it_forks(store: Store, recipe: Recipe) -> None:
    with Stream(recipe, store, **SETTINGS) as stream:
        next(iter(stream))
        assert [child.num_threads() for child in psutil.Process().children() if child.children()] == [1]


class Slow(torch.nn.Module):
    def forward(self, waveform):
        time.sleep(0.05)
        return waveform[:10]


def test_a_process_that_is_killed_is_an_error_that_names_the_row_and_the_stream_resumes(store: Store, recipe: Recipe) -> None:
    expected = [batch["clip_id"] for batch in Stream(recipe, store, batch_size=8, features=Slow(), threads=2)]
    stream = Stream(recipe, store, batch_size=8, features=Slow(), workers=2)
    iterator = iter(stream)
    served = [next(iterator)["clip_id"]]
    decoders()[0].kill()
    with pytest.raises(WorkerError, match=r"small/\w+/[\w-]+\.tar: clip 'clip\d\d': the decode process ended at this row") as caught:
        served.extend(batch["clip_id"] for batch in iterator)
    named = str(caught.value).split("clip '")[1][:6]
    assert named in [clip for batch in expected[len(served) : len(served) + 6] for clip in batch]
    stream.load_state_dict(stream.state_dict())
    served += [batch["clip_id"] for batch in stream]
    assert served == expected
    stream.close()


def test_a_process_that_is_killed_while_it_has_nothing_to_do_is_replaced(store: Store, recipe: Recipe) -> None:
    with Stream(recipe, store, **SETTINGS) as stream:
        first = [batch["clip_id"] for batch in stream]
        killed = decoders()
        for process in killed:
            process.kill()
        psutil.wait_procs(killed, timeout=LIMIT_S)
        assert len([batch["clip_id"] for batch in stream]) == len(first)


def test_another_server_starts_where_one_was_killed(store: Store, recipe: Recipe) -> None:
    with Stream(recipe, store, **SETTINGS) as stream:
        next(iter(stream))
        (server,) = [child for child in psutil.Process().children() if child.children()]
        server.kill()
        server.wait(LIMIT_S)
        assert len(list(stream)) == 12
    with Stream(recipe, store, **SETTINGS) as stream:
        assert len(list(stream)) == 12


def test_nothing_keeps_a_forgotten_stream_until_python_looks_for_circles(store: Store, recipe: Recipe) -> None:
    gc.collect()
    wait_until(lambda: not decoders())
    gc.disable()
    try:
        for _ in range(3):
            list(Stream(recipe, store, **SETTINGS))
        wait_until(lambda: not decoders())
    finally:
        gc.enable()


def test_processes_end_with_a_stream_that_is_closed_or_forgotten(store: Store, recipe: Recipe) -> None:
    stream = Stream(recipe, store, **SETTINGS)
    next(iter(stream))
    ours = decoders()
    stream.close()
    wait_until(lambda: not {process.pid for process in ours} & {process.pid for process in decoders()})
    stream = Stream(recipe, store, **SETTINGS)
    next(iter(stream))
    assert decoders()
    del stream
    gc.collect()
    wait_until(lambda: not decoders())


def test_twenty_epochs_leave_nothing_behind(store: Store, recipe: Recipe) -> None:
    def figures() -> tuple:
        gc.collect()
        shared = sum(int(line.split()[1]) for line in Path("/proc/self/smaps").read_text().splitlines() if line.startswith("Shared_Dirty"))
        everyone = [psutil.Process(), *processes()]
        return len(everyone), [each.num_fds() for each in everyone], threading.active_count(), shared // 1024

    with Stream(recipe, store, batch_size=20, tail="keep", features="static", workers=2) as stream:
        for _ in range(3):
            list(stream)
        before = figures()
        for _ in range(20):
            list(stream)
        after = figures()
    assert after[:3] == before[:3]
    assert after[3] <= before[3] + 1


PROGRAM = """
import os, sys
from streamaug import Stream

def half(waveform):
    return waveform[::2]

stream = Stream({recipe!r}, {store!r}, batch_size=8, features={{"mel": "static", "half": half}}, workers=2)
if "fork" in sys.argv:
    next(iter(stream))
    if os.fork() == 0:
        sys.stdin.read()
        os._exit(0)
for _ in range(1000 if "long" in sys.argv else 1):
    for batch in stream:
        print(batch["half"].shape, flush=True)
"""


@pytest.fixture
def program(store_path: Path, tmp_path: Path) -> list[str]:
    """A script without `if __name__ == "__main__":`, with a function of its own as a feature."""
    script = tmp_path / "script.py"
    recipe = {"draw": "union", "mixture": {"original": 1, "mp3_64": 1}}
    script.write_text(PROGRAM.format(recipe=recipe, store=str(store_path)))
    return [sys.executable, str(script)]


def test_a_script_needs_no_guard_and_its_functions_are_features(program: list[str]) -> None:
    run = subprocess.run(program, capture_output=True, text=True, timeout=120)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout == "torch.Size([8, 8000])\n" * 8


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("fork", [[], ["fork"]])
def test_all_processes_end_with_the_one_that_they_work_for(program: list[str], number: int, fork: list[str]) -> None:
    run = subprocess.Popen(
        [*program, "long", *fork],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    for _ in range(3):
        assert run.stdout.readline()
    children = [child for child in processes(run.pid) if "decode_server" in " ".join(child.cmdline())]
    assert len(children) == 3
    if number == signal.SIGINT:
        os.killpg(run.pid, number)  # as a terminal does
    else:
        run.send_signal(number)
    _, alive = psutil.wait_procs(children, timeout=LIMIT_S)
    assert not alive
    run.stdin.close()
    run.kill()
    run.wait()
    assert "decode_server" not in run.stderr.read()


class Unsendable(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()

    def forward(self, waveform):
        with self.lock:
            return waveform


def test_features_that_cannot_be_sent_are_computed_in_threads_with_a_warning(store: Store, recipe: Recipe, monkeypatch) -> None:
    monkeypatch.setattr("streamaug.streaming.assembly.cores_per_rank", lambda: 2)
    with (
        Stream(recipe, store, batch_size=8, features=Unsendable()) as stream,
        pytest.warns(UserWarning, match=r"decodes in threads, since the features or the augmentation cannot be sent.*lock"),
    ):
        assert len(list(stream)) == 12
    with (
        Stream(recipe, store, batch_size=8, features=Unsendable(), workers=2) as stream,
        pytest.raises(FeatureError, match=r"clip 'clip\d\d': the features or the augmentation cannot be sent"),
    ):
        list(stream)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Stream(recipe, store, batch_size=8, features=Unsendable(), workers="threads") as stream:
            assert len(list(stream)) == 12


class Picky(torch.nn.Module):
    def forward(self, waveform):
        if abs(float(waveform.mean())) >= 0 and threading.current_thread() is threading.main_thread() and os.environ.get("OMP_NUM_THREADS"):
            raise ZeroDivisionError("no\nthanks")
        return waveform


def test_an_error_of_a_feature_names_the_clip(store: Store, recipe: Recipe) -> None:
    with Stream(recipe, store, batch_size=8, features=Picky(), workers=1) as stream:
        with pytest.raises(FeatureError, match=r"clip 'clip\d\d': its features cannot be computed: ZeroDivisionError: no"):
            next(iter(stream))
        with pytest.raises(FeatureError, match="ZeroDivisionError"):
            next(iter(stream))


def test_a_stream_that_is_left_early_begins_again(store: Store, recipe: Recipe) -> None:
    with Stream(recipe, store, **SETTINGS) as stream:
        for _ in range(5):
            for number, batch in enumerate(stream):
                assert len(batch["clip_id"]) == 8
                if number == 1:
                    break
            stream.set_epoch(0)


def test_workers_can_be_closed_twice(store: Store) -> None:
    some = ProcessWorkers(2)
    some.close()
    some.close()
