"""One codec step made ready on this machine: its encoder chosen, its delay measured, its bitrate checked."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import soxr

from streamaug.codecs import processes, pyav
from streamaug.codecs.alignment import calibration_signal, measure_delay
from streamaug.codecs.base import Decoding
from streamaug.codecs.decoding import decode, decode_pyav, resample
from streamaug.codecs.pcm import depth_of, to_float, to_pcm
from streamaug.codecs.settings import Codec, EncoderChoice, Settings
from streamaug.conditions import Step
from streamaug.errors import EncoderError

_REACH = 20_000
"""Samples within which a codec's delay is looked for; HE-AAC, the slowest, has 5 057."""

_TRUSTED = 0.3
"""Correlation with the calibration signal from which on a delay is believed; AMR at 4.75 kbps, the lowest, has 0.6."""

_DELIVERED = (0.6, 1.5)
"""Measured over asked kbps on the calibration signal: outside, the encoder took another bitrate than the name says."""

INSTALL = {
    "fdkaac": "install fdkaac (Debian/Ubuntu: 'apt-get install fdkaac' with contrib and non-free, or multiverse; "
    "macOS: 'brew install fdk-aac-encoder')",
    "ffmpeg": "install an ffmpeg that has it",
    "pyav": "install PyAV's own wheel ('pip install av')",
}


@dataclass(frozen=True, kw_only=True)
class CalibratedEncoder:
    """A codec step that can be run.

    rate: samples a second of the signals that go in and come out. delay: samples at that rate by which the decoded signal
    comes late.
    """

    step: Step
    codec: Codec
    choice: EncoderChoice
    version: str
    rate: int
    delay: int = 0

    @property
    def coding_rate(self) -> int:
        return self.codec.coding_rate(self.rate)

    @property
    def decoding(self) -> Decoding:
        """What decodes its bitstreams."""
        return Decoding(codec=self.step.name, demuxer=self.codec.demuxer)

    @property
    def arguments(self) -> dict[str, str]:
        """All that decides the bitstream beside the encoder's version, for the index."""
        told = {**self.choice.arguments, "muxer": self.choice.muxer}
        if self.coding_rate != self.rate:
            told["resampler"] = f"soxr {soxr.__version__} HQ"
        return told

    def encode(self, pcm: np.ndarray) -> bytes:
        """Code PCM of shape (samples,) at `rate`; a higher or lower rate of the codec's own is reached by soxr. Raises EncoderError."""
        if self.coding_rate != self.rate:
            pcm = to_pcm(resample(to_float(pcm).astype(np.float64), self.rate, self.coding_rate), depth_of(pcm))
        encode = {"pyav": pyav.encode, "fdkaac": processes.encode_fdkaac, "ffmpeg": processes.encode_ffmpeg}[self.choice.adapter]
        tail = -(-self.delay * self.coding_rate // self.rate)
        return encode(pcm, choice=self.choice, rate=self.coding_rate, kbps=self.step.kbps, tail=tail)

    def decode(self, payload: bytes, samples: int) -> np.ndarray:
        """The aligned signal, float32 of shape (samples,), by the decoder that needs no torch. Raises CorruptError."""
        return decode(payload, decoding=self.decoding, rate=self.rate, delay=self.delay, samples=samples, decoder=decode_pyav)


_VERSIONS: dict[str, Callable[[str], str | None]] = {
    "pyav": lambda encoder: pyav.version() if pyav.has(encoder) else None,
    "fdkaac": lambda _: processes.fdkaac_version(),
    "ffmpeg": lambda encoder: processes.ffmpeg_version() if encoder in processes.ffmpeg_encoders() else None,
}


def version_here(choice: EncoderChoice) -> str | None:
    """The version of an encoder on this machine, or None where it is missing."""
    return _VERSIONS[choice.adapter](choice.encoder)


def choose_encoder(step: Step, settings: Settings) -> tuple[EncoderChoice, str]:
    """The first encoder of the settings' list that this machine has, and its version.

    Raises ConditionError for an unknown codec, EncoderError where none is here, with what to install.
    """
    choices = settings.codec(step).encoders
    for choice in choices:
        version = version_here(choice)
        if version is not None:
            return choice, version
    named = " or ".join(f"{choice.encoder} ({choice.adapter})" for choice in choices)
    raise EncoderError(
        f"condition step '{step}': this machine has no encoder for it, which would be {named}; {INSTALL[choices[0].adapter]}"
    )


def calibrate(step: Step, settings: Settings, rate: int) -> CalibratedEncoder:
    """Make a step ready: choose its encoder, code a test signal, measure the delay and hold the bitrate against the asked one.

    rate: samples a second of the store. Raises ConditionError, EncoderError.
    """
    choice, version = choose_encoder(step, settings)
    coding = CalibratedEncoder(step=step, codec=settings.codec(step), choice=choice, version=version, rate=rate)
    reference = calibration_signal(rate)
    payload = coding.encode(reference)
    kbps = len(payload) * 8 * rate / len(reference) / 1000
    if not _DELIVERED[0] <= kbps / step.kbps <= _DELIVERED[1]:
        raise EncoderError(
            f"condition step '{step}': {choice.encoder} delivers {kbps:.0f} kbps at {coding.coding_rate} Hz "
            f"where {step.kbps:g} were asked; ask for a bitrate that the codec has, such as {step.name}_{kbps:.0f}"
        )
    delay, peak = _delay(payload, coding, reference)
    if delay < 0 or peak < _TRUSTED:
        raise EncoderError(
            f"condition step '{step}': no delay could be measured for {choice.encoder} (delay {delay}, correlation {peak:.2f})"
        )
    ready = replace(coding, delay=delay)
    again, _ = _delay(ready.encode(reference), coding, reference)
    if again != delay:
        raise EncoderError(f"condition step '{step}': the delay of {choice.encoder} is not constant ({delay}, then {again} samples)")
    return ready


def _delay(payload: bytes, coding: CalibratedEncoder, reference: np.ndarray) -> tuple[int, float]:
    audio = decode_pyav(payload, coding.decoding)
    return measure_delay(resample(audio.samples, audio.rate, coding.rate), reference, _REACH)
