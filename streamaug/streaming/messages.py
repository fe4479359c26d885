"""What a process and those that decode for it say to one another."""

from dataclasses import dataclass

from streamaug.streaming.decode import DecodeTask


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a row of one feature goes in shared memory.

    Args:
        buffer: Number of the buffer.
        offset: Bytes from its start.
        shape: Of the row, float32.
    """

    buffer: int
    offset: int
    shape: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Work:
    """A message to a decode process: rows to decode.

    Args:
        tasks: One DecodeTask per row, without its processing.
        outs: Where the features of each row go.
        processing: The processing from now on, pickled, and the sender's `sys.path`, on which its
            modules are; None if it is that of the last message.
        opened: Bytes of each new buffer, whose file comes with this message.
    """

    tasks: tuple[DecodeTask, ...]
    outs: tuple[tuple[Place, ...], ...]
    processing: tuple[bytes, tuple[str, ...]] | None
    opened: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A message from a decode process: the row could not be decoded.

    Args:
        kind: Name of the error's class.
        text: Its message.
    """

    kind: str
    text: str
