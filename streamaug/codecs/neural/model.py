"""Open a checkpoint and run it, in one thread: the same bits in every process, thread and run."""

import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from streamaug.code_digests import code_text
from streamaug.codecs.neural.config import NeuralConfig
from streamaug.codecs.neural.container import MOST_BITS, MOST_CODEBOOKS
from streamaug.codecs.pcm import padded
from streamaug.codecs.programme import programme_signal
from streamaug.errors import PluginError
from streamaug.packages import missing_package_error
from streamaug.references import import_reference

if TYPE_CHECKING:
    from torch import Tensor  # building with other codecs needs no torch

_LARGEST = {"rate": 768_000, "hop": 1 << 24, "codebooks": MOST_CODEBOOKS, "codebook_size": 1 << MOST_BITS}
"""Numbers that a model names, and the greatest of each that a bitstream can hold or a sound can have."""

_METHODS = ("encode", "decode")
_SLACK = 2
"""Frames that a model may make more or less of a signal than its hop says."""


@dataclass(frozen=True, kw_only=True)
class NeuralModel:
    """A checkpoint that can be run.

    Args:
        rate: Sample rate in Hz.
        hop: Samples per frame.
        codebooks: How many it has; each gives one code per frame.
        codebook_size: Codes of each.
        code: Name and version of the class, for weights in safetensors; else empty.
        encoder: From a waveform, float32 (samples,), and a number of codebooks to integers of shape
            (codebooks, frames).
        decoder: From such codes, int64, to a waveform.
    """

    rate: int
    hop: int
    codebooks: int
    codebook_size: int
    code: str
    encoder: "Callable[[Tensor, int], Tensor]"
    decoder: "Callable[[Tensor], Tensor]"

    @property
    def bits(self) -> int:
        """Bits per code."""
        return max(1, (self.codebook_size - 1).bit_length())

    @property
    def bitrates(self) -> tuple[float, ...]:
        """Bitrates in kbps with one codebook, two, and so on; four digits of them, since conditions
        spell them."""
        return tuple(float(f"{count * self.bits * self.rate / self.hop / 1000:.4g}") for count in range(1, self.codebooks + 1))

    def encode(self, signal: np.ndarray, codebooks: int) -> np.ndarray:
        """The codes of a signal, int64 of shape (codebooks, frames).

        Args:
            signal: float32 of shape (samples,); silence fills up the last frame.
            codebooks: How many to use.

        Raises:
            ValueError: The model gives something else.
            Exception: What the model raises.
        """
        import torch

        whole = padded(signal, 0, -len(signal) % self.hop)
        with _reproducible():
            codes = self.encoder(torch.from_numpy(whole), codebooks)
        if codes.dtype.is_floating_point or codes.ndim != 2 or len(codes) != codebooks:
            raise ValueError(f"encode gives {_form(codes)}; it must give integers of shape ({codebooks}, frames)")
        if abs(codes.shape[1] - len(whole) // self.hop) > _SLACK:
            raise ValueError(f"encode gives {codes.shape[1]} frames of {len(whole)} samples, but hop is {self.hop}")
        array: np.ndarray = codes.cpu().numpy().astype(np.int64)
        self.check_codes(array)
        return array

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """The waveform of some codes, float32 of shape (samples,).

        Args:
            codes: int64 of shape (codebooks, frames), checked.

        Raises:
            ValueError: The model gives something else.
            Exception: What the model raises.
        """
        import torch

        with _reproducible():
            waveform = self.decoder(torch.from_numpy(codes))
        if not waveform.dtype.is_floating_point or waveform.ndim != 1:
            raise ValueError(f"decode gives {_form(waveform)}; it must give float32 of shape (samples,)")
        samples: np.ndarray = waveform.float().cpu().contiguous().numpy()
        if not np.isfinite(samples).all():
            raise ValueError("decode gives samples that are not finite")
        return samples

    def check_codes(self, codes: np.ndarray) -> None:
        """Raise ValueError for codes that the codebooks do not have."""
        if len(codes) > self.codebooks:
            raise ValueError(f"has {len(codes)} codebooks, but the model has {self.codebooks}")
        if codes.size and not 0 <= codes.min() <= codes.max() < self.codebook_size:
            raise ValueError(f"has codes from {codes.min()} to {codes.max()}, but the codebooks have {self.codebook_size}")


def _form(tensor: "Tensor") -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} of shape {tuple(tensor.shape)}"


