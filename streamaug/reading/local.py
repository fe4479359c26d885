"""A bitstream of a store on this machine's disk: read and checked where it is decoded."""

import os
from dataclasses import dataclass

from streamaug.digests import is_right
from streamaug.errors import CorruptError, FetchError


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalBitstream:
    """Where a bitstream is. It can be pickled.

    Args:
        path: Of the shard on this machine.
        start: First byte.
        stop: Byte after the last one.
        sha256: First DIGEST bytes of the bitstream's hash.
    """

    path: str
    start: int
    stop: int
    sha256: bytes

    def __len__(self) -> int:
        return self.stop - self.start

    def load(self) -> bytes:
        """The bitstream's bytes.

        Raises:
            CorruptError: The shard does not exist, ends before the bitstream does, or has other
                bytes; the shard is named.
            FetchError: The disk fails, or refuses.
        """
        try:
            file = os.open(self.path, os.O_RDONLY)
            try:
                size = os.fstat(file).st_size
                if self.stop > size:  # looked at first: a hostile index must not make this process take memory
                    raise CorruptError(f"cannot be read: {short_shard(self.path, size, self.start, self.stop)}")
                data = os.pread(file, len(self), self.start)
            finally:
                os.close(file)
        except FileNotFoundError:
            raise CorruptError(f"cannot be read: {missing_shard(self.path)}") from None
        except OSError as error:
            raise FetchError(f"cannot be read: {error}; check the disk and the permissions") from error
        if not is_right(data, self.sha256):
            raise CorruptError(OTHER_BYTES)
        return data


OTHER_BYTES = "does not match its sha256 in the index; run 'streamaug verify', then copy or build the condition again"


def missing_shard(path: str) -> str:
    """The error of a shard that does not exist.

    Args:
        path: Path or URL of the shard.
    """
    return f"{path} has vanished, though an index names it; open the store again, or rebuild the condition"


def short_shard(path: str, size: int, start: int, stop: int) -> str:
    """The error of a shard that is too short.

    Args:
        path: Path or URL of the shard.
        size: Bytes that it has.
        start: First byte of the bitstream.
        stop: Byte after its last one.
    """
    return f"{path} is cut off: it has {size} bytes, but its index names bytes {start} to {stop}; copy it again, or rebuild the condition"
