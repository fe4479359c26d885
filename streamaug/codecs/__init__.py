"""Samples to bitstream and back: codecs, their encoders, calibration, decoding and alignment."""

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
