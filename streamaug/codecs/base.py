"""What decoding a bitstream needs and gives."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, StringConstraints

Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]+$")]
"""A name as FFmpeg and encoders have them."""


@dataclass(frozen=True, kw_only=True)
class Audio:
    """One channel of sound.

    Args:
        samples: float32 of shape (samples,), nominally in [-1, 1].
        rate: Sample rate in Hz.
    """

    samples: np.ndarray
    rate: int


class Decoding(BaseModel):
    """What decodes the bitstreams of a condition; stored in its index, so that any machine can read them.

    Args:
        codec: Name of the codec, such as `mp3`.
        demuxer: FFmpeg's name of the format, given to the decoder so that it never guesses. None: the codec decodes by itself.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    codec: Word
    demuxer: Word | None


FLAC = Decoding(codec="flac", demuxer="flac")
"""Of `original`, and of conditions that end with an effect."""
