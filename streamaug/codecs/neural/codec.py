"""A neural codec: a checkpoint as a codec of streamaug."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np

from streamaug.code_digests import path_digest
from streamaug.codecs.base import Audio, Decoding
from streamaug.codecs.neural.config import NeuralConfig
from streamaug.codecs.neural.container import CodeFile, read_codes, write_codes
from streamaug.codecs.neural.model import NeuralModel, check_model, open_model, torch_version
from streamaug.codecs.pcm import padded, to_float
from streamaug.errors import CorruptError, EncoderError, PluginError, StreamaugError

DIGITS = 16
"""Of a checkpoint's sha256 in versions and messages."""


def file_digest(path: Path) -> str | None:
    """The sha256 of a file in hex; None if there is no such file."""
    if not path.is_file():
        return None
    status = path.stat()
    return _digest(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=64)
def _digest(path: Path, modified: int, size: int) -> str:  # noqa: ARG001  # the key of the cache
    return path_digest(path)


@dataclass(frozen=True, kw_only=True)
class NeuralEncoder:
    """A checkpoint that encodes.

    Args:
        config: Where it is.
        sha256: Of its file, in hex.
        name: The same for all, since alignment is judged by it.
    """

    config: NeuralConfig
    sha256: str
    name: str = "checkpoint"
    adapter: ClassVar[str] = "neural"

    @property
    def version(self) -> str | None:
        digest, torch = file_digest(self.config.path), torch_version()
        return f"{digest[:DIGITS]}, {torch}" if digest and torch else None

    @property
    def install_hint(self) -> str:
        return f"put the checkpoint at {self.config.path}, and install torch ('pip install torch')"

    @property
    def arguments(self) -> Mapping[str, str]:
        code = open_model(self.config, self.sha256).code
        return {"checkpoint": self.sha256, **({"module": code} if code else {})}

    def encode(self, pcm: np.ndarray, *, rate: int, kbps: float, tail: int) -> bytes:
        model = open_model(self.config, self.sha256)
        if rate != model.rate or kbps not in model.bitrates:
            raise EncoderError(
                f"checkpoint {self.config.path}: has no {kbps:g} kbps at {rate} Hz; choose {model.rate} Hz and one of its bitrates"
            )
        signal = padded(to_float(pcm), 0, tail)
        try:
            codes = model.encode(signal, 1 + model.bitrates.index(kbps))
        except Exception as error:  # of a user's own model: whatever it raises
            raise EncoderError(
                f"checkpoint {self.config.path}: cannot encode {len(signal)} samples: {type(error).__name__}: {error}"
            ) from error
        return write_codes(CodeFile(rate=rate, samples=len(signal), bits=model.bits, codes=codes))


@dataclass(frozen=True, kw_only=True)
class NeuralCodec:
    """A `Codec` whose checkpoint a settings file names.

    Args:
        name: Its name in conditions.
        config: Where the checkpoint is.
        sha256: Of its file, in hex; None if there is no such file.
    """

    name: str
    config: NeuralConfig
    sha256: str | None
    extension: str = "codes"

    @classmethod
    def of(cls, name: str, config: NeuralConfig) -> "NeuralCodec":
        """The codec of an entry of a settings file.

        Args:
            name: The entry's name.
            config: The entry.
        """
        return cls(name=name, config=config, sha256=file_digest(config.path))

    @property
    def model(self) -> NeuralModel:
        """The opened checkpoint. Raises PluginError."""
        return open_model(self.config, self.sha256 or "")

    @property
    def version(self) -> str:
        """Names the checkpoint, its code and PyTorch, which all decide the samples."""
        model = self.model
        return ", ".join(filter(None, ["1", f"checkpoint {(self.sha256 or '')[:DIGITS]}", model.code, torch_version()]))

    @property
    def sample_rates(self) -> Sequence[int]:
        return (self.model.rate,)

    def bitrates(self, channels: int) -> Sequence[float]:  # noqa: ARG002  # the seam's signature
        """Bitrates in kbps: one codebook, two, and so on."""
        return self.model.bitrates

    @property
    def decoding(self) -> Decoding:
        """What decodes its bitstreams."""
        return Decoding(codec=self.name, demuxer=None, checkpoint=self.sha256, code=self.model.code or None)

    def encoder(self, variant: str = "") -> NeuralEncoder:
        if variant:
            raise EncoderError(f"codec '{self.name}' has no variant '{variant}'; leave the variant out")
        if self.sha256 is None:
            raise EncoderError(f"there is no checkpoint {self.config.path}; name the file in the settings, under neural: {self.name}:")
        try:
            check_model(self.config, self.sha256)
        except PluginError as error:
            raise EncoderError(str(error)) from error
        return NeuralEncoder(config=self.config, sha256=self.sha256)

    def decode(self, payload: bytes) -> Audio:
        model = self.model
        try:
            samples = _decode(payload, model)
        except StreamaugError:
            raise
        except Exception as error:  # of the model, about these codes: whatever it raises
            raise CorruptError(f"{type(error).__name__}: {error}" if not isinstance(error, ValueError) else str(error)) from error
        return Audio(samples=samples, rate=model.rate)


def _decode(payload: bytes, model: NeuralModel) -> np.ndarray:
    """The signal of a bitstream. Raises ValueError, or what the model raises."""
    file = read_codes(payload)
    if (file.rate, file.bits) != (model.rate, model.bits):
        raise ValueError(f"{file.bits} bits per code at {file.rate} Hz, but the model has {model.bits} at {model.rate} Hz")
    model.check_codes(file.codes)
    samples = model.decode(file.codes)
    if len(samples) < file.samples:
        raise ValueError(f"{file.codes.shape[1]} frames hold {len(samples)} samples of {file.samples}")
    return samples[: file.samples]
