"""Print for commands: progress, log and errors on stderr, results on stdout."""

import sys
from datetime import timedelta
from types import TracebackType
from typing import Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from streamaug.errors import StreamaugError
from streamaug.files import absolute_path, disk_error
from streamaug.packages import missing_package_error
from streamaug.printable import escape_controls, escape_lines


class Terminal(Console):
    """A console that shows all text as it is, and control characters in it escaped.

    Labels such as `[red]` or `:dog:` are names, not markup. What is styled says so by `style=` or
    by a `Text`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(soft_wrap=True, markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Rich calls this for every string: printed, in a table's cell, or measured."""
        return super().render_str(escape_lines(text), **options)


stderr = Terminal(stderr=True)
stdout = Terminal()


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
    Terminal(stderr=True).print(Text("error:", "bold red"), str(error))
    sys.exit(1)


def _expanded(argument: str) -> str:
    """An argument with the home folder for `~`, which shells leave as it is in `--cache=~/cache`.

    >>> _expanded("--cache=/cache"), _expanded("mp3_64~loss10")
    ('--cache=/cache', 'mp3_64~loss10')
    """
    option, mark, path = argument.rpartition("=") if argument.startswith("--") else ("", "", argument)
    return f"{option}{mark}{absolute_path(path)}" if path == "~" or path.startswith("~/") else argument


_REPORT_S = 30.0
"""Seconds between two lines of progress in a log file."""


class _Rate(ProgressColumn):
    """Steps per second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "", "progress.data.speed")


def _line(task: Task) -> str:
    """The progress of a stage in words, for a log file."""
    rate = (task.completed / task.elapsed) if task.elapsed else 0.0
    total = task.total or 0.0
    left = f", {timedelta(seconds=round((total - task.completed) / rate))} left" if rate else ""
    return f"{task.description}: {task.completed:.0f} of {total:.0f}, {rate:.1f} per second{left}"


class ProgressBar:
    """Show the stages of long work as bars; implements `streamaug.progress.Progress`.

    If stderr is not a terminal (a log file, CI), it draws no bar and writes a line when a stage
    begins, and every 30 s.
    """

    def __init__(self) -> None:
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=stderr,
        )
        self._task: TaskID | None = None
        self._reported = 0.0

    def __enter__(self) -> "ProgressBar":
        if stderr.is_terminal:
            self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if stderr.is_terminal:  # otherwise it would print an empty line
            self._bars.stop()

    def begin(self, stage: str, total: int) -> None:
        stage = escape_controls(stage)
        if not stderr.is_terminal:
            stderr.print(f"{stage}: {total}")
        self._task = self._bars.add_task(stage, total=total)
        self._reported = self._bars.get_time()

    def advance(self, steps: int) -> None:
        if self._task is None:
            return
        self._bars.advance(self._task, steps)
        if not stderr.is_terminal and self._bars.get_time() - self._reported >= _REPORT_S:
            self._reported = self._bars.get_time()
            stderr.print(_line(next(task for task in self._bars.tasks if task.id == self._task)))

    def say(self, message: str) -> None:
        self._bars.console.print(escape_controls(message))
