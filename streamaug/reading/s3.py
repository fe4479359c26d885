"""Read byte ranges from S3 with obstore, at the address and with the credentials that s3fs found.

obstore needs less than half of s3fs's processor time per read (docs/benchmarks.md), which leaves
more for decoding. It reads bitstreams only; s3fs does everything else.
"""

import errno
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import fsspec
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.fsspec import FsspecStore

_CREDENTIALS_VALID = timedelta(minutes=5)
"""Time after which credentials are requested again; boto renews those that expire by itself."""

_LONGEST = timedelta(hours=1)
"""Longest time of a read for obstore; callers have a shorter deadline of their own."""

_owner_pid: int | None = None
"""Process that has read with obstore, whose runtime does not survive a fork."""


class _Reads(FsspecStore):
    """obstore's file system, raising Python's own errors."""

    async def _cat_file(self, path: str, start: int | None = None, end: int | None = None, **settings: Any) -> bytes:
        try:
            data: bytes = await super()._cat_file(path, start, end, **settings)
        except BaseError as error:
            text = str(error).partition("\n")[0]  # the rest describes obstore's own objects
            if isinstance(error, PermissionDeniedError | UnauthenticatedError):
                raise PermissionError(errno.EACCES, text) from error
            is_outside = "status code: 416" in text  # only the text shows it
            raise OSError(errno.EINVAL if is_outside else errno.EIO, text) from error
        return data


def reader(fs: fsspec.AbstractFileSystem, url: str) -> fsspec.AbstractFileSystem:
    """A file system that reads with obstore what s3fs reads.

    Args:
        fs: The file system of s3fs.
        url: URL of the store, for its bucket.

    Returns:
        obstore's file system; `fs` itself in a fork of a process that has read with obstore.
    """
    global _owner_pid
    if _owner_pid not in (None, os.getpid()):
        return fs
    _owner_pid = os.getpid()
    meta = fs.s3.meta
    region = _region(fs, url) or meta.region_name or "us-east-1"
    silence = timedelta(seconds=fs.config_kwargs.get("read_timeout", 60))
    return _Reads(  # type: ignore[call-overload]  # skip_instance_cache is of fsspec's metaclass
        "s3",
        config={
            "endpoint": meta.endpoint_url,
            "region": region,
            "skip_signature": bool(fs.anon),
            "request_payer": fs.requester_pays,
        },
        client_options={
            "allow_http": True,
            "allow_invalid_certificates": fs.client_kwargs.get("verify") is False,
            "connect_timeout": silence,
            "read_timeout": silence,
            "timeout": _LONGEST,
        },
        retry_config={"max_retries": 0},  # retry.py does
        credential_provider=None if fs.anon else _credentials(fs),
        skip_instance_cache=True,
    )


def _region(fs: fsspec.AbstractFileSystem, url: str) -> str | None:
    """The bucket's region, which may differ from the account's; None if the server does not report
    it."""
    bucket = fs._strip_protocol(url).split("/", 1)[0]
    try:
        headers = fs.call_s3("head_bucket", Bucket=bucket)["ResponseMetadata"]["HTTPHeaders"]
    except Exception:  # not everyone may request it; the first read shows whether the bucket can be read
        return None
    region: str | None = headers.get("x-amz-bucket-region")
    return region


def _credentials(fs: fsspec.AbstractFileSystem) -> Callable[[], Awaitable[dict[str, Any]]]:
    """A function that gives obstore the credentials passed to s3fs, or those that boto finds."""
    session, passed = fs.session, {"access_key_id": fs.key, "secret_access_key": fs.secret, "token": fs.token}

    async def current() -> dict[str, Any]:
        if fs.key and fs.secret:
            return {**passed, "expires_at": None}
        found = await session.get_credentials()
        if found is None:
            raise PermissionError(errno.EACCES, "there are no credentials")
        frozen = await found.get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(UTC) + _CREDENTIALS_VALID,
        }

    return current
