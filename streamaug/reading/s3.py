"""Ranged reads from S3 by obstore, at the address and with the credentials that s3fs found.

A read takes it less than half of s3fs's processor time (docs/benchmarks.md), which decoding can use. Only reads of bitstreams go this
way: everything else is s3fs's.
"""

import errno
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import fsspec
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.fsspec import FsspecStore

_FRESH = timedelta(minutes=5)
"""Time after which credentials are asked for again; boto renews those that expire by itself."""

_LONGEST = timedelta(hours=1)
"""Time that a read may take as far as obstore is concerned; those who read have a deadline."""

_used_in: int | None = None
"""Process that has read with obstore: its runtime does not survive in a fork of it."""


class _Reads(FsspecStore):
    """obstore's file system with Python's own errors."""

    async def _cat_file(self, path: str, start: int | None = None, end: int | None = None, **settings: Any) -> bytes:
        try:
            data: bytes = await super()._cat_file(path, start, end, **settings)
        except BaseError as error:
            text = str(error).partition("\n")[0]  # what follows are obstore's own objects
            if isinstance(error, PermissionDeniedError | UnauthenticatedError):
                raise PermissionError(errno.EACCES, text) from error
            is_outside = "status code: 416" in text  # nothing but the text tells
            raise OSError(errno.EINVAL if is_outside else errno.EIO, text) from error
        return data


def reader(fs: fsspec.AbstractFileSystem, url: str) -> fsspec.AbstractFileSystem:
    """A file system that reads what s3fs's `fs` reads; the same where this process is a fork of one that has read with obstore."""
    global _used_in
    if _used_in not in (None, os.getpid()):
        return fs
    _used_in = os.getpid()
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
        retry_config={"max_retries": 0},  # those who read try again
        credential_provider=None if fs.anon else _credentials(fs),
        skip_instance_cache=True,
    )


def _region(fs: fsspec.AbstractFileSystem, url: str) -> str | None:
    """The bucket's region, which may be another than the account's; None where the server does not say."""
    bucket = fs._strip_protocol(url).split("/", 1)[0]
    try:
        headers = fs.call_s3("head_bucket", Bucket=bucket)["ResponseMetadata"]["HTTPHeaders"]
    except Exception:  # not everyone may ask; whether the bucket can be read the first read tells
        return None
    found: str | None = headers.get("x-amz-bucket-region")
    return found


def _credentials(fs: fsspec.AbstractFileSystem) -> Callable[[], Awaitable[dict[str, Any]]]:
    """What tells obstore the credentials that s3fs was given, or that boto finds."""
    session, given = fs.session, {"access_key_id": fs.key, "secret_access_key": fs.secret, "token": fs.token}

    async def ask() -> dict[str, Any]:
        if fs.key and fs.secret:
            return {**given, "expires_at": None}
        frozen = await (await session.get_credentials()).get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(UTC) + _FRESH,
        }

    return ask
