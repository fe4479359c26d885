"""Random augmentation of rows: what a user's callable gets, and the checks of what it gives.

A row must stay a pure function of its place in the epoch. So a callable gets a generator that is
seeded for the row. Many libraries draw from the global generators of random, numpy and torch
instead. A decode process does nothing else, so there they are seeded for the row, too. The threads
of a training process share them with the training, so there a callable that draws from them is an
error. Threads call it in turn, since transforms keep the numbers that they have drawn for a row.
"""

import contextlib
import inspect
import os
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from streamaug.errors import AugmentError
from streamaug.keys import named_key

_CHECK_EVERY = 64
"""One row of so many is augmented twice, and must become the same. Which ones depends on the row."""


_lock = threading.Lock()
"""Held by the thread that augments."""


def _renew_lock() -> None:
    """In a process that was forked: a thread of its parent may hold the lock."""
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_renew_lock)


@dataclass(frozen=True, kw_only=True)
class AugmentRow:
    """The row that is augmented.

    Args:
        clip_id: The clip that is served; with on_corrupt="replace" perhaps not the planned one.
        condition: Such as `mp3_64`, or `tau:mp3_64` in a mixture of several stores.
        epoch: Number of the epoch.
        position: Of the row in the epoch; a row that pads the last batch has that of the row that
            it repeats.
        view: Number of the view in the row.
    """

    clip_id: str
    condition: str
    epoch: int
    position: int
    view: int


AugmentWaveform = Callable[[np.ndarray, int, np.random.Generator, AugmentRow], Any]
"""From a waveform, float32 (samples,) or (2, samples), its sample rate in Hz, a generator and the
row to a waveform of the same shape: an array or a tensor."""

AugmentFeatures = Callable[[dict[str, Tensor], int, np.random.Generator, AugmentRow], Mapping[str, Tensor]]
"""The same for all features of a row, by their key in the batch: float32 tensors, as in the batch.
"""


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """What happens to the rows of a stream at random.

    Args:
        seed: Of the plan.
        waveform: On the waveform, before the features.
        features: On the features.
    """

    seed: int
    waveform: AugmentWaveform | None = None
    features: AugmentFeatures | None = None


def open_augmentation(seed: int, augment: AugmentWaveform | None, augment_features: AugmentFeatures | None) -> Augmentation | None:
    """What a user's callables do to the rows of a stream; None without any.

    Args:
        seed: Of the plan.
        augment: On waveforms.
        augment_features: On features.

    Raises:
        AugmentError: One of them cannot be called with a row.
    """
    _check_arguments("augment", "waveform", augment)
    _check_arguments("augment_features", "features", augment_features)
    if augment is None and augment_features is None:
        return None
    return Augmentation(seed=seed, waveform=augment, features=augment_features)


def _check_arguments(name: str, what: str, augment: Any) -> None:
    if augment is None:
        return
    with contextlib.suppress(ValueError):  # a builtin without a signature
        try:
            inspect.signature(augment).bind(*range(4))
        except TypeError as error:
            raise AugmentError(
                f"{name}={augment!r} cannot be called as {name}({what}, rate, generator, row): {error}; write a function of these four"
            ) from error


def augment_waveform(augmentation: Augmentation, waveform: np.ndarray, rate: int, row: AugmentRow, *, is_alone: bool) -> np.ndarray:
    """A waveform, augmented; as it is if nothing augments waveforms.

    Args:
        augmentation: Of the stream.
        waveform: Float32 of shape (samples,), or (2, samples).
        rate: Its sample rate in Hz.
        row: Where it goes.
        is_alone: Whether this process does nothing but decode, in one thread.

    Raises:
        AugmentError: The callable fails, gives another length, or draws what depends on more than
            the row.
    """
    if augmentation.waveform is None:
        return waveform
    augment = augmentation.waveform

    def result(generator: np.random.Generator) -> list[np.ndarray]:
        return [_array("augment", augment(waveform.copy(), rate, generator, row), waveform.shape, "waveform")]

    [augmented] = _draw("augment", result, augmentation.seed, row, is_alone=is_alone)
    return augmented


