"""The built-in encoders, one adapter per file, by the name that settings files have for it."""

from collections.abc import Mapping

from streamaug.codecs.encoders.adapter import AdapterEncoder
from streamaug.codecs.encoders.amrwb import AmrWbEncoder
from streamaug.codecs.encoders.fdkaac import FdkAacEncoder
from streamaug.codecs.encoders.ffmpeg import FFmpegEncoder
from streamaug.codecs.encoders.pyav import PyAVEncoder

ADAPTERS: Mapping[str, type[AdapterEncoder]] = {
    encoder.adapter: encoder for encoder in (PyAVEncoder, FdkAacEncoder, AmrWbEncoder, FFmpegEncoder)
}

__all__ = ["ADAPTERS", "AdapterEncoder", "AmrWbEncoder", "FFmpegEncoder", "FdkAacEncoder", "PyAVEncoder"]
