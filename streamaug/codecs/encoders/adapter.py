"""Define what the built-in encoders share: the settings that shards/paper.yaml gives each of them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np


@dataclass(frozen=True, kw_only=True)
class AdapterEncoder(ABC):
    """An `Encoder` that a settings file names.

    Args:
        name: The encoder's name in the program or library that runs it.
        muxer: FFmpeg's name of the container that is written.
        options: In the encoder's own terms.
        drops: Samples that the encoder may drop at the end: so much more silence is encoded.
    """

    adapter: ClassVar[str]
    """Its name in settings files, and in the indexes of conditions."""

    name: str
    muxer: str
    options: Mapping[str, str]
    drops: int = 0

    @property
    def arguments(self) -> Mapping[str, str]:
        drops = {"drops": str(self.drops)} if self.drops else {}
        return {**self.options, "muxer": self.muxer, **drops}

    @property
    @abstractmethod
    def version(self) -> str | None: ...

    @property
    @abstractmethod
    def install_hint(self) -> str: ...

    @abstractmethod
    def encode(self, pcm: np.ndarray, *, rate: int, kbps: float, tail: int) -> bytes: ...