@contextmanager
def _reproducible() -> Iterator[None]:
    """Compute in one thread, and without what TorchScript learns from its first runs: either changes
    the last bits."""
    import torch

    before = torch.get_num_threads()
    if before != 1:
        torch.set_num_threads(1)
    try:
        with torch.inference_mode(), torch.jit.optimized_execution(False):  # type: ignore[attr-defined]  # torch has no type hint for it
            yield
    finally:
        if before != 1:
            torch.set_num_threads(before)


@cache  # a checkpoint takes seconds to open
def open_model(config: NeuralConfig, sha256: str) -> NeuralModel:
    """Open a checkpoint. A TorchScript file and the module of a safetensors file are code that runs.

    Args:
        config: Where it is.
        sha256: Of its file, in hex.

    Raises:
        PluginError: It cannot be opened, is not the file with this hash, or lacks what a codec needs.
    """
    path = config.path
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PluginError(f"checkpoint {path}: cannot be read: {error.strerror}; name the file in the settings") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise PluginError(f"checkpoint {path}: has changed: its sha256 does not begin with {sha256[:16]} any more; run the command again")
    try:
        module, code = _torchscript(data, config) if config.module is None else _module(data, config, config.module)
    except ModuleNotFoundError as error:
        missing = missing_package_error(error)
        raise PluginError(f"checkpoint {path}: {missing or error}") from error
    for name, largest in _LARGEST.items():
        value = getattr(module, name, None)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= largest:
            raise PluginError(
                f"checkpoint {path}: its attribute '{name}' is {value!r}; it must be an integer from 1 to {largest}, see docs/extending.md"
            )
    for name in _METHODS:
        if not callable(getattr(module, name, None)):
            raise PluginError(f"checkpoint {path}: has no method '{name}'; export it with @torch.jit.export, see docs/extending.md")
    numbers = {name: int(getattr(module, name)) for name in _LARGEST}
    return NeuralModel(**numbers, code=code, encoder=module.encode, decoder=module.decode)


def _torchscript(data: bytes, config: NeuralConfig) -> tuple[Any, str]:
    import torch

    try:
        return torch.jit.load(io.BytesIO(data), map_location="cpu").eval(), ""  # type: ignore[no-untyped-call]  # torch has no type hint for it
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise PluginError(
            f"checkpoint {config.path}: is not a TorchScript file: {reason}; write one with torch.jit.script(model).save(path), or save "
            "the weights as .safetensors and name their class in the settings ('module:')"
        ) from error


def _module(data: bytes, config: NeuralConfig, reference: str) -> tuple[Any, str]:
    from safetensors import SafetensorError
    from safetensors.torch import load
    from torch import nn

    maker = import_reference(reference, PluginError, config.folder)
    where = f"checkpoint {config.path}"
    if not hasattr(maker, "__qualname__"):  # a store names the code that decodes it
        raise PluginError(f"{where}: '{reference}' is a {type(maker).__name__}; name a class, or a function that is written with 'def'")
    try:
        module = maker()
    except Exception as error:  # of a user's own code: whatever it raises
        raise PluginError(f"{where}: '{reference}' does not make a module: {type(error).__name__}: {error}") from error
    if not isinstance(module, nn.Module):
        raise PluginError(f"{where}: '{reference}' gives a {type(module).__name__}; it must give a torch.nn.Module")
    try:
        module.load_state_dict(load(data))
    except (SafetensorError, RuntimeError) as error:
        raise PluginError(
            f"{where}: does not have the weights of '{reference}': {error}; save them with "
            "safetensors.torch.save_file(model.state_dict(), path)"
        ) from error
    return module.eval(), code_text(maker)


@cache
def check_model(config: NeuralConfig, sha256: str) -> None:
    """Try a checkpoint on a signal.

    Args:
        config: Where it is.
        sha256: Of its file, in hex.

    Raises:
        PluginError: It cannot be opened, fails, or gives other numbers the second time.
    """
    model = open_model(config, sha256)
    signal = (programme_signal(model.rate, 1, 1.0) / np.float32(32_768)).astype(np.float32)
    try:
        codes, same_codes = (model.encode(signal, model.codebooks) for _ in range(2))
        sound, same_sound = (model.decode(codes) for _ in range(2))
    except Exception as error:  # of a user's own model: whatever it raises
        raise PluginError(f"checkpoint {config.path}: cannot code a second of sound: {type(error).__name__}: {error}") from error
    if not (np.array_equal(codes, same_codes) and np.array_equal(sound, same_sound)):
        raise PluginError(
            f"checkpoint {config.path}: gives other numbers the second time; a codec must draw nothing at random and remember nothing"
        )


def torch_version() -> str | None:
    """The version of PyTorch, which computes; None where it is not installed."""
    try:
        return f"torch {metadata.version('torch')}"
    except metadata.PackageNotFoundError:
        return None
