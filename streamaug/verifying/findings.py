"""What verifying a store can find."""

from collections.abc import Sequence
from dataclasses import dataclass

_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something wrong with a store.

    condition, shard, clip: where; None where it concerns more than one.

    >>> print(Finding(condition="mp3_64", shard="0123abcd-000002.tar", clip="dog-1", message="its bitstream was altered"))
    mp3_64/0123abcd-000002.tar: clip 'dog-1': its bitstream was altered
    """

    message: str
    condition: str | None = None
    shard: str | None = None
    clip: str | None = None

    def __str__(self) -> str:
        place = "/".join(part for part in (self.condition, self.shard) if part)
        clip = f"clip '{self.clip}'" if self.clip else ""
        return ": ".join(part for part in (place, clip, self.message) if part)


def named(clips: Sequence[str]) -> str:
    """Some clips by name, all by number.

    >>> named(["a", "b"]), named(["a"])
    ("2 clips ('a', 'b')", "clip 'a'")
    """
    if len(clips) == 1:
        return f"clip '{clips[0]}'"
    shown = ", ".join(f"'{clip}'" for clip in clips[:_NAMED])
    return f"{len(clips)} clips ({shown}{', …' if len(clips) > _NAMED else ''})"
