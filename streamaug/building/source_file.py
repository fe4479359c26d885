"""Keep a long recording open while its excerpts are read, so that none reads all of it again."""

import mmap
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import numpy as np

from streamaug.building.audio_files import AudioFile, audio_errors, open_audio
from streamaug.building.containers import Container, Data, examine
from streamaug.errors import ClipsError, FetchError, StoreError
from streamaug.store.folder import Folder

_MISSING = "missing; correct its path or remove it from the table"
_EMPTY = "empty (0 bytes); restore it or remove it from the table"


def read_bytes(path: str) -> bytes:
    """The content of a file.

    Raises:
        ClipsError: It is missing, empty or unreadable; says so without its name.
        FetchError: A remote file cannot be read at the moment.
    """
    parent, _, name = path.rpartition("/")
    try:
        folder = Folder.at(parent or "/")
        data = folder.read(name)
    except FileNotFoundError:
        raise ClipsError(_MISSING) from None
    except StoreError as error:
        raise ClipsError(f"unreadable: {error}") from error
    except FetchError as error:
        if folder.is_local or isinstance(error.__cause__, PermissionError):
            raise ClipsError(f"unreadable: {error.__cause__}; restore it or remove it from the table") from error
        raise  # a failing server does not make the file a bad one
    if not data:
        raise ClipsError(_EMPTY)
    return data


def map_bytes(path: str) -> Data:
    """The content of a file, of which a local one is read only where it is looked at.

    Raises:
        ClipsError: It is missing, empty or unreadable; says so without its name.
        FetchError: A remote file cannot be read at the moment.
    """
    if "://" in path:
        return read_bytes(path)
    try:
        with Path(path).open("rb") as file:
            if not os.fstat(file.fileno()).st_size:
                raise ClipsError(_EMPTY)
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise ClipsError(_MISSING) from None
    except OSError as error:
        raise ClipsError(f"unreadable: {error}; restore it or remove it from the table") from error


class SourceFile:
    """The audio file whose excerpts are being read; one at a time, the last one stays open.

    Of uncompressed sound and FLAC, only an excerpt itself is decoded. Other formats give the same
    samples only if they are decoded from the start; so decoding continues where the last excerpt
    began, and excerpts in the order of their times decode a file once.

    Attributes:
        decoded: Samples of the open file up to the end of what was decoded last; its length, if
            there was less sound than was requested.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._path: str | None = None
        self._container: Container | None = None
        self._audio: AudioFile | None = None
        self._pieces: list[np.ndarray] = []
        self._first = 0  # sample of the file where the first of the pieces begins
        self.decoded = 0

    def open(self, path: str) -> tuple[Container, AudioFile]:
        """Open a file, unless it is open.

        Raises:
            ClipsError: It cannot be decoded; says so without its name.
            FetchError: A remote file cannot be read at the moment.
        """
        if self._path != path or self._container is None or self._audio is None:
            self.close()
            container = examine(map_bytes(path))
            audio = self._begin(container)
            self._path, self._container = path, container
            return container, audio
        return self._container, self._audio

    def blocks(self, start: int, stop: int | None) -> Iterator[np.ndarray]:
        """The sound of the open file from one sample to another, or to its end.

        Args:
            start: First sample.
            stop: The sample after the last; None for the end of the file.

        Raises:
            ClipsError: It cannot be decoded.
        """
        assert self._audio is not None, "open() comes first"
        try:
            with audio_errors():
                yield from self._sought(start, stop) if self._audio.blocks_from is not None else self._continued(start, stop)
        except ClipsError:
            self.close()  # what is broken is opened again for the next excerpt
            raise

    def _sought(self, start: int, stop: int | None) -> Iterator[np.ndarray]:
        assert self._audio is not None
        assert self._audio.blocks_from is not None
        self.decoded = start
        for block in self._audio.blocks_from(start):
            part = block if stop is None else block[: stop - self.decoded]
            self.decoded += len(part)
            yield part
            if self.decoded == stop:
                return

    def _continued(self, start: int, stop: int | None) -> Iterator[np.ndarray]:
        if start < self._first:
            assert self._container is not None
            self._stack.close()
            self._begin(self._container)
        assert self._audio is not None
        position, number = self._first, 0
        while stop is None or position < stop:
            if number == len(self._pieces):
                block = next(self._audio.blocks, None)
                if block is None:
                    return
                self._pieces.append(block)
            piece = self._pieces[number]
            begin, position = position, position + len(piece)
            self.decoded = max(self.decoded, position)
            if position <= start:
                self._first = position
                del self._pieces[number]
                continue
            yield piece[max(0, start - begin) : None if stop is None else stop - begin]
            number += 1

    def _begin(self, container: Container) -> AudioFile:
        self._audio = self._stack.enter_context(open_audio(container))
        self._pieces, self._first, self.decoded = [], 0, 0
        return self._audio

    def close(self) -> None:
        """Close the file."""
        self._path = self._container = self._audio = None
        self._pieces = []
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
