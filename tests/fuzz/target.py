"""What a fuzzed parser must do: return, or raise one of the project's own errors that says why."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random

from streamaug.errors import StreamaugError
from tests.fuzz.edits import Edit, edit_bytes


@dataclass(frozen=True)
class Target:
    """A parser of bytes that others have written.

    Args:
        name: Of the parser, and of the folder with its kept inputs.
        parse: Reads bytes, in a folder of its own where it may write.
        examples: Makes valid files.
        edits: What changes them. Bytes are changed in any case.
    """

    name: str
    parse: Callable[[bytes, Path], object]
    examples: Callable[[], Sequence[bytes]]
    edits: tuple[Edit, ...] = ()

    @cached_property
    def valid(self) -> Sequence[bytes]:
        """Valid files."""
        return self.examples()

    def input(self, random: Random) -> bytes:
        """A file that is not quite valid.

        Args:
            random: Decides all that is random.
        """
        edit = random.choice((edit_bytes, *self.edits, *self.edits))
        return edit(random.choice(self.valid), random)

    def check(self, data: bytes, folder: Path) -> bool:
        """Parse a file.

        Args:
            data: The file.
            folder: An empty folder, in one of its own.

        Returns:
            Whether it is valid.

        Raises:
            AssertionError: It was refused without a message, or something was written elsewhere.
            Exception: The parser broke down.
        """
        around = sorted(folder.parent.iterdir())
        refusal = None
        try:
            self.parse(data, folder)
        except StreamaugError as error:
            refusal = str(error)
        assert refusal is None or refusal.strip(), "refused without a message"
        assert sorted(folder.parent.iterdir()) == around, "written outside its folder"
        return refusal is None
