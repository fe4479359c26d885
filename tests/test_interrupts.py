"""Ctrl-C, SIGTERM and SIGKILL to a build: one line, the right exit code, and no process is left."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from streamaug.store import Store
from tests.building.clips import write_clips

CONDITIONS = "original,mp3_32,aac_32"
LIMIT_S = 10.0


def start(table: Path, store: Path, *options: str) -> subprocess.Popen:
    arguments = ["build", str(table), str(store), "--conditions", CONDITIONS, "--clips-per-shard", "5", *options]
    return subprocess.Popen(
        [sys.executable, "-m", "streamaug", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # A shell's background job, which a test run may be, ignores Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def wait_for(condition: Callable[[], object], process: subprocess.Popen) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, f"the build was over too early: {process.stdout.read()}"
        assert time.monotonic() < until
        time.sleep(0.01)


def handles_sigterm(pid: int) -> bool:
    """Whether the command has come so far: the interpreter itself handles SIGINT only, with a traceback."""
    caught = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def finished_shards(store: Path) -> list[Path]:
    return list(store.glob("*/*.tar"))


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_clips(tmp_path_factory.mktemp("clips"), 60, seconds=4.0)


@pytest.mark.parametrize("pause_s", [0.0, 0.2, 0.5, 0.8, 1.1, 1.6])
def test_ctrl_c_is_one_line_while_the_command_imports_checks_and_builds(table, tmp_path, pause_s):
    process = start(table, tmp_path / "store", "--workers", "2")
    wait_for(lambda: handles_sigterm(process.pid), process)
    time.sleep(pause_s)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers, too
    output, _ = process.communicate(timeout=LIMIT_S)
    lines = [line for line in output.splitlines() if not line.startswith(("checking sources", "encoding clips"))]
    assert (process.returncode, lines) == (130, ["interrupted; what is finished is kept, run the command again to resume"])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_build_that_is_stopped_takes_its_workers_along_and_is_resumed(table, tmp_path, number, code):
    store = tmp_path / "store"
    process = start(table, store, "--workers", "2")
    try:
        wait_for(lambda: len(finished_shards(store)) >= 9, process)  # of two workers one has finished a shard
        workers = psutil.Process(process.pid).children(recursive=True)
        assert len(workers) >= 2
        os.kill(process.pid, number)
        _, alive = psutil.wait_procs(workers, timeout=LIMIT_S)
        assert not alive
        output, _ = process.communicate(timeout=LIMIT_S)
        assert process.returncode == code
        assert "Traceback" not in output
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    again = start(table, store, "--workers", "2")
    output, _ = again.communicate(timeout=120)
    assert again.returncode == 0, output
    reused = re.search(r"(\d+) already present", output)
    assert reused is not None, output
    assert int(reused[1]) >= 3
    assert set(Store.open(store).conditions) == set(CONDITIONS.split(","))


def test_a_second_ctrl_c_ends_a_command_that_does_not_react_to_the_first(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import time\n"
        "from streamaug.interrupts import run_until_stopped\n"
        "def stubborn():\n"
        "    word = 'ready'\n"
        "    while True:\n"
        "        try:\n"
        "            print(word, flush=True)\n"
        "            time.sleep(60)\n"
        "        except BaseException:\n"
        "            word = 'ignored'\n"
        "run_until_stopped(stubborn, advice='; try again')\n"
    )
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for line, number in (("ready", signal.SIGTERM), ("ignored", signal.SIGINT)):
        assert process.stdout.readline().strip() == line
        process.send_signal(number)
    output, _ = process.communicate(timeout=2)
    assert (process.returncode, output) == (143, "terminated; try again\n")


def test_a_command_that_swallows_the_signal_still_ends(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import time\n"
        "from streamaug.interrupts import run_until_stopped\n"
        "def deaf():\n"
        "    try:\n"
        "        print('ready', flush=True)\n"
        "        time.sleep(60)\n"
        "    except BaseException:\n"
        "        pass\n"
        "    time.sleep(60)\n"
        "run_until_stopped(deaf)\n"
    )
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, output) == (130, "interrupted\n")
