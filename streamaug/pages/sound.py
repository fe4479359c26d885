"""A clip as a browser plays it: the samples that training sees, whatever codec made them."""

import base64
from dataclasses import dataclass

from streamaug.codecs.base import Audio
from streamaug.codecs.pcm import encode_flac, to_pcm


@dataclass(frozen=True, kw_only=True)
class Sound:
    """A file that browsers play.

    Args:
        mime: Its media type, such as `audio/flac`.
        data: Its bytes.
    """

    mime: str
    data: bytes

    @property
    def base64(self) -> str:
        return base64.b64encode(self.data).decode()


def browser_sound(audio: Audio) -> Sound:
    """A clip as FLAC of 16 bits.

    Browsers play no SBC, AMR or LC3, and of the others each has its own way with a codec's delay.
    What `Store.read` gives is decoded, aligned to the sample, and the same in all of them.

    Args:
        audio: What is heard; values outside [-1, 1) are clipped.

    >>> import numpy as np
    >>> browser_sound(Audio(samples=np.zeros(100, np.float32), rate=44_100)).data[:4]
    b'fLaC'
    """
    return Sound(mime="audio/flac", data=encode_flac(to_pcm(audio.samples, 16), audio.rate))
