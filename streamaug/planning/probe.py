"""Measure on this machine what opening a store and decoding its rows take, with some of a plan's own
rows.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from streamaug.condition_names import split_link, split_store
from streamaug.digests import is_right
from streamaug.errors import CorruptError, StoreError
from streamaug.features import LogMel
from streamaug.planning import Plan
from streamaug.planning.open_plan import open_plan
from streamaug.reading.local import OTHER_BYTES
from streamaug.store.catalogue import StoreLike, named_stores
from streamaug.store.folder import Folder
from streamaug.store.format import STORE_FILE
from streamaug.store.locations import BitstreamLocations
from streamaug.store.rates import used_stores

SECONDS = 3.0
"""How long rows are decoded by default."""

_CANDIDATES = 4096
"""Rows of the epoch that the measured clips are taken from."""

_FEWEST, _MOST = 3, 200
"""Clips of each condition that are measured at least, however long it takes, and at most."""


@dataclass(frozen=True, kw_only=True)
class DecodeTime:
    """What decoding a condition took.

    Args:
        condition: Its name.
        clips: Number of clips that were measured.
        decode_s: Processor seconds per clip, on one core.
    """

    condition: str
    clips: int
    decode_s: float


@dataclass(frozen=True, kw_only=True)
class OpeningCost:
    """What opening a store and planning read and take: at the start of a training, and again when it
    resumes.

    Args:
        requests: Files that are read: manifest, clips table, and the index of each condition.
        read_bytes: Their bytes.
        core_s: Core seconds until the first row of the plan is known, without waiting for the files.
        memory_bytes: Memory that the tables take.
    """

    requests: int
    read_bytes: int
    core_s: float
    memory_bytes: int


def measure_decoding(
    plan: Plan, store: StoreLike, locations: Sequence[BitstreamLocations], epoch: int, *, seconds: float = SECONDS
) -> tuple[tuple[DecodeTime, ...], float | None]:
    """Decode rows of an epoch, of its conditions in turn, and compute their log-mel.

    Args:
        plan: The plan.
        store: The store that it was opened on.
        locations: Locations of the bitstreams of each of plan.conditions, in their order.
        epoch: Number of the epoch.
        seconds: How long, at most, if a few clips of each condition do not take longer.

    Returns:
        The times of the conditions that the epoch shows, and processor seconds of a clip's log-mel;
        None if PyTorch is not installed, or the clips are too short for a log-mel.

    Raises:
        StoreError, CorruptError, FetchError: A bitstream cannot be read or decoded; names the clip.
    """
    rows = plan.epoch_size(epoch)
    drawn = plan.rows(epoch, np.unique(np.linspace(0, rows - 1, min(rows, _CANDIDATES)).astype(np.int64)))
    clips = {number: drawn.clip[(drawn.condition == number).any(1)] for number in np.unique(drawn.condition).tolist()}
    decode_s: dict[int, list[float]] = {number: [] for number in clips}
    feature_s: list[float | None] = []
    for number, candidates in clips.items():  # the first time imports and fills caches
        _measure_clip(store, locations[number], int(candidates[0]))
    begun, turn = time.perf_counter(), 0
    while turn < _FEWEST or (turn < _MOST and time.perf_counter() - begun < seconds):
        for number, candidates in clips.items():
            decoded, computed = _measure_clip(store, locations[number], int(candidates[turn % len(candidates)]))
            decode_s[number].append(decoded)
            feature_s.append(computed)
        turn += 1
    times = [
        DecodeTime(condition=plan.conditions[number], clips=len(taken), decode_s=float(np.mean(taken)))
        for number, taken in decode_s.items()
    ]
    computed_s = [each for each in feature_s if each is not None]
    return tuple(times), float(np.mean(computed_s)) if len(computed_s) == len(feature_s) else None


def _measure_clip(store: StoreLike, location: BitstreamLocations, clip: int) -> tuple[float, float | None]:
    """Processor seconds of checking and decoding a clip, and of its log-mel."""
    from streamaug.codecs.decoding import decode  # which load FFmpeg's libraries
    from streamaug.codecs.lossy import decode_lossy, lossy_opener

    own = named_stores(store)[location.store]
    where, start = location.path(clip), int(location.offset[clip])
    name = f"{own.url}/{where}: clip '{store.clips['clip_id'][clip]}'"
    try:
        payload = own.folder.read_range(where, start, start + int(location.size[clip]))
    except FileNotFoundError:
        raise StoreError(f"{name}: the shard does not exist, so nothing can be measured; run 'streamaug verify {own.url}'") from None
    rate, delay, samples = own.manifest.rate, int(location.delay[clip]), int(store.clips["samples"][clip].as_py())
    begun = time.process_time()
    if not is_right(payload, location.sha256[clip].tobytes()):
        raise CorruptError(f"{name}: {OTHER_BYTES}")
    decoding = location.meta.decoding
    try:
        if location.link:
            opener = lossy_opener(decoding, location.encoder)
            sound, _ = decode_lossy(payload, opener, decoding=decoding, lose=_none, rate=rate, delay=delay, samples=samples)
        else:
            sound = decode(payload, decoding=decoding, rate=rate, delay=delay, samples=samples)
    except CorruptError as error:
        raise CorruptError(f"{name}: {error}") from error
    return time.process_time() - begun, _measure_feature(sound, rate)


def _none(packets: int) -> np.ndarray:
    """Which packets are lost: a decoder takes as long whether they are or not."""
    return np.zeros(packets, bool)


def _measure_feature(sound: np.ndarray, rate: int) -> float | None:
    """Processor seconds of a clip's log-mel, all channels together."""
    try:
        import torch
    except ImportError:
        return None
    feature = LogMel(rate=rate)
    try:
        shape = feature.shape(sound.shape[-1])
    except ValueError:  # the clip is too short
        return None
    begun = time.process_time()
    for channel in np.atleast_2d(sound):
        feature.expand(feature.compute(torch.from_numpy(channel)), torch.empty(shape))
    return time.process_time() - begun


