"""Prepare one codec step on this machine: choose its encoder, measure its delay, check its bitrate."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import soxr

from streamaug.codecs.alignment import calibration_signal, measure_delay
from streamaug.codecs.base import Codec, Decoding, Encoder, bitrates, coding_rate, needs_stereo, takes_stereo
from streamaug.codecs.bitrates import check_bitrate, nearest_bitrate
from streamaug.codecs.configured import ConfiguredCodec, find_codec
from streamaug.codecs.decoding import decode, resample
from streamaug.codecs.encoders import AdapterEncoder
from streamaug.codecs.neural.codec import NeuralCodec, NeuralEncoder
from streamaug.codecs.pcm import channels_of, depth_of, padded, to_float, to_pcm
from streamaug.codecs.programme import programme_signal
from streamaug.codecs.settings import Settings
from streamaug.conditions import Step
from streamaug.errors import CorruptError, EncoderError, StreamaugError

_REACH = 20_000
"""Samples within which a codec's delay is looked for in stores of up to 48 kHz; HE-AAC, the slowest,
has 5 057. Codecs work at 48 kHz at most, so that stores of a higher rate need as many more."""

_CODING_RATE = 48_000
"""Sample rate in Hz up to which `_REACH` is enough, and whose samples a delay is rounded to."""

_TRUSTED = 0.15
"""Correlation with the calibration signal from which on a delay is believed: twenty times what chance
gives. Opus at 4 kbps, the lowest, has 0.2; AMR at 4.75 kbps has 0.6."""

_EXCHANGED = 2.0
"""Correlation of each channel with the other one of the calibration signal, over that with itself,
from which on an encoder exchanges the channels. Opus at 16 kbps makes two equal ones: 1."""

_APART = 4
"""Samples at 48 kHz by which the delays of two channels may seem to differ."""

_DELIVERED = (0.8, 1.25)
"""Measured kbps over those of the condition, on the calibration signal or one that is like a
recording: outside, the encoder took another bitrate. Opus at 64 kbps delivers 0.85."""

_OVERHEAD = (0.8, 1.5)
"""The same for a bitrate that the codec lists, where the container is all that comes on top: 1.29 in
Speex at 3.95 kbps."""


@dataclass(frozen=True, kw_only=True)
class CalibratedEncoder:
    """A codec step that can be run.

    Args:
        step: The step of a condition.
        codec: The codec that it names.
        encoder: The encoder that makes the bitstreams.
        version: The encoder's version on the machine that calibrated it.
        rate: Sample rate in Hz of the signals that go in and come out, the store's.
        channels: Channels of these signals: 1 or 2.
        delay: Samples at that rate that the decoded signal has ahead of the original's first.
        lead: Samples of silence at that rate to encode ahead of the signal, for a codec whose
            decoder drops the first ones.
        fingerprint: Hash of what it makes of the calibration signal.
        kbps: Bitrate of that; of a signal like a recording, if that is nearer to the step's.
    """

    step: Step
    codec: Codec
    encoder: Encoder
    version: str
    rate: int
    channels: int = 1
    delay: int = 0
    lead: int = 0
    fingerprint: str = ""
    kbps: float = 0.0

    @property
    def coding_rate(self) -> int:
        """Sample rate in Hz at which the signal is encoded."""
        return coding_rate(self.codec.sample_rates, self.rate)

    @property
    def decoding(self) -> Decoding:
        """What decodes its bitstreams."""
        if isinstance(self.codec, ConfiguredCodec | NeuralCodec):
            return self.codec.decoding
        return Decoding(codec=self.step.name, demuxer=None, channels=self.channels)

    @property
    def adapter(self) -> str:
        """What runs the encoder: the adapter that the settings name, `neural` or `plugin`."""
        return self.encoder.adapter if isinstance(self.encoder, AdapterEncoder | NeuralEncoder) else "plugin"

    @property
    def arguments(self) -> Mapping[str, str]:
        """All that decides the bitstream besides the encoder's version, for the index."""
        arguments = dict(self.encoder.arguments)
        if self.coding_rate != self.rate:
            arguments["resampler"] = f"soxr {soxr.__version__} HQ"
        if self.lead:
            arguments["lead"] = str(self.lead)
        if self.channels > 1:
            arguments["channels"] = str(self.channels)
        return arguments

    def encode(self, pcm: np.ndarray) -> bytes:
        """Encode a signal; soxr resamples it if the codec does not take its rate.

        Args:
            pcm: int16, or int32 with 24 bits left-justified, at `rate`; of shape (samples,), or with
                two channels (2, samples).

        Raises:
            EncoderError: The encoder refuses its arguments or breaks down.
        """
        if self.lead:
            pcm = padded(pcm, self.lead, 0)
        if self.coding_rate != self.rate:
            pcm = to_pcm(resample(to_float(pcm).astype(np.float64), self.rate, self.coding_rate), depth_of(pcm))
        # A sample of a low rate is several of the store, which the resampler may leave out at the end.
        tail = -(-self.delay * self.coding_rate // self.rate) + (2 * self.coding_rate < self.rate)
        return self.encoder.encode(pcm, rate=self.coding_rate, kbps=self.step.kbps, tail=tail)

    def decode(self, payload: bytes, samples: int) -> np.ndarray:
        """Decode a bitstream to the aligned signal, float32 of shape (samples,) or (2, samples),
        without torch.

        Args:
            payload: The bitstream.
            samples: Length of the clip in samples.

        Raises:
            CorruptError: The bytes cannot be decoded.
        """
        return decode(payload, decoding=self.decoding, rate=self.rate, delay=self.delay, samples=samples, codec=self.codec)


def choose_encoder(step: Step, settings: Settings, channels: int = 1, rate: int | None = None) -> tuple[Codec, Encoder, str]:
    """Return the codec of a step, the first of its encoders that is installed, and that encoder's
    version.

    Args:
        step: The step of a condition.
        settings: Encoder settings.
        channels: Channels of the signals: 1 or 2.
        rate: Sample rate of the store in Hz. Default: any; then the codec has the bitrates of all rates.

    Raises:
        ConditionError: No codec has this name.
        EncoderError: The codec takes one channel only, or two only, or no encoder is installed; the message says
            what to do.
        PluginError: The codec's package cannot be imported.
    """
    codec = find_codec(step, settings)
    if channels > 1 and not takes_stereo(codec):
        raise EncoderError(
            f"condition step '{step}': codec '{step.name}' takes one channel, but the store has {channels}; "
            "leave the condition out, or build a store with --channels mono"
        )
    if channels == 1 and needs_stereo(codec):
        raise EncoderError(
            f"condition step '{step}': codec '{step.name}' takes two channels, but the store has one; "
            "leave the condition out, or build a store with --channels keep"
        )
    if isinstance(codec, ConfiguredCodec):
        codec = replace(codec, channels=channels, rate=rate and coding_rate(codec.sample_rates, rate))
    try:
        encoder = codec.encoder(step.variant)
    except EncoderError as error:
        raise EncoderError(f"condition step '{step}': {error}") from error
    version = encoder.version
    if version is None:  # a plug-in's codec may leave the check to us
        raise EncoderError(f"condition step '{step}': no encoder on this machine (needs {encoder.name}); {encoder.install_hint}")
    return codec, encoder, version


def calibrate(step: Step, settings: Settings, rate: int, channels: int = 1) -> CalibratedEncoder:
    """Prepare a step: choose its encoder, encode a test signal, measure the delay and check the
    bitrate.

    Args:
        step: The step of a condition.
        settings: Encoder settings.
        rate: Sample rate of the store in Hz.
        channels: Channels of the store: 1 or 2.

    Raises:
        ConditionError: No codec has this name.
        EncoderError: No encoder is installed, it has no such bitrate or not so many channels, its
            delay cannot be measured, or it exchanges the channels.
        PluginError: The codec's package cannot be imported.
    """
    codec, encoder, version = choose_encoder(step, settings, channels, rate)
    check_bitrate(step, codec, channels, coding_rate(codec.sample_rates, rate))
    calibrated = CalibratedEncoder(step=step, codec=codec, encoder=encoder, version=version, rate=rate, channels=channels)
    reference = calibration_signal(rate, channels)
    try:
        payload = calibrated.encode(reference)
    except EncoderError as error:
        raise EncoderError(f"condition step '{step}': {error}") from error
    kbps = _kbps(payload, reference, rate)
    limits = _OVERHEAD if bitrates(codec, channels) else _DELIVERED
    if not _is_within(kbps / step.kbps, limits):  # an encoder of variable bitrate may spend less on this signal than on recordings
        programme = programme_signal(rate, channels)
        kbps = _kbps(calibrated.encode(programme), programme, rate)
    if not _is_within(kbps / step.kbps, limits):
        near = f"{nearest_bitrate(bitrates(codec, channels), kbps):.6g}"
        raise EncoderError(
            f"condition step '{step}': {encoder.name} delivers {kbps:.0f} kbps at {calibrated.coding_rate} Hz instead of {step.kbps:g}; "
            f"choose a bitrate that the codec has, such as {replace(step, bitrate=near)}"
        )
    rounding = -(-rate // _CODING_RATE)
    delay, peak = _delay(payload, calibrated, reference)
    if delay < 0:  # the decoder drops the first samples, as FFmpeg's does for WMA
        leading = replace(calibrated, lead=-delay)
        led, peak_led = _delay(leading.encode(reference), leading, reference)
        if led < 0 and delay >= -rounding:
            delay = 0  # nothing is dropped: the codec moves the peak by a sample, with silence ahead of the signal, too
        else:
            calibrated, delay, peak = leading, led, peak_led
    if delay < 0 or peak < _TRUSTED:
        raise EncoderError(
            f"condition step '{step}': the delay of {encoder.name} cannot be measured (delay {delay}, correlation {peak:.2f}); "
            "choose another encoder in the settings"
        )
    calibrated = replace(calibrated, delay=delay)
    payload = calibrated.encode(reference)
    again, _ = _delay(payload, calibrated, reference)
    if abs(again - delay) > rounding:
        raise EncoderError(
            f"condition step '{step}': the delay of {encoder.name} is not constant ({delay}, then {again} samples); "
            "choose another encoder in the settings"
        )
    if isinstance(codec, ConfiguredCodec):
        _check_end(calibrated, payload, reference.shape[-1])
    return replace(calibrated, fingerprint=hashlib.sha256(payload).hexdigest(), kbps=kbps)


def _kbps(payload: bytes, signal: np.ndarray, rate: int) -> float:
    """Bitrate of an encoded signal."""
    samples: int = signal.shape[-1]
    return len(payload) * 8 * rate / samples / 1000


def _is_within(share: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= share <= limits[1]


def _check_end(calibrated: CalibratedEncoder, payload: bytes, samples: int) -> None:
    """Raise EncoderError if the end of the coded calibration signal is not there."""
    try:
        calibrated.decode(payload, samples)
    except CorruptError as error:
        raise EncoderError(
            f"condition step '{calibrated.step}': {calibrated.encoder.name} drops the end of a signal: {error}; set 'drops' in the "
            "settings to the samples that it drops, or choose another encoder"
        ) from error


def check_length(calibrated: CalibratedEncoder, samples: int) -> None:
    """Check that a codec step can encode and decode clips of a length.

    Args:
        calibrated: The step.
        samples: Length of the clips at the store's rate.

    Raises:
        EncoderError: It cannot; says why, without what to do.
    """
    signal = calibration_signal(calibrated.rate, calibrated.channels)
    if samples >= signal.shape[-1]:
        return  # it did when it was calibrated
    try:
        calibrated.decode(calibrated.encode(signal[..., :samples]), samples)
    except (EncoderError, CorruptError) as error:
        raise EncoderError(
            f"{calibrated.encoder.name} cannot code {samples} samples ({1000 * samples / calibrated.rate:g} ms): {error}"
        ) from error


def _delay(payload: bytes, calibrated: CalibratedEncoder, reference: np.ndarray) -> tuple[int, float]:
    """The delay of a coded calibration signal in samples of the store, and the correlation there.

    Raises EncoderError for what cannot be decoded, has other channels, or has them exchanged.
    """
    step, rate = calibrated.step, calibrated.rate
    try:
        audio = calibrated.codec.decode(payload)
    except StreamaugError:
        raise
    except Exception as error:  # each decoder has its own kinds
        raise EncoderError(
            f"condition step '{step}': what {calibrated.encoder.name} makes at {step.kbps:g} kbps and {calibrated.coding_rate} Hz "
            f"cannot be decoded: {error}; choose a bitrate that the codec has"
        ) from error
    if audio.samples.shape[:-1] != reference.shape[:-1]:
        raise EncoderError(
            f"condition step '{step}': what {calibrated.encoder.name} makes of {channels_of(reference)} channels decodes to "
            f"{channels_of(audio.samples)}; choose another encoder in the settings"
        )
    reach = round(_REACH * max(1, rate / _CODING_RATE))
    decoded = resample(audio.samples, audio.rate, rate)
    delay, peak = measure_delay(decoded, reference, reach)
    if reference.ndim > 1:
        _check_channels(calibrated, decoded, reference, reach, peak)
    return delay, peak


def _check_channels(calibrated: CalibratedEncoder, decoded: np.ndarray, reference: np.ndarray, reach: int, peak: float) -> None:
    """Raise EncoderError if two channels are exchanged, or delayed by different times."""
    name, remedy = f"condition step '{calibrated.step}': {calibrated.encoder.name}", "choose another encoder in the settings"
    if measure_delay(decoded[::-1], reference, reach)[1] > _EXCHANGED * peak:
        raise EncoderError(f"{name} exchanges the left and the right channel; {remedy}")
    left, right = (measure_delay(*pair, reach)[0] for pair in zip(decoded, reference, strict=True))
    if abs(left - right) > _APART * -(-calibrated.rate // _CODING_RATE):
        raise EncoderError(f"{name} delays the left channel by {left} samples and the right one by {right}; {remedy}")