def augment_features(augmentation: Augmentation, outs: Mapping[str, Tensor], rate: int, row: AugmentRow, *, is_alone: bool) -> None:
    """Augment the features of a row in place.

    Args:
        augmentation: Of the stream.
        outs: By key in the batch, float32.
        rate: Sample rate in Hz of the waveform that they were made of.
        row: Where they are.
        is_alone: Whether this process does nothing but decode, in one thread.

    Raises:
        AugmentError: The callable fails, gives other keys or shapes, or draws what depends on more
            than the row.
    """
    if augmentation.features is None:
        return
    augment = augmentation.features

    def result(generator: np.random.Generator) -> list[np.ndarray]:
        given = augment({name: out.clone() for name, out in outs.items()}, rate, generator, row)
        if not isinstance(given, Mapping) or given.keys() != outs.keys():
            text = f"a mapping with the keys {sorted(given)}" if isinstance(given, Mapping) else type(given).__name__
            raise AugmentError(f"augment_features gives {text}; it must give a mapping with the keys {sorted(outs)}")
        return [_array("augment_features", given[name], tuple(out.shape), f"'{name}'") for name, out in outs.items()]

    for out, augmented in zip(outs.values(), _draw("augment_features", result, augmentation.seed, row, is_alone=is_alone), strict=True):
        out.copy_(torch.from_numpy(augmented))


def _array(name: str, given: Any, shape: tuple[int, ...], what: str) -> np.ndarray:
    """What a callable gave, as float32. Raises AugmentError if it cannot be in the row."""
    if not isinstance(given, np.ndarray | Tensor):
        raise AugmentError(f"{name} gives {type(given).__name__} as {what}; it must give an array or a tensor")
    array = given.detach().cpu().numpy() if isinstance(given, Tensor) else given
    if array.dtype.kind != "f":
        raise AugmentError(f"{name} gives {array.dtype} as {what}; it must give float32")
    if array.shape != shape:
        raise AugmentError(f"{name} gives {what} of shape {array.shape}; it must keep the shape {shape}")
    copied = np.array(array, np.float32)  # the callable may write into its own memory again for the next row
    if not np.isfinite(copied).all():
        raise AugmentError(f"{name} gives {what} with NaN or infinite values; it must give finite ones")
    return copied


def _draw(
    name: str, result: Callable[[np.random.Generator], list[np.ndarray]], seed: int, row: AugmentRow, *, is_alone: bool
) -> list[np.ndarray]:
    """The result for a row, which depends on the row alone."""
    key = named_key(seed, name, row.epoch, row.position, row.view)

    def once() -> list[np.ndarray]:
        if is_alone:
            _seed_globals(key)
        with torch.no_grad():
            return result(np.random.default_rng(key))

    try:
        with contextlib.nullcontext() if is_alone else _lock:
            before = () if is_alone else _global_states()
            drawn = once()
            # The training may have drawn in between. What matters is whether the result depends on it.
            is_suspect = key % _CHECK_EVERY == 0 or (not is_alone and before != _global_states())
            is_same = not is_suspect or all(map(np.array_equal, drawn, once()))
    except Exception as error:  # of a user's callable: whatever it is
        reason = f"{error}" if isinstance(error, AugmentError) else f"{name} fails: {type(error).__name__}: {error}"
        raise AugmentError(f"{reason} ({_where(row)})") from error
    if is_same:
        return drawn
    remedy = "let it draw from the generator that it gets, and keep nothing from one call to the next"
    if not is_alone:
        remedy += (
            ". If it draws from the generators of random, numpy or torch, which threads share, decode in processes: leave out threads and "
            "num_workers, or write Stream(workers='processes')"
        )
    raise AugmentError(f"{name} gives something else for the same row a second time ({_where(row)}); {remedy}")


def _where(row: AugmentRow) -> str:
    return f"condition '{row.condition}', position {row.position} of epoch {row.epoch}"


def _seed_globals(key: int) -> None:
    """Seed the generators that libraries share. Each gets numbers of its own: random and numpy use
    the same algorithm."""
    first, second, *own, last = np.random.SeedSequence(key).generate_state(5).tolist()
    random.seed(first << 32 | second)
    np.random.seed(own)  # noqa: NPY002  # the libraries' generator, not this module's
    torch.default_generator.manual_seed(last)


def _global_states() -> tuple[object, ...]:
    """The states of these generators."""
    _, key, *rest = np.random.get_state()  # noqa: NPY002  # the global generator, from which libraries draw
    return random.getstate(), np.asarray(key).tobytes(), rest, torch.get_rng_state().numpy().tobytes()