def measure_opening(plan: Plan, store: StoreLike, evaluate: str | None = None) -> OpeningCost:
    """Open a store once more, plan, and look up the first row.

    Args:
        plan: The plan.
        store: The store that it was opened on.
        evaluate: Split that the plan was kept apart from, as for `open_plan`.

    Raises:
        StoreError, CorruptError, FetchError: The store has changed in the meantime.
    """
    begun = time.process_time()
    opened = store.reopen()
    planned = open_plan(plan.recipe, opened, split=plan.inventory.split, seed=plan.seed, evaluate=evaluate)
    planned.row(0, 0)
    core_s = time.process_time() - begun
    files = list(_files(opened, plan.conditions))
    return OpeningCost(
        requests=len(files),
        read_bytes=sum(folder.size(name) for folder, name in files),
        core_s=core_s,
        memory_bytes=int(opened.clips.nbytes) + sum(_memory(opened.locations(name)) for name in plan.conditions),
    )


def _files(store: StoreLike, conditions: Sequence[str]) -> Iterator[tuple[Folder, str]]:
    """The files that opening a store for some conditions reads."""
    for name, each in used_stores(store, conditions).items():
        yield each.folder, STORE_FILE
        yield each.folder, each.manifest.clips.file
        for own in sorted({split_link(split_store(condition)[1])[0] for condition in conditions if split_store(condition)[0] == name}):
            yield each.folder, f"{own}/{each.manifest.conditions[own].file}"


def _memory(location: BitstreamLocations) -> int:
    """Bytes that a condition's arrays take; one whose values are all equal takes none."""
    arrays = (getattr(location, name) for name in ("shard", "offset", "size", "delay", "sha256"))
    return sum(array.nbytes for array in arrays if all(array.strides))
