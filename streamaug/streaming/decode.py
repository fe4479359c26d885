"""From a bitstream to its row in a batch: decode, compute features, keep them for the next epoch."""

import time
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from streamaug.codecs import decode
from streamaug.errors import CorruptError
from streamaug.features import EDGE, LogMel, with_deltas
from streamaug.reading.cache import CacheView
from streamaug.reading.locations import BitstreamLocations
from streamaug.streaming.metrics import Stats
from streamaug.streaming.source import PendingBitstream, Source

Features = Literal["logmel", "static", "waveform"]
"""What a batch holds of each clip: `logmel` (3, mels, frames - 8), `static` (mels, frames) without the deltas, which `with_deltas`
makes anywhere, or `waveform` (samples,)."""


def shape_of(features: Features, module: LogMel, samples: int) -> tuple[int, ...]:
    """Shape of one clip's features.

    >>> shape_of("logmel", LogMel(), 441_000)
    (3, 128, 423)
    """
    frames = module.frames(samples)
    shapes = {"logmel": (3, module.mels, frames - 2 * EDGE), "static": (module.mels, frames), "waveform": (samples,)}
    return shapes[features]


class RowMaker:
    """Fills one clip's place in a batch, from any thread.

    shelf: the cache of features; with it static matrices are rounded to float16 whether they come from it or go into it, so that
    every epoch gives the same bits.
    """

    def __init__(
        self,
        source: Source,
        bitstreams: Sequence[BitstreamLocations],
        *,
        module: LogMel,
        samples: int,
        features: Features,
        shelf: CacheView | None,
        stats: Stats,
    ):
        self._source, self._bitstreams, self._module, self._samples = source, bitstreams, module, samples
        self._features, self._shelf, self._stats = features, shelf, stats
        self._static = shape_of("static", module, samples)

    def make(self, condition: int, clip: int, take: PendingBitstream, out: Tensor) -> None:
        """Decode a bitstream into a clip's place. Raises CorruptError, FetchError, naming store, shard and clip."""
        of = self._bitstreams[condition]
        payload = take()
        begun = time.perf_counter()
        try:
            samples = decode(payload, decoding=of.meta.decoding, rate=self._module.rate, delay=int(of.delay[clip]), samples=self._samples)
        except CorruptError as error:
            raise CorruptError(
                f"{self._source.where(condition, clip)}: {error}; build the condition again with 'streamaug build --replace'"
            ) from error
        decoded = time.perf_counter()
        self._stats.decode(of.condition, decoded - begun)
        waveform = torch.from_numpy(samples)
        if self._features == "waveform":
            out.copy_(waveform)
            return
        static = self._module(waveform)
        if self._shelf is not None:
            half = static.half().contiguous()
            self._shelf.add(condition, clip, memoryview(half.numpy()).cast("B"))
            static = half.float()
        self._place(static, out)
        self._stats.feature(time.perf_counter() - decoded)

    def recall(self, places: Sequence[int], outs: Sequence[Tensor]) -> None:
        """Fill clips' places from entries of the feature cache."""
        assert self._shelf is not None
        for place, out in zip(places, outs, strict=True):
            half = np.frombuffer(self._shelf.entry(place), np.float16).reshape(self._static)
            self._place(torch.from_numpy(half), out)

    def _place(self, static: Tensor, out: Tensor) -> None:
        if self._features == "static":
            out.copy_(static)
        else:
            with_deltas(static.float(), out=out)
