"""How commands speak: progress and log on stderr, results on stdout."""

from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

stderr = Console(stderr=True, soft_wrap=True)
stdout = Console(soft_wrap=True)


class ProgressBar:
    """Shows the stages of long work as bars; usable where `building.Progress` is asked for.

    Where stderr is no terminal (a log file, CI), no bar is drawn: a line is written when a stage begins.
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
