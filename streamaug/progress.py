"""Report the progress of long work to whoever wants to see it."""

from typing import Protocol


class Progress(Protocol):
    """What sees the progress of long work, such as a progress bar or a log."""

    def begin(self, stage: str, total: int) -> None:
        """A stage of `total` steps begins."""

    def advance(self, steps: int) -> None:
        """So many more steps of the stage are complete."""

    def say(self, message: str) -> None:
        """Something that belongs in the log."""


class Silent:
    """A Progress that shows nothing."""

    def begin(self, stage: str, total: int) -> None: ...

    def advance(self, steps: int) -> None: ...

    def say(self, message: str) -> None: ...
