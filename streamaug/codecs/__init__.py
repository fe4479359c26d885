"""Bitstream in and out: an adapter an encoder, decoding, alignment."""

from streamaug.codecs.base import FLAC, Audio, Decoding
from streamaug.codecs.coding import CalibratedEncoder, calibrate, choose_encoder, version_here
from streamaug.codecs.decoding import decode, decode_pyav, decode_torchcodec, decoder_version, default_decoder
from streamaug.codecs.settings import Codec, Settings, load_settings

__all__ = [
    "FLAC",
    "Audio",
    "CalibratedEncoder",
    "Codec",
    "Decoding",
    "Settings",
    "calibrate",
    "choose_encoder",
    "decode",
    "decode_pyav",
    "decode_torchcodec",
    "decoder_version",
    "default_decoder",
    "load_settings",
    "version_here",
]
