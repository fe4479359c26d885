"""Download TAU Urban Acoustic Scenes 2020 Mobile, development set: resume, check and unpack its
archives.
"""

import re
import shutil
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType

import pooch  # type: ignore[import-untyped]  # it has no type hints
import requests
from rich.progress import DownloadColumn, Progress, TaskID, TimeRemainingColumn, TransferSpeedColumn

from streamaug.cli.console import stderr
from streamaug.errors import FetchError

NAME = "TAU-urban-acoustic-scenes-2020-mobile-development"
URL = "https://zenodo.org/records/3819968/files/"
ARCHIVES: Mapping[str, str] = MappingProxyType(
    {
        f"{NAME}.{part}.zip": f"md5:{digest}"
        for part, digest in {
            "doc": "175f40dc3fec144347abad4d2962b7ae",
            "meta": "6eae9db553ce48e4ea246e34e50a3cf5",
            "audio.1": "b1e85b8a908d3d6a6ab73268f385d5c8",
            "audio.2": "4310a13cc2943d6ce3f70eba7ba4c784",
            "audio.3": "ed38956c4246abb56190c1e9b602b7b8",
            "audio.4": "97ab8560056b6816808dedc044dcc023",
            "audio.5": "b50f5e0bfed33cd8e52cb3e7f815c6cb",
            "audio.6": "fbf856a3a86fff7520549c899dc94372",
            "audio.7": "0dbffe7b6e45564da649378723284062",
            "audio.8": "bb6f77832bf0bd9f786f965beb251b2e",
            "audio.9": "a65596a5372eab10c78e08a0de797c9e",
            "audio.10": "2ad595819ffa1d56d2de4c7ed43205a6",
            "audio.11": "0ad29f7040a4e6a22cfd639b3a6738e5",
            "audio.12": "e5f4400c6b9697295fab4cf507155a2f",
            "audio.13": "8855ab9f9896422746ab4c5d89d8da2f",
            "audio.14": "092ad744452cd3e7de78f988a3d13020",
            "audio.15": "4b5eb85f6592aebf846088d9df76b420",
            "audio.16": "2e0a89723e58a3836be019e6996ae460",
        }.items()
    }
)
"""The archives and their MD5 as published in the record; dcase_util, by the data set's authors,
lists the same.
"""

PATIENCE = 6
"""Consecutive tries without a byte after which a download is given up."""

BLOCK = 1 << 16
"""Bytes per write; an interrupted connection loses at most this many."""


def fetch(dataset: Path, *, archives: Mapping[str, str] = ARCHIVES, url: str = URL, sleep: Callable[[float], None] = time.sleep) -> None:
    """Download the data set into a folder. Complete files are not fetched again; archives stay in
    <dataset>/archives.

    Args:
        dataset: Folder of the data set.
        archives: Checksums (`md5:…`) of the archives by name.
        url: URL that the names are relative to.
        sleep: Waits for a number of seconds between two tries.

    Raises:
        FetchError: A download fails for good, or an archive is damaged.
    """
    stderr.print("TAU Urban Acoustic Scenes 2020 Mobile: for experimental, non-commercial use; see the licence in its README")
    pooch.get_logger().setLevel("WARNING")
    cabinet = pooch.create(path=dataset / "archives", base_url=url, registry=dict(archives))
    with Progress(
        *Progress.get_default_columns()[:2], DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(), console=stderr
    ) as bars:
        for name in archives:
            try:
                archive = Path(cabinet.fetch(name, downloader=Resuming(bars, bars.add_task(name, total=None), sleep)))
            except ValueError as error:
                raise FetchError(f"{url}{name}: the download does not match the published checksum; run the command again") from error
            unpack(archive, dataset)


class Resuming:
    """A downloader for pooch that resumes after an interrupted connection or an earlier run."""

    def __init__(self, bars: Progress, task: TaskID, sleep: Callable[[float], None]) -> None:
        self._bars, self._task, self._sleep = bars, task, sleep

    def __call__(self, url: str, output_file: str, _: pooch.Pooch) -> None:
        """Download a URL into a file, through a partial file next to it that outlives this process.
        Raises FetchError.
        """
        # pooch gives the output a new name every time, so a later run could not find it.
        part = Path(output_file).with_name(f"{url.rsplit('/', 1)[-1]}.part")
        fruitless = 0
        while True:
            before = _size(part)
            try:
                self._append(url, part)
            except requests.RequestException as error:
                fruitless = 0 if _size(part) > before else fruitless + 1
                if fruitless == PATIENCE or not _is_passing(error):
                    raise FetchError(f"{url}: {error}; run the command again later, it resumes after {_size(part)} bytes") from error
                self._sleep(min(60.0, 2.0**fruitless))
            else:
                break
        part.replace(output_file)

    def _append(self, url: str, part: Path) -> None:
        """Request the rest of the file and append it to the partial file."""
        size = _size(part)
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={size}-"} if size else {})
        with requests.get(url, headers=headers, stream=True, timeout=60) as reply:
            content_range = reply.headers.get("Content-Range", "")
            if reply.status_code == requests.codes.range_not_satisfiable:
                if content_range == f"bytes */{size}":
                    return
                part.unlink()
                raise requests.ConnectionError(f"the partial file of {size} bytes was not of this file and is removed")
            reply.raise_for_status()
            resumed = reply.status_code == requests.codes.partial_content and re.match(rf"bytes {size}-", content_range)
            size = size if resumed else 0
            length = reply.headers.get("Content-Length")
            self._bars.update(self._task, completed=size, total=size + int(length) if length else None)
            with part.open("ab" if resumed else "wb") as file:
                for block in reply.iter_content(BLOCK):
                    file.write(block)
                    self._bars.advance(self._task, len(block))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _is_passing(error: requests.RequestException) -> bool:
    """Whether another try may help: the connection broke, or the server is busy or has an error."""
    return error.response is None or error.response.status_code == requests.codes.too_many_requests or error.response.status_code >= 500


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a ZIP without its top folder; existing files of the right size stay. Raises
    FetchError.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            for member in opened.infolist():
                if not member.is_dir():
                    _unpack_member(opened, member, folder)
    except zipfile.BadZipFile as error:
        raise FetchError(f"{archive}: not a complete ZIP archive: {error}; remove it and run the command again") from error


def _unpack_member(opened: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> None:
    parts = PurePosixPath(member.filename).parts
    if len(parts) < 2 or parts[0] != NAME or ".." in parts:
        raise FetchError(
            f"{opened.filename}: member {member.filename} is not in the folder {NAME}; remove the archive, it is not the published one"
        )
    target = folder.joinpath(*parts[1:])
    if target.is_file() and target.stat().st_size == member.file_size:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    with opened.open(member) as source, part.open("wb") as file:
        shutil.copyfileobj(source, file, BLOCK)
    part.replace(target)
