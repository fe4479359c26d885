"""Print for commands: progress, log and errors on stderr, results on stdout."""

import sys
from types import TracebackType

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from streamaug.errors import StreamaugError
from streamaug.files import absolute_path, disk_error
from streamaug.packages import missing_package_error

stderr = Console(stderr=True, soft_wrap=True)
stdout = Console(soft_wrap=True)


def run(app: typer.Typer) -> None:
    """Run a typer application and print an error in one line.

    An error of streamaug, a disk that is full or cannot be written, or a missing package that pip
    can install, ends in one message and exit code 1. `--debug` shows its traceback. It may be anywhere on the line, so that it can be added
    to the end of a command that failed.

    Args:
        app: The application; it reads `sys.argv`.
    """
    is_debug = "--debug" in sys.argv
    arguments = [_expanded(argument) for argument in sys.argv[1:] if argument != "--debug"]
    error: Exception | None
    try:
        app(arguments)
    except StreamaugError as raised:
        if is_debug:
            raise
        error = raised
    except ModuleNotFoundError as raised:
        error = missing_package_error(raised)
        if is_debug or error is None:
            raise
    except OSError as raised:
        error = disk_error(raised, raised.strerror or "")
        if is_debug or error is None:
            raise
    else:
        return
    Console(stderr=True, soft_wrap=True).print(f"[bold red]error:[/] {escape(str(error))}", highlight=False)
    sys.exit(1)


def _expanded(argument: str) -> str:
    """An argument with the home folder for `~`, which shells leave as it is in `--cache=~/cache`.

    >>> _expanded("--cache=/cache"), _expanded("mp3_64~loss10")
    ('--cache=/cache', 'mp3_64~loss10')
    """
    option, mark, path = argument.rpartition("=") if argument.startswith("--") else ("", "", argument)
    return f"{option}{mark}{absolute_path(path)}" if path == "~" or path.startswith("~/") else argument


class ProgressBar:
    """Show the stages of long work as bars; implements `streamaug.progress.Progress`.

    If stderr is not a terminal (a log file, CI), it draws no bar and writes one line when a stage
    begins.
    """

    def __init__(self) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(), console=stderr
        )
        self._task: TaskID | None = None

    def __enter__(self) -> "ProgressBar":
        if stderr.is_terminal:
            self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if stderr.is_terminal:  # otherwise it would print an empty line
            self._bars.stop()

    def begin(self, stage: str, total: int) -> None:
        if not stderr.is_terminal:
            stderr.print(f"{stage}: {total}", highlight=False)
        self._task = self._bars.add_task(stage, total=total)

    def advance(self, steps: int) -> None:
        if self._task is not None:
            self._bars.advance(self._task, steps)

    def say(self, message: str) -> None:
        self._bars.console.print(escape(message), highlight=False)
