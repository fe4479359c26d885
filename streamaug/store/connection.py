"""Open the file system of a URL, so that a connection that is silent is closed, once per process."""

import os
from collections.abc import Mapping
from typing import Any

import fsspec
from fsspec.utils import get_protocol

from streamaug.files import absolute_path

ARCHIVES = ("zip", "tar", "libarchive")
S3, WEB, LOCAL = ("s3", "s3a"), ("http", "https"), ("file", "local")
_SILENCE_S = 10
"""Seconds without a byte after which a connection is closed."""


def _file_system(url: str, options: Mapping[str, Any]) -> tuple[fsspec.AbstractFileSystem, str]:
    """The file system of a URL, which closes silent connections, and the path on it.

    On S3 boto tries a request three times. s3fs would repeat each of these as often again, so its
    own retries are off.
    """
    protocol = get_protocol(url)
    defaults: dict[str, Any] = {}
    if protocol in S3:
        retries = {"mode": "standard", "total_max_attempts": 3}
        defaults = {"config_kwargs": {"connect_timeout": _SILENCE_S, "read_timeout": _SILENCE_S, "retries": retries}}
    elif protocol in WEB:
        from aiohttp import ClientTimeout

        defaults = {"client_kwargs": {"timeout": ClientTimeout(total=None, sock_connect=_SILENCE_S, sock_read=_SILENCE_S)}}
    fs, root = fsspec.core.url_to_fs(url, **{**defaults, **options})
    if protocol in S3:
        fs.retries = 1
    if protocol in ARCHIVES:
        # The first listing fills a table that another thread would find half full.
        fs.ls("")
    return fs, str(root).rstrip("/")


def absolute_url(url: str) -> str:
    """A URL or path that does not depend on the working directory: the local path in it is
    absolute, without `~`.

    >>> absolute_url("s3://bucket/store"), absolute_url("zip://store::file:///data/all.zip")
    ('s3://bucket/store', 'zip://store::file:///data/all.zip')
    """
    chain, link, last = url.rpartition("::")
    if get_protocol(last) not in LOCAL:
        return url
    scheme, mark, path = last.rpartition("://")
    return f"{chain}{link}{scheme}{mark}{absolute_path(path)}"


class Connection:
    """The file system of a folder in this process: open files, connections and event loops do not
    survive a fork.

    Args:
        url: The folder's URL.
        options: Arguments of the file system.
    """

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self._url, self._options = url, options
        self._pid, self._opened = os.getpid(), _file_system(url, options)

    def fs_and_root(self) -> tuple[fsspec.AbstractFileSystem, str]:
        """The file system and the path of the folder on it."""
        if self._pid != os.getpid():
            # Two threads may both open it; each file system works, and the last one stays.
            self._opened = _file_system(self._url, self._options)
            self._pid = os.getpid()
        return self._opened
