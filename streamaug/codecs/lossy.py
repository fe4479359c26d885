"""Decode a clip some of whose packets were lost on the way: as long as the original, and sample-aligned
with it where it arrived."""

from collections.abc import Callable

import numpy as np

from streamaug.codecs.base import Audio, Decoding
from streamaug.codecs.decoding import cut_clip, own_codec, take_channels
from streamaug.codecs.frames import Needed
from streamaug.codecs.packets.opening import Opener, packet_opener, plugin_packets
from streamaug.errors import CorruptError, LinkError, PluginError

TAKES_LINKS = "opus-voip, opus-wb, opus-nb, amr-nb, amr-wb, lc3, msbc, sbc, alaw, mulaw and g722"
"""Codecs that come with the library and take links, for errors."""


def lossy_opener(decoding: Decoding, encoder: str) -> Opener:
    """What takes the bitstreams of a condition apart into packets.

    Args:
        decoding: What decodes them.
        encoder: Name of the encoder that made them.

    Raises:
        LinkError: A link cannot lose their packets.
        PluginError: A plug-in or a checkpoint decodes this codec, and this machine does not have it, or
            it does not load.
    """
    opener = packet_opener(decoding, encoder)
    if opener is None and decoding.demuxer is None:
        opener = plugin_packets(own_codec(decoding))
    if opener is None:
        raise LinkError(
            f"codec '{decoding.codec}' takes no link: its bitstreams are not known as packets that can be lost one by one; of the codecs "
            f"that come with streamaug, {TAKES_LINKS} do, and codecs of settings files with 'decoder: libopus' or 'decoder: opencore'"
        )
    return opener


def decode_lossy(
    payload: bytes,
    opener: Opener,
    *,
    decoding: Decoding,
    lose: Callable[[int], np.ndarray],
    rate: int,
    delay: int,
    samples: int,
    part: tuple[int, int] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Decode a clip as `decode` does, without some of its packets. If none is lost, the samples are the
    same.

    Args:
        payload: The bitstream.
        opener: What takes it apart, see `lossy_opener`.
        decoding: What decodes it.
        lose: From the number of packets to which of them are lost, bool of shape (packets,).
        rate: Sample rate of the store in Hz; the result has this rate.
        delay: The codec's delay in samples at that rate.
        samples: Length of the clip in samples at that rate.
        part: First sample of the clip that is wanted, and the one after the last. Default: all.

    Returns:
        The samples, and the stretches of the whole clip that were lost: first sample of each and the one
        after its last, int64 of shape (stretches, 2). They are what the decoder made without the lost
        packets; its state, or a seam, may change some samples after them.

    Raises:
        CorruptError: The bytes cannot be decoded, or hold too few samples.
        PluginError: The decoder's library is not installed.
    """
    start, stop = part or (0, samples)
    try:
        packets = opener(payload)
        lost = lose(len(packets.starts) - 1)
        needed = Needed(rate=rate, samples=delay + stop, whole=delay + samples)
        reached = 0 if packets.rate == rate else packets.rate  # a loss after the end is concealed from before it, but not from a second
        decoded = packets.decode(lost, needed.at(packets.rate) + reached)
        audio = Audio(samples=take_channels(decoded, decoding.channels), rate=packets.rate)
    except PluginError:
        raise
    except Exception as error:  # of each format, all of them about the bytes
        raise CorruptError(f"a bitstream '{decoding.codec}' of {len(payload)} bytes cannot be decoded: {error}") from error
    sound = cut_clip(audio, 0, rate=rate, delay=delay, samples=samples, part=(start, stop), name=decoding.codec)
    return sound, _stretches(-(-packets.starts * rate // packets.rate) - delay, lost, samples)


def _stretches(starts: np.ndarray, lost: np.ndarray, samples: int) -> np.ndarray:
    """The stretches of a clip that lost packets leave, from where packets start and end."""
    edges = np.flatnonzero(np.diff(lost, prepend=False, append=False))
    stretches = np.clip(starts[edges], 0, samples).astype(np.int64).reshape(-1, 2)
    heard: np.ndarray = stretches[stretches[:, 0] < stretches[:, 1]]
    return heard
