"""A build on a Dask cluster of real processes, one of which is killed half-way."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from distributed import Client

from streamaug.building.build import build
from streamaug.cli.cluster import executor_of
from streamaug.conditions import parse_conditions
from streamaug.errors import EncoderError, StreamaugError
from tests.building.clips import content, write_clips

CONDITIONS = "original,mp3_32,mulaw_64+mp3_32"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("clips"), 60, seconds=1.0)


def run(clips: Path, store: Path, executor: Executor) -> dict[str, bytes]:
    build(clips, str(store), conditions=parse_conditions(CONDITIONS), clips_per_shard=4, executor=executor)
    return content(store)


@pytest.fixture(scope="module")
def local(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    with ThreadPoolExecutor(2) as executor:
        return run(clips, tmp_path_factory.mktemp("local") / "store", executor)


@contextmanager
def cluster(scratch: Path, workers: int, **environment: str) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and workers as a person starts them; yields the scheduler's address and the
    workers' processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    dask = [sys.executable, "-m", "dask"]
    processes = []

    def start(*arguments: str) -> None:
        with (scratch / "dask.log").open("ab") as log:
            processes.append(subprocess.Popen([*dask, *arguments], cwd=scratch, stdout=log, stderr=log, env={**os.environ, **environment}))

    try:
        start("scheduler", "--host", address, "--no-dashboard")
        for _ in range(workers):
            # Without a nanny, which would restart a killed worker: the other one must do the work.
            start("worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard")
        with Client(address, timeout=60) as client:
            if workers:
                client.wait_for_workers(workers, timeout=60)
        yield address, processes[1:]
    finally:
        for process in processes:
            process.kill()
            process.wait()


@contextmanager
def joined_worker(address: str, scratch: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "dask", "worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    with (scratch / "worker.log").open("wb") as log, subprocess.Popen(command, cwd=scratch, stdout=log, stderr=log) as process:
        try:
            yield
        finally:
            process.kill()


def scheduler_of(address: str) -> psutil.Process:
    return next(child for child in psutil.Process().children() if {"scheduler", address} <= set(child.cmdline()))


def test_a_cluster_that_loses_a_worker_half_way_builds_the_same_bytes(clips: Path, local: dict[str, bytes], tmp_path: Path) -> None:
    store = tmp_path / "store"
    with cluster(tmp_path, 2) as (address, workers):
        arguments = ["build", str(clips), str(store), "--conditions", CONDITIONS, "--clips-per-shard", "4", "--cluster", address]
        running = subprocess.Popen([sys.executable, "-m", "streamaug", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while running.poll() is None and len(list(store.glob("*/*.tar"))) < 18:
            time.sleep(0.01)
        os.kill(workers[0].pid, signal.SIGKILL)
        assert running.poll() is None, "the build was over before the worker was killed"
        _, errors = running.communicate(timeout=120)
    assert running.returncode == 0, errors.decode()
    assert content(store) == local


def test_a_lost_scheduler_is_one_line_that_names_it_and_the_build_resumes_without_it(
    clips: Path, local: dict[str, bytes], tmp_path: Path
) -> None:
    store = tmp_path / "store"
    arguments = ["build", str(clips), str(store), "--conditions", CONDITIONS, "--clips-per-shard", "4"]
    with cluster(tmp_path, 1) as (address, _):
        command = [sys.executable, "-m", "streamaug", *arguments, "--cluster", address]
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        while running.poll() is None and len(list(store.glob("*/*.tar"))) < 6:
            time.sleep(0.01)
        scheduler_of(address).kill()
        assert running.poll() is None, "the build was over before the scheduler was lost"
        _, errors = running.communicate(timeout=60)
    assert running.returncode == 1
    assert "Traceback" not in errors
    [error] = [line for line in errors.splitlines() if line.startswith("error: ")]  # a slow machine makes Dask warn of itself, too
    assert error.startswith(f"error: the Dask scheduler at {address} was lost; start it")
    assert run(clips, store, ThreadPoolExecutor(1)) == local


class _SlowToSend:
    """A result that takes its time on the way from the worker; a file says that it is on the way."""

    def __init__(self, marker: str) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        Path(self._marker).touch()
        time.sleep(5)
        return (str, ("arrived",))


def test_a_scheduler_that_is_lost_while_the_last_result_is_on_the_way_does_not_hang_the_command(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    lost = pytest.raises(StreamaugError, match=r"the Dask scheduler at .* was lost")
    with cluster(tmp_path, 1, PYTHONPATH=str(Path(__file__).parents[2])) as (address, _), lost, executor_of(address) as executor:
        future = executor.submit(_SlowToSend, str(marker))
        while not marker.exists():
            assert not future.done(), future.exception()
            time.sleep(0.01)
        scheduler_of(address).kill()
        future.result(timeout=60)


def test_a_relative_store_is_built_where_the_command_runs_not_where_the_workers_do(
    clips: Path, local: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "workers").mkdir()
    with cluster(tmp_path / "workers", 1) as (address, _):
        arguments = ["build", str(clips), "store", "--conditions", CONDITIONS, "--clips-per-shard", "4", "--cluster", address]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        subprocess.run([sys.executable, "-m", "streamaug", *arguments], cwd=tmp_path / "here", env=environment, check=True, timeout=120)
    assert content(tmp_path / "here" / "store") == local
    assert not list((tmp_path / "workers").rglob("*.tar"))


def test_a_machine_that_lacks_an_encoder_is_named_and_nothing_is_published(tmp_path: Path) -> None:
    if shutil.which("fdkaac") is None:
        pytest.skip("fdkaac is not installed")
    table = write_clips(tmp_path / "clips", 4)
    store = tmp_path / "store"
    refused = pytest.raises(EncoderError, match="has no fdkaac, but the build began with fdkaac")
    with cluster(tmp_path, 1, PATH="") as (address, _), executor_of(address) as executor, refused:
        build(table, str(store), conditions=parse_conditions("he-aac_16"), executor=executor)
    assert not (store / "store.json").exists()


def test_an_address_without_a_scheduler_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamaug.cli.cluster._TIMEOUT_S", 1)
    with pytest.raises(StreamaugError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"), executor_of("tcp://127.0.0.1:9"):
        pass


def test_an_address_where_something_else_listens_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamaug.cli.cluster._TIMEOUT_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        for scheme, reason in (("tcp", "it does not greet"), ("tls", "TLS expects")):
            refused = pytest.raises(StreamaugError, match=rf"no Dask scheduler answers at {scheme}://{address}: {reason}")
            with refused, executor_of(f"{scheme}://{address}"):
                pass


def test_a_cluster_without_workers_says_what_it_waits_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with cluster(tmp_path, 0) as (address, _), executor_of(address):
        pass
    assert f"the Dask scheduler at {address} has no worker; the work goes on when one joins" in capsys.readouterr().err


def test_a_build_says_that_its_last_worker_is_lost_and_goes_on_when_another_joins(
    clips: Path, local: dict[str, bytes], tmp_path: Path
) -> None:
    store = tmp_path / "store"
    with cluster(tmp_path, 1) as (address, workers):
        arguments = ["build", str(clips), str(store), "--conditions", CONDITIONS, "--clips-per-shard", "4", "--cluster", address]
        running = subprocess.Popen(
            [sys.executable, "-m", "streamaug", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        while running.poll() is None and len(list(store.glob("*/*.tar"))) < 6:
            time.sleep(0.01)
        workers[0].kill()
        assert running.stderr is not None
        silence = threading.Timer(60, running.kill)
        silence.start()
        assert any(f"the Dask scheduler at {address} has no worker" in line for line in running.stderr), "the build did not say so"
        silence.cancel()
        with joined_worker(address, tmp_path):
            assert running.wait(timeout=120) == 0
    assert content(store) == local


def test_a_scheduler_without_streamaug_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "streamaug.py").write_text("raise ModuleNotFoundError('not installed', name='streamaug')")
    refused = pytest.raises(StreamaugError, match=r"the Dask scheduler at .* cannot load the work: it needs the same versions")
    with cluster(tmp_path, 1, PYTHONPATH=str(tmp_path)) as (address, _), refused, executor_of(address) as executor:
        executor.submit(parse_conditions, "original").result(timeout=60)


def test_arguments_that_dask_has_names_for_reach_the_call(tmp_path: Path) -> None:
    with cluster(tmp_path, 1) as (address, _), executor_of(address) as executor:
        assert executor.submit(dict, key="a", workers=2).result(timeout=60) == {"key": "a", "workers": 2}
