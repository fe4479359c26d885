"""End a command in one line when Ctrl-C or SIGTERM comes, at whatever moment."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

_GRACE_S = 5.0
"""Seconds that open files, workers and progress bars may take to end in order."""

_WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


class StoppedError(BaseException):
    """A signal ends the command.

    It is neither an Exception nor a KeyboardInterrupt, which libraries catch on the way.
    """


class _Stop:
    """The signal that ended this process, if any.

    Args:
        advice: What to do about it, for the line that is printed.
    """

    def __init__(self, advice: str) -> None:
        self._advice, self._pid = advice, os.getpid()
        self._lock = threading.Lock()
        self.signal: signal.Signals | None = None

    @property
    def code(self) -> int:
        """The exit code that shells expect."""
        return 128 + (self.signal or 0)

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Raise StoppedError at the first signal, and end the process at a second one."""
        if os.getpid() != self._pid:  # a forked process, which ends as if nothing had been installed
            if number == signal.SIGINT:
                signal.default_int_handler(number, frame)
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        is_first, self.signal = self.signal is None, self.signal or signal.Signals(number)
        if not is_first:
            self.exit_now()
        # What is raised inside a callback of the interpreter is printed there, and lost.
        sys.unraisablehook = lambda _: None
        threading.excepthook = lambda _: None
        timer = threading.Timer(_GRACE_S, self.exit_now)
        timer.daemon = True
        timer.start()
        raise StoppedError(_WORDS[self.signal])

    def say(self) -> None:
        """Print the one line, once."""
        if self.signal is not None and self._lock.acquire(blocking=False):
            with contextlib.suppress(OSError, ValueError):  # nobody may be left to read it
                print(f"{_WORDS[self.signal]}{self._advice}", file=sys.stderr, flush=True)  # noqa: T201  # the console belongs to the commands

    def exit_now(self) -> NoReturn:
        """End the process without further ado; its workers end with it."""
        with contextlib.suppress(OSError, ValueError):
            if sys.stderr.isatty():
                sys.stderr.write("\x1b[?25h")  # the cursor, which progress bars hide
        self.say()
        os._exit(self.code)


def run_until_stopped(command: Callable[[], None], *, advice: str = "") -> None:
    """Run a command that Ctrl-C and SIGTERM end in one line, with exit code 130 or 143.

    The command is unwound: what it holds open is closed. If that takes longer than 5 s, or a second
    signal comes, the process ends at once. Call this in the main thread, and last: the handlers
    stay until the process has ended.

    Args:
        command: The command, with the imports that take long.
        advice: Continues the line that is printed.

    Raises:
        SystemExit: A signal came.
    """
    stop = _Stop(advice)
    for number in _WORDS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as in the background jobs of some shells
            signal.signal(number, stop.handle)
    try:
        command()
    except BaseException:
        # Libraries may turn what a signal raises into errors of their own.
        if stop.signal is None:
            raise
    if stop.signal is not None:
        stop.say()
        raise SystemExit(stop.code) from None
