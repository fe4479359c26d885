"""Try a read or a write again while that may help: one policy for all files of a store."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

from tenacity import (
    Retrying,
    retry_if_exception,
    sleep_using_event,
    stop_after_attempt,
    stop_after_delay,
    stop_never,
    stop_when_event_set,
    wait_exponential,
    wait_random,
)

from streamaug.errors import FetchError, StreamaugError

_T = TypeVar("_T")

_FINAL = (
    PermissionError,
    IsADirectoryError,
    NotADirectoryError,
    FileExistsError,
    NotImplementedError,
    StreamaugError,
    ValueError,
    TypeError,
)
"""Errors that come again however often one tries."""

_TRANSIENT_STATUS = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
"""Client errors of HTTP that pass. All other ones are final, as is 501; server errors pass."""


_BOTO = "botocore.exceptions"
_BOTO_TRANSIENT = frozenset(
    f"{_BOTO}.{name}"
    for name in ("ConnectionError", "HTTPClientError", "IncompleteReadError", "MetadataRetrievalError", "ReadTimeoutError")
)
"""Errors of boto, and those derived from them, that pass.

All its other ones are about settings or credentials.
"""

_NO_CREDENTIALS = frozenset(
    {
        *(f"{_BOTO}.{name}" for name in ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound")),
        *(f"{_BOTO}.{name}" for name in ("SSOError", "TokenRetrievalError", "NoAuthTokenError")),
        "google.auth.exceptions.DefaultCredentialsError",
        "google.auth.exceptions.RefreshError",
        "azure.core.exceptions.ClientAuthenticationError",
    }
)
"""Errors of cloud libraries, by name since they may not be installed: there are no credentials, or
they cannot be used."""


def _names(error: BaseException) -> set[str]:
    """Full names of an error's class and of those that it is derived from."""
    return {f"{base.__module__}.{base.__name__}" for base in type(error).__mro__}


def is_lack_of_credentials(error: BaseException) -> bool:
    """Whether a cloud library found no credentials, or none that it could use."""
    return not _NO_CREDENTIALS.isdisjoint(_names(error))


def status_of(error: BaseException) -> int | None:
    """The HTTP status in an error of aiohttp, Azure or Google; None if it has none."""
    values = (getattr(error, name, None) for name in ("status", "status_code", "code"))
    return next((value for value in values if isinstance(value, int)), None)


def is_transient(error: BaseException) -> bool:
    """Whether trying again may help: not if a file or credentials are missing, access is denied or
    a request is refused.

    >>> is_transient(ConnectionResetError()), is_transient(PermissionError()), is_transient(FileNotFoundError())
    (True, False, False)
    """
    if isinstance(error, FileNotFoundError):
        # Over HTTP fsspec raises it for any failure to read a file's size, with the true reason as
        # its cause.
        cause = error.__cause__
        return cause is not None and (isinstance(cause, OSError) or hasattr(cause, "status")) and is_transient(cause)
    if isinstance(error, _FINAL) or not isinstance(error, Exception):
        return False
    names = _names(error)
    if not _NO_CREDENTIALS.isdisjoint(names) or (f"{_BOTO}.BotoCoreError" in names and _BOTO_TRANSIENT.isdisjoint(names)):
        return False
    status = status_of(error)
    refused = status is not None and (400 <= status < 500 or status == HTTPStatus.NOT_IMPLEMENTED)
    return not refused or status in _TRANSIENT_STATUS


class ShortReadError(OSError):
    """An answer has fewer bytes than requested; trying again may help."""


def range_of(data: bytes, start: int, stop: int) -> bytes:
    """The bytes start to stop out of a server's answer to a request for just these.

    Args:
        data: The answer. A server that does not support ranges, such as Python's own, sends the
            whole file.
        start: First byte in the file.
        stop: Byte after the last one.

    Raises:
        ShortReadError: The answer is too short.

    >>> range_of(b"cd", 2, 4), range_of(b"abcdef", 2, 4)
    (b'cd', b'cd')
    """
    if len(data) > stop - start:
        data = data[start:stop]
    if len(data) != stop - start:
        raise ShortReadError(f"received {len(data)} bytes instead of {stop - start}")
    return data


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How often and for how long an operation is tried.

    Args:
        deadline_s: Seconds after which no further try begins.
        attempts: Number of tries. Default: as many as the deadline allows.
        first_wait_s: Seconds before the second try; each further wait is twice as long, plus a
            random part of at most this.
        longest_wait_s: Bound on each wait in seconds, without the random part.
    """

    deadline_s: float
    attempts: int | None = None
    first_wait_s: float = 0.2
    longest_wait_s: float = 5.0

    def run(
        self,
        what: str,
        action: Callable[[], _T],
        *,
        remedy: Callable[[BaseException], str] = lambda _: "",
        cancelled: threading.Event | None = None,
    ) -> _T:
        """Run an operation until it succeeds or the policy gives up.

        Args:
            what: Names the operation and the file in errors, such as `s3://data/store/store.json:
                reading`.
            action: The operation; it must be safe to repeat.
            remedy: Says what to do about the last error, for the message. Default: nothing.
            cancelled: When set, it ends a wait and further tries.

        Raises:
            FileNotFoundError: The file does not exist.
            StreamaugError: As raised by the action, which is not tried again then.
            FetchError: Anything else, after the last try; it names the operation, the number of
                tries and the reason.
        """
        event = cancelled or threading.Event()
        retrying = Retrying(
            stop=(stop_after_attempt(self.attempts) if self.attempts else stop_never)
            | stop_after_delay(self.deadline_s)
            | stop_when_event_set(event),
            sleep=sleep_using_event(event),
            wait=wait_exponential(multiplier=self.first_wait_s, max=self.longest_wait_s) + wait_random(0, self.first_wait_s),
            retry=retry_if_exception(is_transient),
            reraise=True,
        )
        try:
            return retrying(action)
        except StreamaugError:
            raise
        except Exception as error:
            if isinstance(error, FileNotFoundError) and not is_transient(error):
                raise
            tries = retrying.statistics.get("attempt_number", 1)
            count = f" after {tries} tries" if tries > 1 else ""
            reason = error.__cause__ if isinstance(error, FileNotFoundError) else error
            advice = remedy(reason or error)
            text = " ".join(str(reason).split())  # some servers answer with a page
            raise FetchError(f"{what} failed{count}: {type(reason).__name__}: {text}{f'; {advice}' if advice else ''}") from error
