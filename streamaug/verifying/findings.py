"""What `verify` reports."""

from collections.abc import Sequence
from dataclasses import dataclass

_NAMED = 5
"""Clips that a message names at most."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One problem of a store.

    Args:
        message: What is wrong and what to do.
        condition: The condition; None if the problem concerns more than one.
        shard: The shard, likewise.
        clip: The clip, likewise.

    >>> print(Finding(condition="mp3_64", shard="0123abcd-0123456789abcdef.tar", clip="dog-1", message="its bitstream is damaged"))
    mp3_64/0123abcd-0123456789abcdef.tar: clip 'dog-1': its bitstream is damaged
    """

    message: str
    condition: str | None = None
    shard: str | None = None
    clip: str | None = None

    def __str__(self) -> str:
        shard = "/".join(part for part in (self.condition, self.shard) if part)
        clip = f"clip '{self.clip}'" if self.clip else ""
        return ": ".join(part for part in (shard, clip, self.message) if part)


def named(clips: Sequence[str]) -> str:
    """The number of some clips, and the names of the first few.

    >>> named(["a", "b"]), named(["a"])
    ("2 clips ('a', 'b')", "clip 'a'")
    """
    if len(clips) == 1:
        return f"clip '{clips[0]}'"
    shown = ", ".join(f"'{clip}'" for clip in clips[:_NAMED])
    return f"{len(clips)} clips ({shown}{', …' if len(clips) > _NAMED else ''})"
