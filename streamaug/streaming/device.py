"""Bring batches to a GPU, and compute features there.

waveforms ──copy──▶ GPU ──LogMel──▶ batch           on a CUDA stream of its own, while the
other features ──copy──▶ batch                      training step before it still computes
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from streamaug.errors import StreamaugError
from streamaug.features import Waveform
from streamaug.features.base import Feature, takes_batches
from streamaug.features.per_channel import per_channel
from streamaug.streaming.batches import DecodedBatch

_WAVEFORMS = ""
"""Key of the waveforms from which features are computed on the GPU: no feature has it."""

_CLIPS_AT_ONCE = 16
"""Their windows in double precision take 0.4 GB, at 10 s and 44.1 kHz."""


def open_device(device: str | torch.device | None) -> torch.device | None:
    """The device that a user names; None if batches stay where they are.

    Args:
        device: Such as `cuda` or `cuda:1`.

    Raises:
        StreamaugError: This machine does not have it.
    """
    try:
        opened = torch.device(device) if device is not None else torch.device("cpu")
        torch.empty(0, device=opened)
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise StreamaugError(f"device={device!r}: {reason}; write one that this machine has, or leave it out") from error
    return None if opened.type == "cpu" else opened


def split_features(
    features: Mapping[str, Feature], device: torch.device | None, channels: int = 1
) -> tuple[dict[str, Feature], dict[str, Feature]]:
    """The features that workers compute, and those that a GPU computes from waveforms.

    Args:
        features: By key in the batch.
        device: Where the batches go.
        channels: Channels of the store.
    """
    on_device = {name: feature for name, feature in features.items() if takes_batches(feature)} if device and device.type == "cuda" else {}
    if not on_device:
        return dict(features), {}
    return {
        _WAVEFORMS: per_channel(Waveform(), channels),
        **{name: feature for name, feature in features.items() if name not in on_device},
    }, on_device


class DeviceStage:
    """Copies batches to a device, one batch ahead of the one that is handed over.

    Args:
        device: Where they go.
        features: Computed on it, by key in the batch.
    """

    def __init__(self, device: torch.device, features: Mapping[str, Feature]) -> None:
        self._device, self._features = device, features
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]  # torch's own
        # Memory that is still being copied must not be filled again.
        self._copying: deque[tuple[torch.cuda.Event, Mapping[str, Tensor]]] = deque()

    def run(self, batches: Iterable[DecodedBatch]) -> Iterator[DecodedBatch]:
        """The same batches, with their features on the device.

        Args:
            batches: As they are decoded.
        """
        ahead: deque[tuple[DecodedBatch, torch.cuda.Event | None]] = deque()
        for decoded in batches:
            ahead.append(self._begin(decoded))
            if len(ahead) > 1:
                yield self._finish(*ahead.popleft())
        while ahead:
            yield self._finish(*ahead.popleft())

    def close(self) -> None:
        """Wait for the copies: their memory may be freed afterwards."""
        if self._stream is not None:
            self._stream.synchronize()
        self._copying.clear()

    def _begin(self, decoded: DecodedBatch) -> tuple[DecodedBatch, torch.cuda.Event | None]:
        if self._stream is None:
            return replace(decoded, features={name: host.to(self._device) for name, host in decoded.features.items()}), None
        while self._copying and self._copying[0][0].query():  # type: ignore[no-untyped-call]  # torch's own
            self._copying.popleft()
        with torch.cuda.stream(self._stream), torch.no_grad():
            features = {name: host.to(self._device, non_blocking=True) for name, host in decoded.features.items()}
            self._copying.append((self._stream.record_event(), decoded.features))
            frames = dict(decoded.frames)
            if (waveforms := features.pop(_WAVEFORMS, None)) is not None:
                samples = frames.pop(_WAVEFORMS)
                for name, feature in self._features.items():
                    features[name], frames[name] = compute_rows(feature, waveforms, samples)
            return replace(decoded, features=features, frames=frames), self._stream.record_event()

    def _finish(self, decoded: DecodedBatch, event: torch.cuda.Event | None) -> DecodedBatch:
        if event is not None:
            current = torch.cuda.current_stream(self._device)
            current.wait_event(event)
            for whole in decoded.features.values():
                whole.record_stream(current)
        return decoded


def compute_rows(feature: Feature, waveforms: Tensor, samples: np.ndarray) -> tuple[Tensor, np.ndarray]:
    """The rows of a feature, each of its own samples and filled up with zeros in the last axis; and
    the sizes of the last axis before that, int64 (n,).

    Args:
        feature: One that takes batches.
        waveforms: float32 (n, views, samples) or (n, views, 2, samples), filled up.
        samples: Of each row, int64 (n,).
    """
    shapes = {length: feature.shape(length) for length in np.unique(samples).tolist()}
    out = waveforms.new_zeros((*waveforms.shape[:2], *feature.shape(waveforms.shape[-1])))
    for rows in _runs(samples):
        length = int(samples[rows.start])
        feature.expand(feature.compute(waveforms[rows, ..., :length]), out[rows, ..., : shapes[length][-1]])
    return out, np.array([shapes[length][-1] for length in samples.tolist()])


def _runs(samples: np.ndarray) -> Iterator[slice]:
    """Rows of the same length that follow one another, a few at a time.

    >>> list(_runs(np.array([5, 5, 8])))
    [slice(0, 2, None), slice(2, 3, None)]
    """
    ends = [*np.flatnonzero(np.diff(samples)) + 1, len(samples)]
    for start, end in zip([0, *ends], ends, strict=False):
        for first in range(int(start), int(end), _CLIPS_AT_ONCE):
            yield slice(first, min(first + _CLIPS_AT_ONCE, int(end)))
