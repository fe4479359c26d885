"""What a feature is: it turns a clip's waveform into what a model takes."""

from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor


class Feature(Protocol):
    """Turns the waveform of one clip into its entry in a batch, in two steps.

        waveform ──compute──▶ stored form, which the cache keeps ──expand──▶ row of the batch

    Importing a feature and asking for its shapes must not import torch: planning does both. A
    feature is pickled to decoding processes, so it keeps plain settings only. In a store of two
    channels it is computed of each of them, and rows have shape (2, ...).
    """

    @property
    def name(self) -> str:
        """Key in the batch."""

    @property
    def version(self) -> str:
        """Counts up whenever the same settings give other numbers."""

    @property
    def settings(self) -> str:
        """One line with all that decides the numbers, for the cache key."""

    @property
    def stored_dtype(self) -> str:
        """NumPy's name of the dtype in which the cache keeps the stored form, such as `float16`."""

    def shape(self, samples: int) -> tuple[int, ...]:
        """Shape of a row in the batch, for a waveform of so many samples.

        Only the last axis may depend on their number, and must not become shorter with it.
        """

    def stored_shape(self, samples: int) -> tuple[int, ...]:
        """Shape of the stored form."""

    def compute(self, waveform: "Tensor") -> "Tensor":
        """The stored form, float32, of a waveform, float32 of shape (samples,). Deterministic."""

    def expand(self, stored: "Tensor", out: "Tensor") -> None:
        """Write the row of a stored form (float32, or `stored_dtype` from the cache) into `out`,
        float32 of `shape(samples)`."""


@runtime_checkable
class NeedsRate(Protocol):
    """A feature whose numbers depend on the sample rate."""

    def at_rate(self, rate: int) -> Self:
        """The feature for a stream of that sample rate in Hz.

        Raises ValueError if it is set to another.
        """


def takes_batches(feature: Feature) -> bool:
    """Whether a feature's `compute` and `expand` also take batches, (..., samples), on any device.

    Args:
        feature: One that says so by an attribute `takes_batches`.
    """
    return getattr(feature, "takes_batches", False) is True


def is_row(feature: Feature) -> bool:
    """Whether a feature's stored form is the row already, so that its shape is known without
    `shape`.

    Args:
        feature: One that says so by an attribute `is_row`.
    """
    return getattr(feature, "is_row", False) is True


def computes_shapes(feature: Feature) -> bool:
    """Whether a feature computes to find its shape, so that `shape` takes as long as `compute`.

    Args:
        feature: One that says so by an attribute `computes_shapes`.
    """
    return getattr(feature, "computes_shapes", False) is True


def cache_text(feature: Feature) -> str:
    """All that a cached entry depends on besides its waveform.

    >>> from streamaug.features.logmel import LogMel
    >>> cache_text(LogMel(rate=16_000))
    'logmel rate=16000 n_fft=2048 hop=1024 mels=128 htk power ln+1e-08 minmax version=2'
    """
    version = "" if feature.version == "1" else f" version={feature.version}"  # first versions need no mention
    return f"{feature.settings}{version}"


Features = Any
"""What `Stream(features=...)` takes: a name, a Feature, an `nn.Module` or other callable on a
waveform, or a mapping of names to these."""
