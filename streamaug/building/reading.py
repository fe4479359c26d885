"""Say how sources are read: at which rate, how long, which of their channels."""

from dataclasses import dataclass
from typing import Literal, get_args

from streamaug.errors import ClipsError

Channel = Literal["mix", "left", "right"]
"""What becomes the one channel of a store: the mean of a source's channels, its first, its second.
"""

Channels = Literal["mono", "keep"]
"""Whether a store has one channel, or as many as its sources."""

MOST_CHANNELS = 2
"""Channels that a store has at most."""

LONGEST_S = 3600.0
"""Length in seconds beyond which a source is refused by default: a header that is wrong, or a file
that is not a clip."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How sources are read.

    Args:
        rate: Sample rate in Hz to resample to.
        samples: Length at that rate; longer sources are cut, shorter ones padded with silence.
            Default: each source's own length.
        channel: "mix" for the mean of the channels, "left" for the first, "right" for the second.
        channels: Channels that every source must have, which are all kept. Default: any number,
            brought to one as `channel` says.
        longest: Length in seconds beyond which a source is refused. Default: one hour.

    Raises:
        ClipsError: The channel is none of these, or the longest length is not positive or below
            the clips' length.
    """

    rate: int
    samples: int | None = None
    channel: Channel = "mix"
    channels: int | None = None
    longest: float = LONGEST_S

    def __post_init__(self) -> None:
        if self.channel not in get_args(Channel):
            raise ClipsError(f"channel '{self.channel}' does not exist; use one of {', '.join(get_args(Channel))}")
        if not self.longest > 0:
            raise ClipsError(f"the longest length of a source is {self.longest:g} s; it must be more than 0")
        if self.samples and self.samples > self.longest * self.rate:
            raise ClipsError(
                f"clips of {self.samples / self.rate:g} s are longer than the longest source that is read, {self.longest:g} s; "
                "use a smaller --seconds or a larger --longest"
            )
