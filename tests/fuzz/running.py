"""Fuzz one target after another, each in a process of its own, which may crash, hang or be killed for
its memory."""

import hashlib
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.fuzz.targets import TARGETS

SEEDS = Path(__file__).with_name("seeds")
"""A folder per target with the inputs that once broke it."""

HANG_S = 20
"""Seconds of processor time that a parser may take for one input of a few kilobytes."""

_WAIT_S = 300
"""Seconds that it may take altogether, on however busy a machine."""

_MEMORY = 1 << 30
"""Bytes of memory that a parser may take for it."""

_ADDRESSES = 64 << 30
"""Bytes of address space, so that what asks for more than any machine has is refused everywhere."""

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """An input that breaks a parser.

    Args:
        target: Name of the target.
        problem: What happened.
        seed: The file that keeps the input.
    """

    target: str
    problem: str
    seed: Path


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What fuzzing a target gave.

    Args:
        inputs: Number of inputs.
        valid: How many of them were taken for valid.
        faults: Those that broke it, one per place in the code.
    """

    inputs: int
    valid: int
    faults: list[Fault]


def keep(target: str, data: bytes) -> Path:
    """Keep an input for tests.

    Args:
        target: Name of the target.
        data: The input.
    """
    path = SEEDS / target / hashlib.sha256(data).hexdigest()[:16]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def fuzz(target: str, seconds: float, seed: int) -> Outcome:
    """Fuzz a target for some time.

    Args:
        target: Name of the target.
        seconds: How long, at least.
        seed: Decides the inputs.
    """
    inputs = valid = 0
    faults: dict[str, Fault] = {}
    stop, number = time.monotonic() + seconds, seed
    with tempfile.TemporaryDirectory() as folder:
        current = Path(folder) / "current"
        while (left := stop - time.monotonic()) > 0:
            command = [sys.executable, "-m", "tests.fuzz.running", target, str(left), str(number), folder]
            process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            assert process.stdout is not None
            for line in process.stdout:
                kind, _, rest = line.rstrip("\n").partition(" ")
                if kind == "fault":
                    path, _, problem = rest.partition(" ")
                    faults.setdefault(problem.partition(":: ")[0], Fault(target=target, problem=problem, seed=Path(path)))
                elif kind == "count":
                    counted, accepted, number = map(int, rest.split())
                    inputs, valid = inputs + counted, valid + accepted
            if process.wait():
                problem = f"the process ended with {_reason(process.returncode)}"
                faults.setdefault(problem, Fault(target=target, problem=problem, seed=keep(target, current.read_bytes())))
                number += 1_000_003  # other inputs
    return Outcome(inputs=inputs, valid=valid, faults=list(faults.values()))


def _reason(code: int) -> str:
    if -code in (signal.SIGPROF, signal.SIGALRM):
        return f"a hang of {HANG_S if -code == signal.SIGPROF else _WAIT_S} s"
    return signal.Signals(-code).name if code < 0 else f"status {code}"


def _source_location(error: BaseException) -> str:
    """The line of the library that an error comes from, or else the last one."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/streamaug/" in frame.filename] or frames
    return f"{own[-1].filename.rpartition('/streamaug/')[2]}:{own[-1].lineno}"


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _faults(name: str, seconds: float, seed: int, folder: Path) -> Iterator[str]:
    """Lines about the faults that are found, and about the number of inputs."""
    target = TARGETS[name]
    inside, current = folder / "around" / "inside", folder / "current"
    stop, inputs, valid = time.monotonic() + seconds, 0, 0
    found: set[str] = set()
    while time.monotonic() < stop:
        data = target.input(Random(f"{name} {seed + inputs}"))  # not a secret
        current.write_bytes(data)
        shutil.rmtree(inside, ignore_errors=True)
        inside.mkdir(parents=True)
        before = _peak()
        signal.setitimer(signal.ITIMER_PROF, HANG_S)
        signal.alarm(_WAIT_S)
        try:
            valid += target.check(data, inside)
            problem = ""
        except BaseException as error:  # whatever comes: that is what is looked for
            problem = f"{type(error).__name__} at {_source_location(error)}:: {str(error)[:200]!r}"
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
        if _peak() - before > _MEMORY:
            problem = f"{(_peak() - before) >> 20} MB of memory {problem}"
        inputs += 1
        key = problem.partition(":: ")[0]
        if problem and key not in found:
            found.add(key)
            yield f"fault {keep(name, data)} {problem}"
        if inputs % 50 == 0:
            yield f"count 50 {valid} {seed + inputs}"
            valid = 0
    yield f"count {inputs % 50} {valid} {seed + inputs}"


def main() -> None:
    """The process of one target; it prints faults and counts."""
    name, seconds, seed, folder = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESSES, _ADDRESSES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in _faults(name, float(seconds), int(seed), Path(folder)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
