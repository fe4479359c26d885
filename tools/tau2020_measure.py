"""Measure what tools/tau2020.py does on this machine: some clips in every condition, and a training
step.
"""

import io
import resource
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import soundfile
import torch

from streamaug.building.chains import Chain, EffectStep, encode_clip
from streamaug.building.reading import Reading
from streamaug.building.sources import load
from streamaug.codecs import calibrate, load_settings
from streamaug.codecs.decoding import decode
from streamaug.codecs.pcm import to_float
from streamaug.conditions import Condition
from streamaug.effects import find_effect
from streamaug.features import LogMel
from tools.tau2020_settings import PUBLISHED, Published, Settings
from train.augment import CROP_FRAMES
from train.models import MODELS
from train.preparing import CLIPS_PER_STEP

RATE = 44_100

_REPEATS = 2
_CPU_BATCH, _GPU_BATCH = 4, CLIPS_PER_STEP


@dataclass(frozen=True, kw_only=True)
class Coding:
    """What a condition takes: core seconds to encode a clip and to decode it, and its bytes."""

    encode_s: float
    decode_s: float
    size: int


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was measured on this machine.

    Args:
        codings: By condition.
        read_s: Core seconds to read a source.
        unpack_s: Core seconds to unpack a source.
        wav_bytes: Bytes of a source.
        feature_s: Core seconds of a clip's log-mel.
        feature_bytes: Bytes of a clip's log-mel in the cache.
        step_s: Seconds of a training step.
        forward_s: Seconds in which each published model evaluates a clip.
        device: Where the models ran.
    """

    codings: Mapping[str, Coding]
    read_s: float
    unpack_s: float
    wav_bytes: int
    feature_s: float
    feature_bytes: int
    step_s: float
    forward_s: Mapping[Published, float]
    device: str


def core_seconds(action: Callable[[], object]) -> float:
    """Processor seconds of an action, on one core, with those of programs that it starts; the mean of
    some runs after a first."""
    action()
    before = _processor_time()
    for _ in range(_REPEATS):
        action()
    return (_processor_time() - before) / _REPEATS


def _processor_time() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _synthetic_clips(folder: Path, seconds: float) -> list[dict[str, Any]]:
    """Two places in a street, each recorded by two devices: what every effect needs."""
    rows = []
    for number, (place, device) in enumerate([("1", "a"), ("1", "b"), ("2", "a"), ("2", "b")]):
        path = folder / f"street_traffic-oslo-{place}-0-{device}.wav"
        rng = np.random.default_rng(number)
        # Noise that falls by some 6 dB per octave, as street noise does, below full scale.
        noise = np.cumsum(rng.standard_normal(round(seconds * RATE)))
        noise -= np.convolve(noise, np.full(1001, 1 / 1001), "same")
        soundfile.write(path, 0.1 * noise / np.abs(noise).max() + 1e-4 * rng.standard_normal(len(noise)), RATE, subtype="PCM_24")
        names = {"clip_id": path.stem, "path": str(path), "label": "street_traffic", "split": "train"}
        rows.append({**names, "group": f"oslo-{place}", "device": device, "segment": "0"})
    return rows


def measure_codings(conditions: Sequence[str], clips: Sequence[Mapping[str, Any]]) -> dict[str, Coding]:
    """Encode and decode a clip in every condition.

    Args:
        conditions: Names of the conditions.
        clips: Rows of a clips table with paths; the first one is encoded.

    Raises:
        ConditionError, EncoderError: A condition cannot be built on this machine.
    """
    pcm = {clip["clip_id"]: load(clip["path"], Reading(rate=RATE)).pcm for clip in clips}
    signals = {name: to_float(samples) for name, samples in pcm.items()}
    table = pa.Table.from_pylist([{name: value for name, value in clip.items() if name != "path"} for clip in clips])
    settings, first = load_settings(), clips[0]
    signal = pcm[first["clip_id"]]
    codings = {}
    for name in conditions:
        condition = Condition.parse(name)
        steps = tuple(
            calibrate(step, settings, RATE)
            if step.is_codec
            else EffectStep(step=step, effect=find_effect(step).fit(table, signals.__getitem__, RATE), rate=RATE)
            for step in condition.steps
        )
        chain = Chain(condition=condition, steps=steps, rate=RATE)
        encode = partial(encode_clip, [chain], signal, first, signals.__getitem__)
        payload = encode()[0].payload
        decoded = partial(decode, payload, decoding=chain.decoding, rate=RATE, delay=chain.delay, samples=len(signal))
        codings[name] = Coding(encode_s=core_seconds(encode), decode_s=core_seconds(decoded), size=len(payload))
    return codings


def _seconds(action: Callable[[], object], device: str, repeats: int) -> float:
    """Seconds of an action on a device, the mean of some runs after a first. On processors those of
    an idle machine: processor time, divided among the threads."""

    def clock() -> float:
        if device != "cuda":
            return time.process_time() / torch.get_num_threads()
        torch.cuda.synchronize()
        return time.perf_counter()

    action()
    begun = clock()
    for _ in range(repeats):
        action()
    return (clock() - begun) / repeats


def measure_training(settings: Settings, frames: int, device: str) -> float:
    """Seconds of a training step of 64 clips of the FCNN, from a smaller batch on processors."""
    model = MODELS["fcnn"](10, settings.width).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6, momentum=0.9)
    batch = _GPU_BATCH if device == "cuda" else _CPU_BATCH
    features = torch.rand(batch, 3, 128, frames - CROP_FRAMES, device=device)
    labels = torch.zeros(batch, dtype=torch.int64, device=device)
    kind = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(settings.precision)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(device, dtype=kind, enabled=kind is not None):
            loss = torch.nn.functional.cross_entropy(model(features), labels)
        loss.backward()  # type: ignore[no-untyped-call]  # of torch
        optimizer.step()

    return _seconds(step, device, 10 if device == "cuda" else 1) * CLIPS_PER_STEP / batch


def measure_evaluation(settings: Settings, published: Published, frames: int, device: str) -> float:
    """Seconds in which a published model evaluates a clip."""
    model = MODELS[published.model](published.classes, published.width * settings.width).to(device).eval()
    batch = _GPU_BATCH if device == "cuda" else _CPU_BATCH
    features = torch.rand(batch, 3, 128, frames, device=device)
    with torch.inference_mode():
        return _seconds(lambda: model(features), device, 1) / batch


def measure(settings: Settings, seconds: float) -> Measured:
    """Measure this machine for some seconds.

    Args:
        settings: What is going to be done.
        seconds: Length of a clip.

    Raises:
        ConditionError, EncoderError: A condition cannot be built on this machine.
    """
    device = "cuda" if settings.accelerator != "cpu" and torch.cuda.is_available() else "cpu"
    with tempfile.TemporaryDirectory() as scratch:
        clips = _synthetic_clips(Path(scratch), seconds)
        path = Path(clips[0]["path"])
        zipped = io.BytesIO()
        with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(path, path.name)
        waveform = torch.from_numpy(to_float(load(str(path), Reading(rate=RATE)).pcm))
        feature = LogMel(rate=RATE)
        return Measured(
            codings=measure_codings(settings.built, clips),
            read_s=core_seconds(lambda: load(str(path), Reading(rate=RATE))),
            unpack_s=core_seconds(lambda: zipfile.ZipFile(zipped).read(path.name)),
            wav_bytes=path.stat().st_size,
            feature_s=core_seconds(lambda: feature.compute(waveform)),
            feature_bytes=int(np.prod(feature.stored_shape(len(waveform)))) * np.dtype(feature.stored_dtype).itemsize,
            step_s=measure_training(settings, feature.shape(len(waveform))[-1], device),
            forward_s={each: measure_evaluation(settings, each, feature.shape(len(waveform))[-1], device) for each in PUBLISHED},
            device=torch.cuda.get_device_name() if device == "cuda" else f"{torch.get_num_threads()} cores",
        )
