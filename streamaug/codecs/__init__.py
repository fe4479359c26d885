"""Samples to bitstream and back: codecs, their encoders, calibration, decoding and alignment.

The names below are imported when they are first used, because FFmpeg's libraries take a while to
load, and most commands only read tables.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamaug.codecs.base import FLAC, Audio, Codec, Decoding, Encoder
    from streamaug.codecs.calibration import CalibratedEncoder, calibrate, check_length, choose_encoder
    from streamaug.codecs.configured import ConfiguredCodec, find_codec
    from streamaug.codecs.decoding import decode, decode_file, decoder_version
    from streamaug.codecs.settings import CodecConfig, EncoderConfig, Settings, load_settings

__all__ = [
    "FLAC",
    "Audio",
    "CalibratedEncoder",
    "Codec",
    "CodecConfig",
    "ConfiguredCodec",
    "Decoding",
    "Encoder",
    "EncoderConfig",
    "Settings",
    "calibrate",
    "check_length",
    "choose_encoder",
    "decode",
    "decode_file",
    "decoder_version",
    "find_codec",
    "load_settings",
]

_MODULES = {
    "base": ("FLAC", "Audio", "Codec", "Decoding", "Encoder"),
    "calibration": ("CalibratedEncoder", "calibrate", "check_length", "choose_encoder"),
    "configured": ("ConfiguredCodec", "find_codec"),
    "decoding": ("decode", "decode_file", "decoder_version"),
    "settings": ("CodecConfig", "EncoderConfig", "Settings", "load_settings"),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"streamaug.codecs.{module}"), name)
    raise AttributeError(f"module 'streamaug.codecs' has no attribute '{name}'")
