"""Audio files of users, the bitstreams of a store, and those in packets that a link loses."""

import io
import os
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path

import av
import numpy as np
import soundfile
from av.audio.stream import AudioStream

from streamaug.building.reading import Reading
from streamaug.building.sources import load
from streamaug.codecs import CalibratedEncoder, calibrate, decode, load_settings
from streamaug.codecs.lossy import decode_lossy, lossy_opener
from streamaug.codecs.neural.container import CodeFile, read_codes, write_codes
from streamaug.conditions import Condition
from streamaug.errors import CorruptError, EncoderError
from tests.codecs.packets.bitstreams import voice
from tests.fuzz.target import Target

_SECONDS = 0.25

_FILES = ("WAV", "AIFF", "AU", "CAF", "W64", "RF64", "FLAC", "OGG", "MP3")
"""Formats that libsndfile writes."""

_CONTAINERS = (("mp4", "aac"), ("adts", "aac"), ("webm", "libopus"), ("asf", "wmav2"), ("ogg", "flac"), ("matroska", "pcm_s16le"))
"""Formats that FFmpeg writes, and their codecs."""

_STORED = {
    "mp3_64": 16_000, "aac_32": 16_000, "opus_32": 48_000, "sbc_64": 16_000, "vorbis_64": 44_100, "wma_64": 16_000, "eac3_64": 48_000,
    "g726_32": 8_000, "gsm_13": 8_000, "speex_16.8": 16_000, "aptx_384": 48_000,
}  # fmt: skip

_IN_PACKETS = {
    "opus-voip_24": 16_000, "amr-nb_12.2": 8_000, "amr-wb_12.65": 16_000, "lc3_80": 16_000, "msbc_60": 16_000, "sbc_64": 16_000,
    "alaw_64": 8_000, "g722_64": 16_000,
}  # fmt: skip
"""Conditions and sample rates."""


def _parse_file(data: bytes, folder: Path) -> None:
    path = folder / "clip.audio"
    path.write_bytes(data)
    load(str(path), Reading(rate=16_000, longest=60.0))


def _files() -> Sequence[bytes]:
    sound = voice(16_000, _SECONDS)
    files = []
    for kind in _FILES:
        sink = io.BytesIO()
        soundfile.write(sink, sound, 16_000, format=kind)
        files.append(sink.getvalue())
    for container, codec in _CONTAINERS:
        sink = io.BytesIO()
        with av.open(sink, "w", format=container) as file:
            stream = file.add_stream(codec, rate=48_000)
            assert isinstance(stream, AudioStream)
            stream.bit_rate = 64_000
            frame = av.AudioFrame.from_ndarray(voice(48_000, _SECONDS)[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts = 48_000, 0
            stream.layout = "mono"
            for packet in (*stream.encode(frame), *stream.encode(None)):
                file.mux(packet)
        files.append(sink.getvalue())
    return files


@cache
def _encoded(name: str, rate: int) -> tuple[CalibratedEncoder, bytes] | None:
    """What codes a condition, and a bitstream; None where this machine cannot, but in CI that is a
    fault: there every encoder is installed."""
    stereo = name.startswith("aptx")
    try:
        encoder = calibrate(Condition.parse(name).steps[0], load_settings(), rate, 2 if stereo else 1)
    except EncoderError:
        if os.environ.get("CI"):
            raise
        return None
    sound = voice(rate, _SECONDS)
    return encoder, encoder.encode(np.stack([sound, sound]) if stereo else sound)


def _bitstreams(name: str, rate: int) -> Sequence[bytes]:
    found = _encoded(name, rate)
    return [found[1]] if found else []


def _parse_bitstream(data: bytes, _folder: Path, name: str, rate: int) -> None:
    found = _encoded(name, rate)
    assert found is not None
    samples = round(_SECONDS * rate)
    decoded = decode(data, decoding=found[0].decoding, rate=rate, delay=found[0].delay, samples=samples)
    assert decoded.shape[-1] == samples


def _parse_packets(data: bytes, _folder: Path, name: str, rate: int) -> None:
    found = _encoded(name, rate)
    assert found is not None
    encoder, samples = found[0], round(_SECONDS * rate)
    decoded, lost = decode_lossy(
        data,
        lossy_opener(encoder.decoding, encoder.encoder.name),
        decoding=encoder.decoding,
        lose=lambda packets: np.arange(packets) % 3 == 1,
        rate=rate,
        delay=encoder.delay,
        samples=samples,
    )
    assert decoded.shape[-1] == samples
    assert (lost[:, 0] < lost[:, 1]).all()


def _parse_codes(data: bytes, _folder: Path) -> None:
    try:
        read_codes(data)
    except ValueError as error:  # which names the clip's bitstream where it is decoded
        raise CorruptError(str(error)) from error


def _codes() -> Sequence[bytes]:
    codes = np.random.default_rng(0).integers(0, 1_000, (4, 75))
    return [write_codes(CodeFile(rate=24_000, samples=24_000, bits=10, codes=codes))]


TARGETS = (
    Target("audio", _parse_file, _files),
    *(
        Target(f"bitstream-{name.partition('_')[0]}", partial(_parse_bitstream, name=name, rate=rate), partial(_bitstreams, name, rate))
        for name, rate in _STORED.items()
    ),
    Target("bitstream-neural", _parse_codes, _codes),
    *(
        Target(f"packets-{name.partition('_')[0]}", partial(_parse_packets, name=name, rate=rate), partial(_bitstreams, name, rate))
        for name, rate in _IN_PACKETS.items()
    ),
)
