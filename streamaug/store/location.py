"""Read a clip: from where its bytes are in a store to its sound."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamaug.codecs.base import Audio, Decoding
from streamaug.errors import CorruptError, StoreError
from streamaug.store.folder import Folder

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, kw_only=True, slots=True)
class Location:
    """Where the bitstream of one clip in one condition is, and what decodes it. Small and
    picklable.

    Args:
        clip_id: The clip.
        shard: The shard's path in the store, such as `mp3_64/0123abcd-0123456789abcdef.tar`.
        offset: First byte of the bitstream in the shard.
        size: Bytes of the bitstream.
        sha256: Hash of the bitstream, 32 bytes.
        delay: Samples at the store's rate that the codec adds at the start.
        samples: Length of the clip at the store's rate.
        decoding: What decodes the bitstream.
    """

    clip_id: str
    shard: str
    offset: int
    size: int
    sha256: bytes
    delay: int
    samples: int
    decoding: Decoding

    def read(self, folder: Folder) -> bytes:
        """Read and check the bitstream.

        Args:
            folder: The store's folder.

        Raises:
            StoreError: The shard does not exist any more.
            CorruptError: The bytes do not match the sha256.
            FetchError: The bytes could not be read.
        """
        where = self.describe(folder)
        try:
            payload = folder.read_range(self.shard, self.offset, self.offset + self.size)
        except FileNotFoundError:
            raise StoreError(
                f"{where}: the shard does not exist; the snapshot was pruned or the condition removed since the store was opened, so open "
                f"it again, or run 'streamaug verify {folder.url}'"
            ) from None
        if not self.matches(payload):
            raise CorruptError(
                f"{where}: does not match its sha256 in the index; run 'streamaug verify {folder.url}', then copy or rebuild the condition"
            )
        return payload

    def matches(self, payload: bytes) -> bool:
        """Whether bytes are those of the bitstream."""
        return hashlib.sha256(payload).digest() == self.sha256

    def decode(self, payload: bytes, rate: int) -> Audio:
        """Decode the bitstream: sample-aligned with its original and as long, `samples` float32 at
        the store's rate.

        PyAV decodes: the same on every machine, and without torch.

        Args:
            payload: The bitstream.
            rate: The store's sample rate in Hz.

        Raises:
            CorruptError: The bytes cannot be decoded or contain too few samples. The message does
                not name the clip.
        """
        from streamaug.codecs.decoding import decode  # which loads FFmpeg's libraries

        samples = decode(payload, decoding=self.decoding, rate=rate, delay=self.delay, samples=self.samples)
        return Audio(samples=samples, rate=rate)

    def describe(self, folder: Folder) -> str:
        """Store, shard and clip, for errors."""
        return f"{folder.url}/{self.shard}: clip '{self.clip_id}'"


def read_clip(folder: Folder, location: Location, rate: int) -> Audio:
    """From a location to sound: read, check, decode.

    Args:
        folder: The store's folder.
        location: Where the clip's bitstream is.
        rate: The store's sample rate in Hz.

    Raises:
        StoreError: The shard does not exist any more.
        CorruptError: The bytes do not match the sha256, or cannot be decoded.
        FetchError: The bytes could not be read.
    """
    payload = location.read(folder)
    try:
        return location.decode(payload, rate)
    except CorruptError as error:
        raise CorruptError(f"{location.describe(folder)}: {error}") from error


def read_lossy(folder: Folder, location: Location, rate: int, encoder: str, lose: Callable[[int], "np.ndarray"]) -> Audio:
    """The same for a clip whose packets were lost on a link.

    Args:
        folder: The store's folder.
        location: Where the clip's bitstream is.
        rate: The store's sample rate in Hz.
        encoder: Name of what made the bitstream.
        lose: From the number of packets to which of them are lost.

    Raises:
        StoreError: The shard does not exist any more.
        LinkError: A link cannot lose the bitstream's packets.
        CorruptError: The bytes do not match the sha256, or cannot be decoded.
        FetchError: The bytes could not be read.
    """
    from streamaug.codecs.lossy import decode_lossy, lossy_opener  # which load FFmpeg's libraries

    payload, decoding = location.read(folder), location.decoding
    try:
        samples, _ = decode_lossy(
            payload,
            lossy_opener(decoding, encoder),
            decoding=decoding,
            lose=lose,
            rate=rate,
            delay=location.delay,
            samples=location.samples,
        )
    except CorruptError as error:
        raise CorruptError(f"{location.describe(folder)}: {error}") from error
    return Audio(samples=samples, rate=rate)
