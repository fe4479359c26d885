"""Run builds and commands in this process, for tests of something else than processes: starting an
interpreter that imports the package takes a second of a core.
"""

import io
import subprocess
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import pytest

from streamaug.cli.main import main


class InProcess(Executor):
    """Runs each call immediately, in the thread that submits it; so nothing outlives that thread."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **settings: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(function(*arguments, **settings))
        except Exception as error:
            future.set_exception(error)
        return future


def streamaug(*arguments: object) -> subprocess.CompletedProcess[str]:
    """What `python -m streamaug` prints and returns.

    Args:
        arguments: Of the command line.
    """
    out, err = io.StringIO(), io.StringIO()
    line = ["streamaug", *map(str, arguments)]
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr("sys.argv", line)
        with pytest.raises(SystemExit) as end:
            main()
    return subprocess.CompletedProcess(line, int(end.value.code or 0), out.getvalue(), err.getvalue())
