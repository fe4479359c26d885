"""Any PyTorch module or function on a waveform as a feature, such as a torchaudio transform."""

from collections.abc import Callable
from functools import cached_property
from importlib import metadata
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from streamaug.errors import FeatureError
from streamaug.features.module_digest import module_digest

_SHAPES = 4096
"""Lengths whose shapes are remembered: clips may have as many lengths as there are clips."""

_PLAIN = bool | int | float | str | None | torch.dtype | torch.device


class FunctionFeature:
    """A callable that takes a waveform (samples,) and gives a tensor, of which only the last axis
    may depend on the number of samples.

    It must be deterministic: the same waveform gives the same numbers. That is checked once, when
    the stream is opened. Random augmentation belongs into `Stream(augment=...)`.

    Args:
        function: A module, which computes in evaluation mode, or another callable.
        name: Key in the batch. Default: the name of its class or function.
    """

    version = "1"
    stored_dtype = "float32"
    is_row = True
    computes_shapes = True

    def __init__(self, function: Callable[[Tensor], Tensor], *, name: str | None = None) -> None:
        self.function = function.eval() if isinstance(function, nn.Module) else function
        self.name = str(name or getattr(function, "__name__", type(function).__name__))
        self._shapes: dict[int, tuple[int, ...]] = {}

    @cached_property
    def settings(self) -> str:
        """One line for the cache key: `cache_key` where the callable has one; of a module its
        class, constants and weights.

        Raises:
            FeatureError: Neither is enough to tell two callables apart.
        """
        key = getattr(self.function, "cache_key", None)
        if key is not None:
            return f"{self.name} {key() if callable(key) else key}"
        if isinstance(self.function, nn.Module):
            return f"{self.name} {_digest(self.function)}"
        raise FeatureError(
            f"feature '{self.name}' is a plain callable, so a cache cannot tell its results from those of another version; "
            "give it an attribute cache_key, a text that changes with its settings, or leave out feature_cache"
        )

    def shape(self, samples: int) -> tuple[int, ...]:
        """Shape of what the callable gives for a waveform of noise.

        Raises FeatureError for anything but one real, fixed tensor.
        """
        if (shape := self._shapes.get(samples)) is None:
            noise = 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(0))
            first = self.compute(noise.clone())
            if not self._shapes:
                self._check_again(first, noise)
            if len(self._shapes) >= _SHAPES:
                self._shapes.clear()
            shape = self._shapes[samples] = tuple(first.shape)
        return shape

    def _check_again(self, first: Tensor, noise: Tensor) -> None:
        """Raise FeatureError if the callable gives something else the second time."""
        again = self.compute(noise.clone())
        if first.shape != again.shape or not torch.equal(first.nan_to_num(), again.nan_to_num()):
            raise FeatureError(
                f"feature '{self.name}' gives other numbers for the same waveform; make it deterministic, and put random augmentation "
                "into Stream(augment=...)"
            )

    def stored_shape(self, samples: int) -> tuple[int, ...]:
        return self.shape(samples)

    def compute(self, waveform: Tensor) -> Tensor:
        with torch.no_grad():
            result = self.function(waveform.clone())  # one that works in place must not change the next feature
        if not isinstance(result, Tensor) or result.is_complex():
            kind = "a complex tensor" if isinstance(result, Tensor) else type(result).__name__
            raise FeatureError(f"feature '{self.name}' gives {kind}; it must give one real tensor")
        return result.float()

    def expand(self, stored: Tensor, out: Tensor) -> None:
        out.copy_(stored)


def _digest(module: nn.Module) -> str:
    """Hash of a module with the library version of each of its classes.

    Raises FeatureError for an attribute that has no text of its own, such as a lambda.
    """
    return module_digest(module, _code, _text)


def _code(kind: type) -> str:
    """The version of the package of a class; raises FeatureError if it is of none."""
    version = _version(kind.__module__)
    if not version:
        raise FeatureError(
            f"a cache cannot be used for this module: the code of {kind.__qualname__} belongs to no installed package, so a change "
            "of it would go unnoticed; give the module an attribute cache_key, a text that changes with its code and settings"
        )
    return version


def _version(module: str) -> str:
    try:
        return metadata.version(module.partition(".")[0])
    except metadata.PackageNotFoundError:
        return ""


def _text(value: Any, where: str) -> str:
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, list | tuple | set | frozenset):
        texts = [_text(item, where) for item in value]
        return f"{type(value).__name__}({', '.join(sorted(texts) if isinstance(value, set | frozenset) else texts)})"
    if isinstance(value, dict):
        return f"dict({', '.join(f'{_text(key, where)}: {_text(item, where)}' for key, item in value.items())})"
    name = getattr(value, "__qualname__", "<")
    is_bound = not isinstance(getattr(value, "__self__", None), ModuleType | None)
    if callable(value) and not is_bound and "<" not in name:  # no method, no lambda, no function in a function
        return f"{getattr(value, '__module__', '')}.{name}"
    raise FeatureError(
        f"a cache cannot be used for this module: its attribute '{where}' ({type(value).__name__}) has no text that tells it from another; "
        "give the module an attribute cache_key, a text that changes with its settings, or leave out feature_cache"
    )
