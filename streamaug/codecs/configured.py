"""Find a codec by name: one that settings describe in YAML, a neural one, or else a plug-in."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from streamaug import plugins
from streamaug.codecs.base import Audio, Codec, Decoding, Encoder
from streamaug.codecs.decoding import decode_file, plugin_codec
from streamaug.codecs.encoders import ADAPTERS
from streamaug.codecs.neural.codec import NeuralCodec
from streamaug.codecs.settings import CodecConfig, Settings
from streamaug.conditions import Step
from streamaug.errors import ConditionError, EncoderError, PluginError
from streamaug.hints import nearest


@dataclass(frozen=True, kw_only=True)
class ConfiguredCodec:
    """A `Codec` that a settings file describes: built-in adapters encode it, FFmpeg's libraries
    decode it.

    Args:
        name: Its name in conditions.
        config: Its entry in the settings, with what a variant replaces.
        channels: Channels that bitstreams are decoded to.
        rate: Sample rate in Hz at which signals are encoded, which may decide its bitrates. Default:
            any.
    """

    name: str
    config: CodecConfig
    channels: int = 1
    rate: int | None = None

    @property
    def version(self) -> str:
        """FFmpeg's libraries have versions of their own, see `decoder_version`."""
        return "1"

    @property
    def extension(self) -> str:
        return self.config.extension

    @property
    def sample_rates(self) -> Sequence[int]:
        return self.config.rates

    @property
    def takes_stereo(self) -> bool:
        return self.config.stereo is not False

    @property
    def needs_stereo(self) -> bool:
        return self.config.stereo == "only"

    def bitrates(self, channels: int) -> Sequence[float]:  # noqa: ARG002  # the seam's signature
        """Bitrates in kbps that the settings list."""
        return self.config.bitrates(self.rate)

    @property
    def decoding(self) -> Decoding:
        """What decodes its bitstreams."""
        return Decoding(codec=self.name, demuxer=self.config.demuxer, channels=self.channels, decoder=self.config.decoder)

    def encoder(self, variant: str = "") -> Encoder:
        if variant and variant not in self.config.variants:
            raise EncoderError(f"codec '{self.name}' has no variant '{variant}'. {nearest(variant, self.config.variants)}")
        encoders = [
            ADAPTERS[config.adapter](name=config.encoder, muxer=config.muxer, options=config.arguments, drops=config.drops)
            for config in self.config.of_variant(variant).encoders
        ]
        for encoder in encoders:
            if encoder.version is not None:
                return encoder
        needed = " or ".join(f"{encoder.name} ({encoder.adapter})" for encoder in encoders)
        remedies = " or ".join(dict.fromkeys(encoder.install_hint for encoder in encoders))
        name = f"{self.name}@{variant}" if variant else self.name
        raise EncoderError(f"no encoder for codec '{name}' on this machine (needs {needed}); {remedies}")

    def decode(self, payload: bytes) -> Audio:
        return decode_file(payload, self.decoding)


def find_codec(step: Step, settings: Settings) -> Codec:
    """Find the codec that a step names: in the settings first, then among the plug-ins.

    Args:
        step: The step of a condition.
        settings: Codecs that are described in YAML, and checkpoints of neural ones.

    Raises:
        ConditionError: No codec has this name.
        PluginError: The codec's package cannot be imported, or its extension cannot be used.
    """
    if step.name in settings.codecs:
        config = settings.codecs[step.name]
        return ConfiguredCodec(name=step.name, config=config.of_variant(step.variant) if step.variant in config.variants else config)
    if step.name in settings.neural:
        return NeuralCodec.of(step.name, settings.neural[step.name])
    installed = plugins.names(plugins.CODECS)
    if step.name not in installed:
        known = sorted({*settings.codecs, *settings.neural, *installed})
        raise ConditionError(f"condition step '{step}': no codec '{step.name}'. {nearest(step.name, known)}")
    codec = plugin_codec(step.name)
    if not re.fullmatch("[a-z0-9]+", codec.extension):
        raise PluginError(f"codec plug-in '{step.name}': extension '{codec.extension}': use lower-case letters and digits")
    return codec
