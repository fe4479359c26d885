"""Print for commands: progress, log and errors on stderr, results on stdout."""

import sys
import warnings
from datetime import timedelta
from types import TracebackType
from typing import Any

import typer
from rich.console import Console, ConsoleOptions
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

from streamaug.cli.substitutes import print_substitutes
from streamaug.errors import StreamaugError
from streamaug.files import absolute_path, disk_error
from streamaug.packages import missing_package_error
from streamaug.printable import escape_controls, escape_lines

UNCUT = 1_000_000
"""Columns of a file or a pipe: more than any table has."""


class Terminal(Console):
    """A console that shows all text as it is, and control characters in it escaped.

    Labels such as `[red]` or `:dog:` are names, not markup. What is styled says so by `style=` or
    by a `Text`. Tables fit a terminal; in a file or a pipe nothing is cut or wrapped.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(soft_wrap=True, markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Rich calls this for every string: printed, in a table's cell, or measured."""
        return super().render_str(escape_lines(text), **options)

    @property
    def options(self) -> ConsoleOptions:
        """How to render; rich renders for 80 columns into a file, or for COLUMNS."""
        options = super().options
        return options if self.file.isatty() else options.update_width(UNCUT)


stderr = Terminal(stderr=True)
stdout = Terminal()
notes: list[str] = []
"""What the running command printed by `note`."""


def begin(quiet: bool) -> None:
    """A command begins.

    Args:
        quiet: Whether it prints nothing but errors on stderr.
    """
    stderr.quiet = quiet
    notes.clear()


def note(message: str) -> None:
    """Print what is neither result nor progress nor error on stderr.

    Args:
        message: For example a warning. `--quiet` hides it, and `--json` has it in `notes`.
    """
    notes.append(message)
    stderr.print(message)


def run(app: typer.Typer) -> None:
    """Run a typer application and print an error in one line.

    An error of streamaug, a disk that is full or cannot be written, or a missing package that pip
    can install, ends in one message and exit code 1. `--debug` shows its traceback, and `--quiet`
    hides all but errors. Both may be anywhere on the line, so that they can be added to the end of a
    command. Warnings are notes of one line.

    Args:
        app: The application; it reads `sys.argv`.
    """
    print_substitutes()
    is_debug = "--debug" in sys.argv
    arguments = [_expanded(argument) for argument in sys.argv[1:] if argument not in ("--debug", "--quiet")]
    if "--quiet" in sys.argv[1:]:
        arguments.insert(0, "--quiet")
    error: Exception | None
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _note_warning
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


def _note_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Takes the place of `warnings.showwarning`, which prints a line of source code, too."""
    note(f"warning: {message}")


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
    begins, and every 30 s. With `--quiet` it shows nothing.
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
        note(escape_controls(message))
