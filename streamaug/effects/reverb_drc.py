"""Reverberation with dynamic-range compression, in three sets of rooms."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pyarrow as pa
import soundfile
import soxr
from av.filter import Graph
from scipy.signal import fftconvolve

from streamaug.effects.base import LoadClip
from streamaug.effects.common import clip_random, versions, within_scale
from streamaug.errors import ClipsError

FOLDER = "STREAMAUG_RESPONSES"
"""Environment variable that may name a folder of room responses: WAV files in its folders '1', '2'
and '3'."""

ROOMS = {1: ((3.0, 5.0), (0.15, 0.4)), 2: ((5.0, 9.0), (0.3, 0.7)), 3: ((9.0, 20.0), (0.6, 1.2))}
"""Simulated sets: ranges of a side in metres and of the reverberation time (RT60) in seconds."""

_A_SET = 6
_COMPANDER = "attacks=0.2:decays=0.3:points=-90/-60|-60/-20|0/0:soft-knee=6"
_GAIN = (2.0, 5.0)


def simulate(number: int, rate: int) -> tuple[np.ndarray, ...]:
    """Responses of six random shoebox rooms of a set, by image sources (Allen and Berkley 1979):
    float32 of shape (samples,)."""
    import pyroomacoustics  # takes a second, and a folder of responses does without

    sides, times = ROOMS[number]
    random = np.random.default_rng(number)
    responses = []
    for _ in range(_A_SET):
        size = np.array([*random.uniform(*sides, 2), random.uniform(2.5, 4.0)])
        absorption, order = pyroomacoustics.inverse_sabine(random.uniform(*times), size)
        room = pyroomacoustics.ShoeBox(size, fs=rate, materials=pyroomacoustics.Material(absorption), max_order=min(order, 12))
        room.add_source(size * random.uniform(0.15, 0.85, 3))
        room.add_microphone(size * random.uniform(0.15, 0.85, 3))
        room.compute_rir()
        responses.append(np.asarray(room.rir[0][0], np.float32))
    return tuple(responses)


def read_responses(folder: Path, rate: int) -> tuple[np.ndarray, ...]:
    """The WAV files of a folder in the order of their names, first channel, at `rate`.

    Raises ClipsError.
    """
    responses = []
    for path in sorted(folder.glob("*.wav")):
        try:
            samples, own_rate = soundfile.read(path, dtype="float32", always_2d=True)
        except (soundfile.SoundFileError, OSError) as error:
            raise ClipsError(f"room response {path}: unreadable: {error}; restore it or take it out of the folder") from error
        if not np.isfinite(samples).all() or not samples[:, 0].any():
            raise ClipsError(f"room response {path}: silent, or not finite; take it out of the folder")
        responses.append(soxr.resample(samples[:, 0], own_rate, rate))
    if not responses:
        raise ClipsError(
            f"no room responses (*.wav) in {folder}, which {FOLDER} names; put some there, or unset it to have rooms simulated"
        )
    return tuple(responses)


def compand(signal: np.ndarray, rate: int, gain: float) -> np.ndarray:
    """Dynamic-range compression by FFmpeg's compander, of each channel by itself: float32 of shape
    (samples,) or (2, samples) in and out."""
    graph, layout = Graph(), "mono" if signal.ndim == 1 else "stereo"
    source = graph.add_abuffer(format="fltp", sample_rate=rate, layout=layout)
    compander = graph.add("compand", f"{_COMPANDER}:gain={gain:.6f}")
    sink = graph.add("abuffersink")
    source.link_to(compander)
    compander.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(np.atleast_2d(signal), np.float32), format="fltp", layout=layout)
    frame.sample_rate = rate
    source.push(frame)
    source.push(None)
    pieces = []
    while True:
        try:
            pieces.append(cast(av.AudioFrame, sink.pull()).to_ndarray())
        except av.error.EOFError:
            return np.concatenate(pieces, -1).reshape(signal.shape)


@dataclass(frozen=True)
class ReverbDrc:
    """Convolved with a room's response, aligned to the response's peak, cut to length; then
    compressed.

    number: of the set of rooms, 1 to 3. folder: of responses, in place of simulated rooms. Which of
    the set's responses a clip gets follows from its id: cycling over the clips would change with
    every clip that is added.
    """

    takes_stereo = True

    number: int
    folder: Path | None = None
    responses: Sequence[np.ndarray] = ()

    @property
    def _name(self) -> str:
        return f"reverb-drc-{self.number}"

    @property
    def version(self) -> str:
        return versions(1, "av")

    @property
    def arguments(self) -> Mapping[str, str]:
        digest = hashlib.sha256(b"".join(np.round(response, 6).tobytes() for response in self.responses)).hexdigest()[:16]
        return {"compander": _COMPANDER, "gain": f"{_GAIN[0]} to {_GAIN[1]} dB", "responses": digest}

    def fit(self, clips: pa.Table, load: LoadClip, rate: int) -> "ReverbDrc":  # noqa: ARG002  # the seam's signature
        responses = read_responses(self.folder, rate) if self.folder is not None else simulate(self.number, rate)
        return replace(self, responses=responses)

    def applies_to(self, clip: Mapping[str, Any]) -> bool:  # noqa: ARG002  # the seam's signature
        return True

    def apply(self, signal: np.ndarray, rate: int, clip: Mapping[str, Any], load: LoadClip) -> np.ndarray:  # noqa: ARG002  # the seam's signature
        random = clip_random(self._name, clip["clip_id"])
        response = self.responses[int(random.integers(len(self.responses)))]
        peak = int(np.argmax(np.abs(response)))
        responses = response.reshape([1] * (signal.ndim - 1) + [-1])
        wet = fftconvolve(signal, responses, axes=-1)[..., peak : peak + signal.shape[-1]]
        return within_scale(compand(within_scale(wet), rate, random.uniform(*_GAIN)))


def _announced(number: int) -> ReverbDrc:
    named = os.environ.get(FOLDER)
    return ReverbDrc(number, Path(named) / str(number) if named else None)


def reverb_drc_1() -> ReverbDrc:
    return _announced(1)


def reverb_drc_2() -> ReverbDrc:
    return _announced(2)


def reverb_drc_3() -> ReverbDrc:
    return _announced(3)
