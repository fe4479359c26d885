"""Telling how long work goes on to whoever wants to see it."""

from typing import Protocol


class Progress(Protocol):
    """Who wants to see long work go on."""

    def begin(self, stage: str, total: int) -> None:
        """A stage of `total` steps begins."""

    def advance(self, steps: int) -> None:
        """That many steps of it are done."""

    def say(self, message: str) -> None:
        """Something that the log should hold."""


class Silent:
    """A Progress that shows nothing."""

    def begin(self, stage: str, total: int) -> None: ...

    def advance(self, steps: int) -> None: ...

    def say(self, message: str) -> None: ...
